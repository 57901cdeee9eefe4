//! Conversations in place of prompts: a list of turns, each with its `role` and `content`.

use serde_json::Value;
use vene_model::Message;

use super::RowError;
use super::record::{Record, kind};

const EXPECTED: &str = "a list of turns, each with its role and content as texts: \
                        [{\"role\": \"user\", \"content\": \"What is the capital of Spain?\"}]";

/// The turns under a key, if there are any.
///
/// # Errors
/// Something else than turns.
pub(super) fn read(record: &Record, key: &str) -> Result<Option<Vec<Message>>, RowError> {
    let Some(value) = record.value(key) else { return Ok(None) };
    let wrong =
        |found: &'static str| RowError::Kind { key: key.to_owned(), found, expected: EXPECTED };
    let written: Value;
    let list = match value {
        Value::Array(list) => list,
        Value::String(cell) if record.cells => {
            written = serde_json::from_str(cell).map_err(|_| wrong("a text that is no list"))?;
            written.as_array().ok_or_else(|| wrong(kind(&written)))?
        }
        other => return Err(wrong(kind(other))),
    };
    if list.is_empty() {
        return Err(wrong("an empty list"));
    }
    let turn = |turn: &Value| {
        let object = turn.as_object().ok_or_else(|| wrong("a list of something else"))?;
        // What is not read would be missed by the template. Tables have a null where nothing is.
        let said = object.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key);
        if let Some(other) =
            said.into_iter().find(|key| !["role", "content"].contains(&key.as_str()))
        {
            let (key, other) = (key.to_owned(), other.escape_debug().take(40).collect());
            return Err(RowError::KeyOfTurn { key, other });
        }
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        match (text("role"), text("content")) {
            (Some(role), Some(content)) => Ok(Message::new(role, content)),
            _ => {
                Err(wrong("a list whose turns lack a role or a content, or have others than texts"))
            }
        }
    };
    list.iter().map(turn).collect::<Result<_, _>>().map(Some)
}
