//! Tables as CSV (RFC 4180).
//!
//! Tokens are arbitrary text, so quoting is no corner case: fields with commas, quotes or line
//! breaks are quoted, quotes doubled, the encoding is UTF-8 without a mark. Lines end with a
//! line feed, as R, pandas and polars write them; either ending is read.
//!
//! CSV has no types, no metadata, and one look for two things: an empty text and a missing one.
//! So a file is read with the kinds of its columns given. A missing value is an empty field; in
//! a [`Kind::Text`] column an empty field is the empty text, and writing an empty text in a
//! [`Kind::OptionalText`] column is refused rather than confused. Other programs guess: pandas
//! takes the tokens `NA`, `null` and `nan` for missing unless told `keep_default_na=False`.
//!
//! Floats are written with the fewest digits that read back as the same number (`0.1`, `1e-7`,
//! `NaN`, `inf`).

use std::io::BufReader;
use std::path::Path;

use crate::column::ColumnBuilder;
use crate::{Kind, Table, TableError, Value};

impl Table {
    /// Writes the table as CSV (RFC 4180), whole or not at all.
    ///
    /// A missing value is an empty field; floats are written with the fewest digits that read
    /// back as the same number; metadata are left out, since CSV has no place for them.
    ///
    /// # Errors
    ///
    /// [`TableError::Write`]; [`TableError::EmptyOrMissing`] where a CSV would be ambiguous.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), TableError> {
        let path = path.as_ref();
        refuse_ambiguity(self)?;
        vene_files::write_atomically(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(self.columns().map(|(name, _)| name))?;
            for row in 0..self.rows() {
                writer.write_record(self.columns().map(|(_, column)| cell(column.value(row))))?;
            }
            writer.flush()
        })
        .map_err(|source| TableError::Write { path: path.to_owned(), source })
    }

    /// Reads a CSV file with a header line.
    ///
    /// `kinds` says what the columns hold, in any order; a column of the file that it does not
    /// name is read as text.
    ///
    /// # Errors
    ///
    /// [`TableError::Read`] and [`TableError::Csv`] for a file that cannot be read,
    /// [`TableError::Cell`] for a value of another kind, [`TableError::MissingColumn`] where
    /// `kinds` names a column that the file lacks.
    pub fn read_csv(path: impl AsRef<Path>, kinds: &[(&str, Kind)]) -> Result<Table, TableError> {
        let path = path.as_ref();
        let broken = |source| TableError::Csv { path: path.to_owned(), source };
        let file = vene_files::open(path)
            .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        let mut reader = csv::Reader::from_reader(BufReader::new(file));
        let names = reader.headers().map_err(broken)?.clone();
        for (name, _) in kinds {
            if !names.iter().any(|other| other == *name) {
                return Err(TableError::MissingColumn {
                    name: (*name).to_owned(),
                    available: names.iter().map(str::to_owned).collect(),
                });
            }
        }
        let kind = |name| kinds.iter().find(|(other, _)| *other == name);
        let mut columns: Vec<ColumnBuilder> = names
            .iter()
            .map(|name| ColumnBuilder::new(kind(name).map_or(Kind::Text, |(_, kind)| *kind)))
            .collect();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            for ((column, name), cell) in columns.iter_mut().zip(&names).zip(&record) {
                let value = value(cell, column.kind());
                value.and_then(|value| column.push(value)).ok_or_else(|| TableError::Cell {
                    path: path.to_owned(),
                    line: record.position().map_or(0, csv::Position::line),
                    name: name.to_owned(),
                    cell: cell.to_owned(),
                    expected: column.kind(),
                })?;
            }
        }
        let named = names.iter().zip(&mut columns);
        named
            .fold(Table::builder(), |table, (name, column)| table.column(name, column.finish()))
            .build()
    }
}

/// An empty text among texts that may be missing would read back as missing.
fn refuse_ambiguity(table: &Table) -> Result<(), TableError> {
    for (name, column) in table.columns() {
        if column.kind() == Kind::OptionalText
            && let Some(row) = column.values().position(|value| value == Value::Text(""))
        {
            return Err(TableError::EmptyOrMissing { name: name.to_owned(), row });
        }
    }
    Ok(())
}

/// A value as CSV shows it, before quoting.
fn cell(value: Value<'_>) -> String {
    match value {
        // `Debug` of a float is its shortest round trip, with an exponent where that is shorter.
        Value::Float(number) => format!("{number:?}"),
        value => value.to_string(),
    }
}

/// What a cell says in a column of this kind; `None` where it is no such value.
fn value(cell: &str, kind: Kind) -> Option<Value<'_>> {
    if cell.is_empty() && kind.has_gaps() {
        return Some(Value::Missing);
    }
    match kind.complete() {
        Kind::Integer => cell.parse().ok().map(Value::Integer),
        Kind::Float => cell.parse().ok().map(Value::Float),
        _ => Some(Value::Text(cell)),
    }
}
