//! Our own layout.

use serde_json::Value;

use super::record::{Record, kind, text};
use super::{RowError, span};
use crate::data::Row;

const PROMPT: &str = "a prompt, as a text";

pub(super) fn row(record: &Record) -> Result<Row, RowError> {
    let base = record.needed_text("base", PROMPT)?;
    let source = record.text("source", PROMPT)?;
    let spans = span::spans(record, &base, source.as_deref())?;
    Ok(Row {
        base,
        source,
        target: record.answers("target")?,
        foil: record.answers("foil")?,
        spans,
        group: record.value("group").map(group).transpose()?,
    })
}

/// A name; numbers are names too, as scripts count templates.
fn group(value: &Value) -> Result<String, RowError> {
    let expected = "a name or a whole number";
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::String(_) => text("group", value, expected),
        other => Err(RowError::Kind { key: "group".to_owned(), found: kind(other), expected }),
    }
}
