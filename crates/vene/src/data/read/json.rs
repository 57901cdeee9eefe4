//! Rows from JSON: one object a line, or an array of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::record::{Record, Records, kind};
use super::strict::Strict;
use super::{DataError, MOST_BYTES, Place};

/// What some editors put in front of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// One object a line; blank lines are skipped, either line ending is read.
pub(super) fn lines(path: &Path, file: File) -> Result<Records, DataError> {
    let path = path.to_owned();
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let mut number = 0;
    let mut next = move || -> Result<Option<Record>, DataError> {
        loop {
            let mut line = Vec::new();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(|source| DataError::Read { path: path.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            number += 1;
            let line = if number == 1 { without_mark(&line) } else { &line };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let value = parse(&path, number - 1, line)?;
            return record(&path, Place::Line(number as u64), value).map(Some);
        }
    };
    // What stands behind a line that cannot be read is not looked at.
    let mut broken = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let record = next().transpose();
        broken = matches!(record, Some(Err(_)));
        record
    })))
}

/// An array of objects, or one under the key `prompts` as AutoCircuit has it.
pub(super) fn array(path: &Path, file: File) -> Result<Records, DataError> {
    let path = path.to_owned();
    let mut bytes = Vec::new();
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::Read { path: path.clone(), source })?;
    let text = without_mark(&bytes);
    if text.trim_ascii().is_empty() {
        return Err(DataError::Empty { path });
    }
    let rows = match parse(&path, 0, text)? {
        Value::Array(rows) => rows,
        Value::Object(mut file) => match file.remove("prompts") {
            Some(Value::Array(rows)) => rows,
            Some(other) => {
                let found = format!("`prompts` that are {}", kind(&other));
                return Err(DataError::JsonShape { path, found });
            }
            None => {
                let keys: Vec<&str> = file.keys().take(8).map(String::as_str).collect();
                let found = format!("one object (with the keys {})", keys.join(", "));
                return Err(DataError::JsonShape { path, found });
            }
        },
        other => {
            return Err(DataError::JsonShape { path, found: kind(&other).to_owned() });
        }
    };
    let rows = rows.into_iter().enumerate();
    Ok(Box::new(rows.map(move |(row, value)| record(&path, Place::Row(row), value))))
}

fn record(path: &Path, place: Place, value: Value) -> Result<Record, DataError> {
    match value {
        Value::Object(values) => Ok(Record { place, values, cells: false }),
        other => Err(DataError::NotAnObject { path: path.to_owned(), place, found: kind(&other) }),
    }
}

/// One JSON value, in which `lines_before` lines of the file are not counted.
fn parse(path: &Path, lines_before: usize, text: &[u8]) -> Result<Value, DataError> {
    let value = serde_json::from_slice(text).map(|Strict(value)| value);
    value.map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        DataError::Json {
            path: path.to_owned(),
            line: lines_before + error.line().max(1),
            column: error.column(),
            message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        }
    })
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}
