//! Rows from CSV (RFC 4180): cells of text, under the names of the first line.
//!
//! Nothing is trimmed: a space in front of an answer is part of the answer. An empty cell is a
//! missing value, since CSV has no other.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::json::MARK;
use super::record::{Record, Records};
use super::{DataError, MOST_BYTES, Place};

pub(super) fn records(path: &Path, file: File) -> Result<Records, DataError> {
    let path = path.to_owned();
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let start =
        reader.fill_buf().map_err(|source| DataError::Read { path: path.clone(), source })?;
    if start.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    let mut reader = ::csv::Reader::from_reader(reader);
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(source) => return Err(DataError::Csv { path, source }),
    };
    let mut seen = HashSet::new();
    if let Some(column) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(DataError::ColumnTwice { column: column.to_owned(), path });
    }
    Ok(Box::new(reader.into_records().map(move |cells| {
        let cells = cells.map_err(|source| DataError::Csv { path: path.clone(), source })?;
        let values: Map<String, Value> = names
            .iter()
            .zip(&cells)
            .map(|(name, cell)| match cell {
                "" => (name.to_owned(), Value::Null),
                cell => (name.to_owned(), Value::String(cell.to_owned())),
            })
            .collect();
        let line = cells.position().map_or(0, ::csv::Position::line);
        Ok(Record { place: Place::Line(line), values, cells: true })
    })))
}
