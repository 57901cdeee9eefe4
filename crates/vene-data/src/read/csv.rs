//! Rows from CSV (RFC 4180): cells of text, under the names of the first line.
//!
//! Nothing is trimmed: a space in front of an answer is part of the answer. An empty cell is a
//! missing value, since CSV has no other.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::csv::ErrorKind;
use serde_json::{Map, Value};

use super::json::MARK;
use super::lines::Lines;
use super::record::{Record, Records};
use super::{DataError, MOST_BYTES, MOST_COLUMNS, Place};

pub(super) fn records(path: &Path, file: File) -> Result<Records, DataError> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    if let Some(byte) = too_many_cells(&bytes) {
        let place = Place { row: 0, line: Some(Lines::new().of(&bytes, byte)) };
        return Err(DataError::Columns { path: path.to_owned(), place, most: MOST_COLUMNS });
    }
    let text = Text(Arc::new(bytes));
    let mut places =
        Places { text: text.clone(), lines: Lines::new(), row: 0, path: path.to_owned() };
    let mut reader = ::csv::Reader::from_reader(Cursor::new(text));
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(error) => return Err(places.error(&error)),
    };
    let mut seen = HashSet::new();
    if let Some(column) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(DataError::ColumnTwice { column: column.to_owned(), path: path.to_owned() });
    }
    Ok(Records::of(reader.into_records().map(move |cells| {
        let cells = cells.map_err(|error| places.error(&error))?;
        let values: Map<String, Value> = names
            .iter()
            .zip(&cells)
            .map(|(name, cell)| match cell {
                "" => (name.to_owned(), Value::Null),
                cell => (name.to_owned(), Value::String(cell.to_owned())),
            })
            .collect();
        let place = places.next(cells.position());
        Ok(Record { place, values, cells: true })
    })))
}

/// The file's bytes, which the parser and the line count share.
#[derive(Clone)]
struct Text(Arc<Vec<u8>>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Where each row stands.
struct Places {
    text: Text,
    lines: Lines,
    row: usize,
    path: PathBuf,
}

impl Places {
    /// The place of the next row.
    fn next(&mut self, position: Option<&::csv::Position>) -> Place {
        let place = self.here(position);
        self.row += 1;
        place
    }

    /// The parser counts what lies between two rows to the second: line ends and blank lines.
    fn here(&mut self, position: Option<&::csv::Position>) -> Place {
        let text = self.text.as_ref();
        let start = position.map_or(0, |position| position.byte() as usize);
        let between = text.get(start..).unwrap_or_default();
        let between = between.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        Place { row: self.row, line: Some(self.lines.of(text, start + between)) }
    }

    fn error(&mut self, error: &::csv::Error) -> DataError {
        let message = match error.kind() {
            ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
                "{len} cells, and the first line names {expected_len} columns; a cell with a comma in \
                 it stands in quotes"
            ),
            ErrorKind::Utf8 { err, .. } => {
                format!("cell {} is not UTF-8 text; save the file as UTF-8", err.field() + 1)
            }
            _ => error.to_string(),
        };
        DataError::Csv { path: self.path.clone(), place: self.here(error.position()), message }
    }
}

/// The beginning of a row that has more cells than there may be columns.
fn too_many_cells(text: &[u8]) -> Option<usize> {
    let (mut cells, mut start, mut quoted, mut fresh) = (1, 0, false, true);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' if quoted => quoted = false,
            // A doubled quote within a quoted cell opens it again.
            b'"' if fresh || at.checked_sub(1).is_some_and(|last| text[last] == b'"') => {
                quoted = true
            }
            b',' if !quoted => cells += 1,
            b'\n' | b'\r' if !quoted => (cells, start) = (1, at + 1),
            _ => {}
        }
        fresh = !quoted && matches!(byte, b',' | b'\n' | b'\r');
        if cells > MOST_COLUMNS {
            return Some(start);
        }
    }
    None
}
