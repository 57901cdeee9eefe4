//! Rows from JSON: one object a line, or an array of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::budget::Budget;
use super::lines::Lines;
use super::record::{Record, Records, kind};
use super::{DataError, MOST_BYTES, MOST_COLUMNS, Place, elements, strict};

/// What some editors put in front of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// One object a line; blank lines are skipped, either line ending is read.
pub(super) fn lines(path: &Path, file: File) -> Result<Records, DataError> {
    let path = path.to_owned();
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let (mut number, mut row) = (0, 0);
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
            // Without its end, so that what is missing is missed on this line.
            let line = line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            let place = Place { row, line: Some(number as u64) };
            row += 1;
            let value = strict::parse(line, Budget::whole())
                .map_err(|error| line_error(&path, number, &error))?;
            return record(&path, place, value).map(Some);
        }
    };
    // What stands after a line that cannot be read is not looked at.
    let mut broken = false;
    Ok(Records::of(std::iter::from_fn(move || {
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
    let parsed = strict::parse(text, Budget::of_values());
    let (rows, key) = match parsed.map_err(|error| error_at(&path, 0, &error))? {
        Value::Array(rows) => (rows, None),
        Value::Object(mut file) => match file.remove("prompts") {
            Some(Value::Array(rows)) => (rows, Some("prompts")),
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
    let mut places = Lines::new();
    let starts = elements::starts(text, key);
    let lines: Vec<u64> = starts.into_iter().map(|byte| places.of(text, byte)).collect();
    let rows = rows.into_iter().enumerate();
    Ok(Records::of(rows.map(move |(row, value)| {
        let place = Place { row, line: lines.get(row).copied() };
        record(&path, place, value)
    })))
}

fn record(path: &Path, place: Place, value: Value) -> Result<Record, DataError> {
    match value {
        Value::Object(values) if values.len() > MOST_COLUMNS => {
            Err(DataError::Columns { path: path.to_owned(), place, most: MOST_COLUMNS })
        }
        Value::Object(values) => Ok(Record { place, values, cells: false }),
        other => Err(DataError::NotAnObject { path: path.to_owned(), place, found: kind(&other) }),
    }
}

/// What is wrong with a line that should hold an object.
fn line_error(path: &Path, number: usize, error: &serde_json::Error) -> DataError {
    let mut told = error_at(path, number - 1, error);
    if let (true, DataError::Json { message, .. }) = (error.is_eof(), &mut told) {
        message.push_str(
            ": the object is not complete on its line; write each object on one line, or an array of \
             objects in a .json file",
        );
    }
    told
}

/// What is wrong with JSON, in which `lines_before` lines of the file are not counted.
fn error_at(path: &Path, lines_before: usize, error: &serde_json::Error) -> DataError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    DataError::Json {
        path: path.to_owned(),
        line: lines_before + error.line().max(1),
        column: error.column(),
        message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}
