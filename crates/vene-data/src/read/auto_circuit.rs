//! AutoCircuit's layout (Miller, Chughtai and Saunders 2024, "Transformer Circuit Faithfulness
//! Metrics Are Not Robust"; `auto_circuit/data.py`).
//!
//! Its readers tokenize each answer as it is and sum over several, so answers are texts with
//! their space, any of them right. Wrong answers are wrong for the clean prompt; whether they are right
//! for the corrupt one the files do not say. Toy models' files hold token ids or numbers instead.

use serde_json::Value;

use super::RowError;
use super::record::Record;
use crate::{FoilIs, Row};

/// The keys that are read.
pub(super) const KEYS: [&str; 4] = ["clean", "corrupt", "answers", "wrong_answers"];

pub(super) fn row(record: &Record) -> Result<Row, RowError> {
    for key in KEYS {
        if let Some(value) = record.value(key)
            && holds_numbers(value)
        {
            return Err(RowError::TokenIds { key: key.to_owned() });
        }
    }
    Ok(Row {
        base: record.needed_prompt("clean")?.unwrap_or_default(),
        source: record.needed_prompt("corrupt")?,
        target: record.answers("answers")?,
        foil: record.answers("wrong_answers")?,
        foil_is: FoilIs::Unknown,
        ..Row::default()
    })
}

fn holds_numbers(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(values) => values.iter().any(holds_numbers),
        _ => false,
    }
}
