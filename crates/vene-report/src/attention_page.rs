//! A page on which one points at heads and tokens: attention patterns in one HTML file that needs no network.
//!
//! The weights are in the page as 16-bit numbers, the keys that each query may see alone, so that a value is off by at most
//! 1/131070. Everything else is drawn by the page's own script.

use std::fmt::Write;

/// A head's attention.
#[derive(Clone, Copy, Debug)]
pub struct HeadAttention<'a> {
    /// What it is called: `L5H2`.
    pub name: &'a str,
    /// `[queries, keys]`, row-major, from 0 to 1.
    pub weights: &'a [f32],
    /// Its scores, in the order of [`AttentionPage::scores`]; NaN where it has none.
    pub scores: &'a [f64],
}

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct AttentionPage<'a> {
    /// The page's title.
    pub title: String,
    /// The tokens of the prompt, as they are shown.
    pub tokens: &'a [String],
    /// What the heads' scores are called.
    pub scores: &'a [&'a str],
    /// The heads, in order.
    pub heads: &'a [HeadAttention<'a>],
}

impl AttentionPage<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let tokens: Vec<String> = self.tokens.iter().map(|token| quoted(token)).collect();
        let scores: Vec<String> = self.scores.iter().map(|score| quoted(score)).collect();
        let heads = self.heads.iter().map(|head| {
            let of_head = head.scores.iter().map(|score| number(*score));
            format!("[{},[{}]]", quoted(head.name), of_head.collect::<Vec<_>>().join(","))
        });
        let data = format!(
            "{{\"tokens\":[{}],\"scores\":[{}],\"heads\":[{}],\"weights\":\"{}\"}}",
            tokens.join(","),
            scores.join(","),
            heads.collect::<Vec<_>>().join(","),
            self.weights()
        );
        PAGE.replace("@TITLE@", &escaped(&self.title)).replace("@DATA@", &data)
    }

    /// Of each head the weights that each query may see, as little-endian 16-bit numbers in base 64.
    fn weights(&self) -> String {
        let width = self.tokens.len();
        let mut bytes = Vec::new();
        for head in self.heads {
            for query in 0..width {
                let row = head.weights.get(query * width..=query * width + query);
                for weight in row.unwrap_or_default() {
                    let number = (f64::from(*weight).clamp(0.0, 1.0) * 65535.0).round() as u16;
                    bytes.extend(number.to_le_bytes());
                }
            }
        }
        base64(&bytes)
    }
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "null".to_owned() }
}

/// A text as JSON in a script of a page.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // What could end the script, or a line of it.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(quoted, "\\u{:04x}", character as u32);
            }
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..4 {
            if digit <= chunk.len() {
                text.push(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char);
            } else {
                text.push('=');
            }
        }
    }
    text
}

const PAGE: &str = include_str!("attention_page.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_standard() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            [of(""), of("f"), of("fo"), of("foo"), of("foob")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    /// Whatever a token is, it does not end the script, and the page asks for nothing from elsewhere.
    #[test]
    fn a_token_stays_a_token() {
        let tokens = ["</script><b>".to_owned(), "\"\\\n".to_owned()];
        let weights = [1.0, 0.0, 0.25, 0.75];
        let heads = [HeadAttention { name: "L0H0", weights: &weights, scores: &[0.25, f64::NAN] }];
        let title = "a <b> & c".to_owned();
        let page = AttentionPage { title, tokens: &tokens, scores: &["one", "two"], heads: &heads };
        let html = page.html();
        assert_eq!(html.matches("</script>").count(), 1);
        assert!(html.contains(r#""\u003c/script\u003e\u003cb\u003e","\"\\\u000a""#), "{html}");
        assert!(html.contains("a &lt;b&gt; &amp; c"));
        // 65535, 16384 and 49151, little-endian.
        assert!(html.contains(r#""weights":"//8AQP+/""#), "{html}");
        assert!(html.contains(r#"[["L0H0",[0.2500,null]]]"#));
        assert!(
            !html.contains("http://") && !html.contains("https://") && !html.contains("@DATA@")
        );
    }
}
