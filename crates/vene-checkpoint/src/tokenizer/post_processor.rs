//! What a `tokenizer.json` wants around a text: read before the library runs it.
//!
//! The library looks a template's special tokens up in the table beside it and ends the program
//! where one is missing, or where a single text is to hold a second one. Its own builder checks
//! this; reading a file does not.

use serde_json::Value;

use crate::CheckpointError;

/// Whether a post-processor decides about tokens around the text.
pub(super) fn surrounds(processor: &Value) -> bool {
    match processor.get("type").and_then(Value::as_str) {
        Some("Sequence") => parts(processor).iter().any(surrounds),
        Some("ByteLevel") => false,
        _ => true,
    }
}

/// Refuses templates that name what is not there.
///
/// The library knows a template by its keys, whatever its type says, and so does this.
pub(super) fn check(file: &str, processor: &Value) -> Result<(), CheckpointError> {
    for part in parts(processor) {
        check(file, part)?;
    }
    let special = processor.get("special_tokens").and_then(Value::as_object);
    for piece in processor.get("single").and_then(Value::as_array).into_iter().flatten() {
        let problem = if let Some(id) = id_in(piece, "SpecialToken") {
            if special.is_some_and(|table| table.contains_key(id)) {
                continue;
            }
            format!(
                "puts the special token {id:?} around a text and does not say which token it is"
            )
        } else if let Some(id) = id_in(piece, "Sequence").filter(|&id| id != "A") {
            format!("wants a second text ({id:?}) beside a single one")
        } else {
            continue;
        };
        return Err(CheckpointError::malformed(file, format!("its post-processor {problem}")));
    }
    Ok(())
}

fn parts(processor: &Value) -> &[Value] {
    processor.get("processors").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn id_in<'a>(piece: &'a Value, kind: &str) -> Option<&'a str> {
    piece.get(kind)?.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn template(single: Value) -> Value {
        json!({
            "type": "TemplateProcessing",
            "single": [single, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}
        })
    }

    #[test]
    fn a_template_may_name_only_what_is_there() {
        let known = template(json!({"SpecialToken": {"id": "<s>", "type_id": 0}}));
        let missing = template(json!({"SpecialToken": {"id": "<r>", "type_id": 0}}));
        let second = template(json!({"Sequence": {"id": "B", "type_id": 0}}));
        check("f", &known).unwrap();
        for (processor, expected) in [(missing, "\"<r>\""), (second, "a second text")] {
            for nested in [json!({"type": "Sequence", "processors": [processor]}), processor] {
                let line = check("f", &nested).unwrap_err().to_string();
                assert!(line.contains(expected), "{line}");
            }
        }
    }

    #[test]
    fn byte_level_alone_puts_nothing_around() {
        let byte_level = json!({"type": "ByteLevel"});
        assert!(!surrounds(&byte_level));
        assert!(!surrounds(&json!({"type": "Sequence", "processors": [byte_level]})));
        assert!(surrounds(
            &json!({"type": "Sequence", "processors": [byte_level, template(Value::Null)]})
        ));
        assert!(surrounds(&json!({"cls": ["<s>", 5], "sep": ["</s>", 6]})));
    }
}
