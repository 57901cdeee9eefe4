//! Text of strangers, made harmless for a terminal.
//!
//! Prompts, files, models and folder names hold whatever bytes their authors liked. Printed on a terminal, some of these
//! move the cursor, change colours or titles, or turn around the order of what is read. So they are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write;

/// The most characters of an error line: more than any sentence needs, less than a screen.
const LONGEST: usize = 2400;

/// How many of them are of its beginning, where a longer one is cut.
const OF_BEGINNING: usize = 1600;

/// Whether a terminal does something else with a character than to show it.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Line and paragraph separators; marks, embeddings, overrides and isolates of writing directions.
            '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            // Deprecated controls of format, annotations, tags: invisible text.
            | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped_but(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |character: char| is_harmful(character) && !keep(character);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Text with its lines and tabs, all else that is harmful as `\u{1b}`.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, |character| matches!(character, '\n' | '\t'))
}

/// Text in one line, cut in the middle where it is too long for one.
pub fn one_line(text: &str) -> Cow<'_, str> {
    cut(escaped_but(text, |_| false))
}

/// JSON, in which everything harmful is within strings but line breaks: JSON with the same contents.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_escaped = |character: char| is_harmful(character) && character != '\n';
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn cut(line: Cow<'_, str>) -> Cow<'_, str> {
    let length = line.chars().count();
    if length <= LONGEST {
        return line;
    }
    let left_out = length - LONGEST;
    let beginning: String = line.chars().take(OF_BEGINNING).collect();
    let end: String = line.chars().skip(OF_BEGINNING + left_out).collect();
    Cow::Owned(format!("{beginning} [... {left_out} characters are left out ...] {end}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(lines("\u{1b}[31mred\u{7}\r\n\tx"), "\\u{1b}[31mred\\u{7}\\r\n\tx");
        // C1: `CSI` as one character, next to DEL.
        assert_eq!(lines("\u{9b}2J\u{7f}\u{85}"), "\\u{9b}2J\\u{7f}\\u{85}");
        assert_eq!(lines("a\u{202e}cba\u{2066}\u{200f}"), "a\\u{202e}cba\\u{2066}\\u{200f}");
        assert_eq!(one_line("a\nb\u{2028}c"), "a\\nb\\u{2028}c");
    }

    #[test]
    fn writing_of_all_kinds_stays() {
        for text in ["é, ß, 漢字, עברית, عربي", "👩\u{200d}🔬 e\u{301} \u{a0}", "_Madrid ▁x Ġy"]
        {
            assert!(matches!(lines(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn json_keeps_its_contents() {
        let text = "\u{1b}]0;title\u{7} \u{9b} \u{202e} \u{e0041} é 👩\n";
        let printed = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = json(&printed);
        assert!(!escaped.contains(|character| is_harmful(character) && character != '\n'));
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), [text]);
    }

    #[test]
    fn a_long_line_keeps_both_ends() {
        let line = format!("begin {} end", "é".repeat(10_000));
        let cut = one_line(&line);
        assert!(cut.starts_with("begin é") && cut.ends_with("é end"), "{cut}");
        assert!(cut.contains("[... 7610 characters are left out ...]"), "{cut}");
        assert!(cut.chars().count() < LONGEST + 60);
        let just = "x".repeat(LONGEST);
        assert_eq!(one_line(&just), just);
    }
}
