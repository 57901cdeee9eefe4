//! Where the elements of an array stand in a JSON text that is known to be right.

/// The first byte of each element: of the array that the text is, or of the one under a key of the
/// object that it is.
pub(super) fn starts(text: &[u8], key: Option<&str>) -> Vec<usize> {
    let wanted = if key.is_some() { 2 } else { 1 };
    let mut starts = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    // The last text of the outermost object: before a colon it is a key.
    let mut last_text: &[u8] = &[];
    let (mut inside, mut expected) = (false, false);
    while let Some(&byte) = text.get(at) {
        let begins = !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b']' | b'}' | b',' | b':');
        if begins && inside && depth == wanted && expected {
            starts.push(at);
            expected = false;
        }
        match byte {
            b'"' => {
                let end = end_of_text(text, at);
                if depth == 1 {
                    last_text = text.get(at + 1..end).unwrap_or_default();
                }
                at = end;
            }
            b'[' | b'{' => {
                depth += 1;
                if depth == wanted && byte == b'[' && is_key(last_text, key) {
                    (inside, expected) = (true, true);
                }
            }
            b']' | b'}' => {
                if inside && depth == wanted {
                    return starts;
                }
                depth = depth.saturating_sub(1);
            }
            b',' if inside && depth == wanted => expected = true,
            _ => {}
        }
        at += 1;
    }
    starts
}

/// The quote that ends a text which begins with the one at `start`.
fn end_of_text(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    at
}

fn is_key(found: &[u8], key: Option<&str>) -> bool {
    key.is_none_or(|key| key.as_bytes() == found)
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn elements_begin_after_commas_of_their_array() {
        let text = br#" [ {"a": [1, 2]},  "x, y", [3] , 4]"#;
        let found: Vec<u8> = starts(text, None).into_iter().map(|at| text[at]).collect();
        assert_eq!(found, b"{\"[4");
        assert_eq!(starts(b"[]", None), [0; 0]);
        let text =
            br#"{"words": [1, 2], "more": {"prompts": [0]}, "prompts": [{"a\"": 1}, 7], "z": [3]}"#;
        let found: Vec<u8> = starts(text, Some("prompts")).into_iter().map(|at| text[at]).collect();
        assert_eq!(found, b"{7");
    }
}
