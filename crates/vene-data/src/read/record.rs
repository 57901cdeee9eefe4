//! One row as a file has it: keys and values, before anybody knows what they mean.
//!
//! Every format ends here, so that a layout is written once for all of them.

use serde_json::{Map, Value};
use vene_named::shown;

use super::{DataError, Place, RowError, UnusedColumn};

/// What a prompt has to be.
pub(super) const PROMPT: &str = "a prompt, as a text";

/// What a file holds.
pub(super) struct Records {
    /// Its rows, one after the other.
    pub rows: Box<dyn Iterator<Item = Result<Record, DataError>>>,
    /// Columns of types that are not understood, which no row has.
    pub not_understood: Vec<UnusedColumn>,
}

impl Records {
    /// Of a format in which every value is understood.
    pub fn of(rows: impl Iterator<Item = Result<Record, DataError>> + 'static) -> Self {
        Self { rows: Box::new(rows), not_understood: Vec::new() }
    }
}

/// A row's keys and values.
pub(super) struct Record {
    /// Where it stands.
    pub place: Place,
    /// What it holds; what is missing is absent or null.
    pub values: Map<String, Value>,
    /// Whether a text may stand for a list or a number, since the format has cells of text only.
    pub cells: bool,
}

impl Record {
    /// What a key holds, unless that is nothing.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// A text, if there is one.
    pub fn text(&self, key: &str, expected: &'static str) -> Result<Option<String>, RowError> {
        self.value(key).map(|value| text(key, value, expected)).transpose()
    }

    /// A prompt, if there is one. An empty one is the fault of its row alone, which is left out.
    pub fn prompt(&self, key: &str) -> Result<Option<String>, RowError> {
        self.value(key).map(|value| maybe_empty(key, value, PROMPT)).transpose()
    }

    /// The prompt under a key that every row has; `None` where nothing stands there.
    pub fn needed_prompt(&self, key: &str) -> Result<Option<String>, RowError> {
        if !self.values.contains_key(key) {
            return Err(RowError::Missing { key: key.to_owned(), expected: PROMPT });
        }
        self.prompt(key)
    }

    /// A text, or several of which any is right; none where there is nothing.
    pub fn answers(&self, key: &str) -> Result<Vec<String>, RowError> {
        const EXPECTED: &str =
            "a text with its leading space, such as \" Madrid\", or an array of such texts";
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::String(cell)) if cell.starts_with('[') => {
                let answers = self.listed(key, cell)?;
                answers.iter().map(|answer| maybe_empty(key, answer, EXPECTED)).collect()
            }
            Some(Value::Array(answers)) => {
                answers.iter().map(|answer| maybe_empty(key, answer, EXPECTED)).collect()
            }
            Some(answer) => Ok(vec![maybe_empty(key, answer, EXPECTED)?]),
        }
    }

    /// The items of a text that begins like a list: it has to be one. JSON has lists of its own, so
    /// that a text there must not be one either.
    fn listed(&self, key: &str, cell: &str) -> Result<Vec<Value>, RowError> {
        let items = serde_json::from_str::<Vec<Value>>(cell).ok();
        match (self.cells, items) {
            (true, Some(items)) => Ok(items),
            (_, None) => Err(RowError::NoList { key: key.to_owned(), cell: shown(cell) }),
            (false, Some(_)) => {
                Err(RowError::ListAsText { key: key.to_owned(), text: shown(cell) })
            }
        }
    }

    /// A number from 0, if there is one.
    pub fn index(&self, key: &str) -> Result<Option<usize>, RowError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let read = match value {
            Value::String(cell) if self.cells => {
                serde_json::from_str(cell.trim()).ok().as_ref().and_then(index)
            }
            value => index(value),
        };
        let expected = "a whole number, counted from 0";
        let wrong = || RowError::Kind { key: key.to_owned(), found: kind(value), expected };
        read.ok_or_else(wrong).map(Some)
    }
}

/// A text that is not empty.
pub(super) fn text(key: &str, value: &Value, expected: &'static str) -> Result<String, RowError> {
    match value {
        Value::String(text) if text.is_empty() => Err(RowError::EmptyText { key: key.to_owned() }),
        value => maybe_empty(key, value, expected),
    }
}

/// A text. Where it is empty, the row is read, and left out when it is prepared.
pub(super) fn maybe_empty(
    key: &str,
    value: &Value,
    expected: &'static str,
) -> Result<String, RowError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(RowError::Kind { key: key.to_owned(), found: kind(other), expected }),
    }
}

/// A number from 0. pandas writes whole numbers as floats where some are missing (`1.0`).
pub(super) fn index(value: &Value) -> Option<usize> {
    match (value.as_u64(), value.as_f64()) {
        (Some(index), _) => usize::try_from(index).ok(),
        (None, Some(float)) if float.fract() == 0.0 && (0.0..=u32::MAX.into()).contains(&float) => {
            Some(float as usize)
        }
        _ => None,
    }
}

/// What a value is, in words for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
