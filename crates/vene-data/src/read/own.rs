//! Our own layout.

use serde_json::Value;

use vene_model::{Message, said_in};

use super::record::{PROMPT, Record, kind, text};
use super::span::Columns;
use super::{RowError, messages};
use crate::{FoilIs, Row};

/// Reads rows, and keeps in mind what their other columns hold.
#[derive(Default)]
pub(super) struct Reader {
    /// What was seen in the columns that may be phrases.
    pub columns: Columns,
}

impl Reader {
    pub fn row(&mut self, record: &Record) -> Result<Row, RowError> {
        let (base, base_messages) = self.prompt(record, "base", "messages")?;
        let base = base.unwrap_or_default();
        let (source, source_messages) = self.prompt(record, "source", "source_messages")?;
        let spans = self.columns.spans(record, &base, source.as_deref())?;
        Ok(Row {
            base,
            source,
            base_messages,
            source_messages,
            target: record.answers("target")?,
            foil: record.answers("foil")?,
            foil_is: foil_is(record)?,
            spans: spans.into(),
            group: record.value("group").map(group).transpose()?,
            place: None,
        })
    }

    /// A prompt that is a text, or a conversation in place of one: what is said, and the turns.
    fn prompt(
        &self,
        record: &Record,
        key: &'static str,
        of_messages: &'static str,
    ) -> Result<(Option<String>, Vec<Message>), RowError> {
        let messages = messages::read(record, of_messages)?;
        match (record.prompt(key)?, messages) {
            (None, Some(messages)) => Ok((Some(said_in(&messages)), messages)),
            (Some(_), Some(_)) => Err(RowError::TwoPrompts { key, other: of_messages }),
            (None, None)
                if key == "base"
                    && !record.values.contains_key(key)
                    && !record.values.contains_key(of_messages) =>
            {
                Err(RowError::Missing { key: key.to_owned(), expected: PROMPT })
            }
            (text, None) => Ok((text, Vec::new())),
        }
    }
}

/// What the foil is to the source: its answer, unless the row says otherwise.
fn foil_is(record: &Record) -> Result<FoilIs, RowError> {
    let key = "foil_is";
    let Some(found) = record.text(key, "source_answer, wrong_answer or unknown")? else {
        return Ok(FoilIs::default());
    };
    found.parse().map_err(|error| RowError::FoilIs { key: key.to_owned(), error })
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
