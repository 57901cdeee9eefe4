//! What a `tokenizer.json` puts around a text: read from the file, never run.
//!
//! The library's post-processors look special tokens up in a table and end the program where one is
//! missing, and a few kilobytes of them can repeat a text a billion times. What matters here are only
//! the tokens before a text, and those are written in the file.

use serde_json::Value;

use crate::CheckpointError;

/// The tokens that are put around a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Surround {
    pub before: Vec<u32>,
    pub after: Vec<u32>,
}

/// What a post-processor puts around a text; none where it says nothing about it.
///
/// The library knows a post-processor by its keys, whatever its type says, and so does this.
///
/// # Errors
/// It names tokens that are not there, or does not give the text back once.
pub(super) fn surround(file: &str, processor: &Value) -> Result<Option<Surround>, CheckpointError> {
    let refuse =
        |problem: &str| CheckpointError::malformed(file, format!("its post-processor {problem}"));
    if let Some(parts) = processor.get("processors").and_then(Value::as_array) {
        let parts: Vec<Surround> = parts
            .iter()
            .filter_map(|part| surround(file, part).transpose())
            .collect::<Result<_, _>>()?;
        // Each one is put around what those before it made.
        let whole = Surround {
            before: parts.iter().rev().flat_map(|part| part.before.iter().copied()).collect(),
            after: parts.iter().flat_map(|part| part.after.iter().copied()).collect(),
        };
        return Ok((!parts.is_empty()).then_some(whole));
    }
    if let Some(pieces) = processor.get("single").and_then(Value::as_array) {
        return template(file, processor, pieces).map(Some);
    }
    let pair = |key: &str| {
        processor.get(key).map(|token| {
            let id = token.get(1).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| refuse(&format!("has a `{key}` that is not a token with its id")))
        })
    };
    match (pair("cls"), pair("sep")) {
        (Some(cls), Some(sep)) => Ok(Some(Surround { before: vec![cls?], after: vec![sep?] })),
        _ => Ok(None),
    }
}

fn template(file: &str, processor: &Value, pieces: &[Value]) -> Result<Surround, CheckpointError> {
    let refuse =
        |problem: String| CheckpointError::malformed(file, format!("its post-processor {problem}"));
    let mut around = Surround::default();
    let mut past_the_text = false;
    for piece in pieces {
        if let Some(id) = id_in(piece, "SpecialToken") {
            let ids = processor
                .get("special_tokens")
                .and_then(|table| table.get(id)?.get("ids")?.as_array())
                .ok_or_else(|| {
                    refuse(format!(
                        "puts the special token {id:?} around a text and does not say which token it is"
                    ))
                })?;
            let side = if past_the_text { &mut around.after } else { &mut around.before };
            for id in ids {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                side.push(id.ok_or_else(|| refuse("names a token by what is not an id".into()))?);
            }
        } else if let Some(id) = id_in(piece, "Sequence") {
            if id != "A" {
                return Err(refuse(format!("wants a second text ({id:?}) beside a single one")));
            }
            if past_the_text {
                return Err(refuse("repeats the text".into()));
            }
            past_the_text = true;
        }
    }
    if past_the_text { Ok(around) } else { Err(refuse("leaves the text out".into())) }
}

fn id_in<'a>(piece: &'a Value, kind: &str) -> Option<&'a str> {
    piece.get(kind)?.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn template(pieces: &[&str]) -> Value {
        let pieces: Vec<Value> = pieces
            .iter()
            .map(|&piece| match piece {
                "A" | "B" => json!({"Sequence": {"id": piece, "type_id": 0}}),
                _ => json!({"SpecialToken": {"id": piece, "type_id": 0}}),
            })
            .collect();
        json!({
            "type": "TemplateProcessing", "single": pieces, "pair": [],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [6, 7], "tokens": ["</", "s>"]}
            }
        })
    }

    fn around(processor: &Value) -> Option<(Vec<u32>, Vec<u32>)> {
        surround("f", processor).unwrap().map(|around| (around.before, around.after))
    }

    #[test]
    fn tokens_around_a_text() {
        assert_eq!(around(&template(&["<s>", "A", "</s>"])), Some((vec![5], vec![6, 7])));
        assert_eq!(around(&template(&["A"])), Some((vec![], vec![])));
        let byte_level = json!({"type": "ByteLevel"});
        assert_eq!(around(&byte_level), None);
        assert_eq!(around(&json!({"type": "Sequence", "processors": [byte_level]})), None);
        let roberta = json!({"type": "RobertaProcessing", "cls": ["<s>", 5], "sep": ["</s>", 6]});
        assert_eq!(around(&roberta), Some((vec![5], vec![6])));
        let both = json!({"type": "Sequence", "processors": [
            byte_level, template(&["<s>", "A"]), template(&["</s>", "A", "<s>"])]});
        assert_eq!(around(&both), Some((vec![6, 7, 5], vec![5])));
    }

    #[test]
    fn a_template_names_only_what_is_there() {
        for (pieces, expected) in [
            (vec!["<r>", "A"], "\"<r>\""),
            (vec!["A", "B"], "a second text"),
            (vec!["A", "A"], "repeats the text"),
            (vec!["<s>"], "leaves the text out"),
        ] {
            let processor = template(&pieces);
            for nested in [json!({"type": "Sequence", "processors": [processor]}), processor] {
                let line = surround("f", &nested).unwrap_err().to_string();
                assert!(line.contains(expected), "{line}");
            }
        }
    }
}
