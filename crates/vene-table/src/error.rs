//! What can be wrong with a table, its use, or its file.

use std::io;
use std::path::PathBuf;

use crate::{Kind, Place};

/// Why a table could not be made, asked, written or read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A column was asked for that the table does not have.
    #[error("the table has no column `{name}`; it has {}", quoted(.available))]
    MissingColumn {
        /// The column asked for.
        name: String,
        /// The columns there are.
        available: Vec<String>,
    },
    /// A column was asked for as something that it is not.
    #[error("column `{name}` holds {found}; {expected} were expected")]
    WrongKind {
        /// The column asked for.
        name: String,
        /// What was asked for.
        expected: Kind,
        /// What the column holds.
        found: Kind,
    },
    /// A column of a record batch has a type that no [`Kind`] stands for.
    #[error(
        "column `{name}` has the Arrow type {found}; text, 32 or 64 bit integers and floats are taken"
    )]
    ArrowType {
        /// The column.
        name: String,
        /// Its type.
        found: String,
    },
    /// The columns of a table are not equally long.
    #[error(
        "column `{name}` has {length} rows, but `{first}` has {expected}; \
         all columns of a table must be equally long"
    )]
    UnequalLengths {
        /// The column that differs from the first.
        name: String,
        /// Its rows.
        length: usize,
        /// The table's first column.
        first: String,
        /// The first column's rows.
        expected: usize,
    },
    /// Two columns have the same name.
    #[error("two columns are named `{name}`; each column needs a name of its own")]
    DuplicateColumn {
        /// The name given twice.
        name: String,
    },
    /// A table to be put below another has other columns.
    #[error(
        "table {table} has the columns {}, and table 0 has {}; \
         only tables with the same columns in the same order can be put together",
        quoted(.found), quoted(.expected)
    )]
    UnlikeColumns {
        /// The table that differs from the first.
        table: usize,
        /// The first table's columns.
        expected: Vec<String>,
        /// This table's columns.
        found: Vec<String>,
    },
    /// A table to be put below another has something else in a column.
    #[error(
        "column `{name}` holds {found} in table {table} and {expected} in table 0; \
         only tables with the same columns can be put together"
    )]
    UnlikeKinds {
        /// The column.
        name: String,
        /// The table that differs from the first.
        table: usize,
        /// What the first table's column holds.
        expected: Kind,
        /// What this table's column holds.
        found: Kind,
    },
    /// Tables to be put together that differ in what they must have in common.
    #[error(
        "`{name}` is {value} in {place} and {other_value} in {other_place}: \
         tables are put together only where it is the same throughout"
    )]
    UnlikeValues {
        /// The column, or the note's key.
        name: String,
        /// The first value.
        value: String,
        /// Where that is.
        place: Place,
        /// The value that differs.
        other_value: String,
        /// Where that is.
        other_place: Place,
    },
    /// Something must be alike in tables that no table has.
    #[error("`{name}` is to be alike in all tables, and none has such a column or note")]
    NothingAlike {
        /// What was named.
        name: String,
    },
    /// An empty text in a column whose texts may be missing: a CSV shows both as nothing.
    #[error(
        "column `{name}` has an empty text in row {row} and may have missing ones, which a CSV \
         cannot tell apart; write Parquet, or make the column complete"
    )]
    EmptyOrMissing {
        /// The column.
        name: String,
        /// The row, counted from 0.
        row: usize,
    },
    /// A cell of a CSV file is not what its column holds.
    #[error("{path}: line {line}: column `{name}`: `{cell}` is not of the kind {expected}", path = .path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line on which the row starts, counted from 1.
        line: u64,
        /// The column.
        name: String,
        /// What stands there.
        cell: String,
        /// What was expected there.
        expected: Kind,
    },
    /// A file is not CSV, or not rectangular.
    #[error("cannot read {path} as CSV: {source}", path = .path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: csv::Error,
    },
    /// A file is not Parquet, or is damaged.
    #[error("cannot read {path} as Parquet: {source}", path = .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: crate::ParquetFault,
    },
    /// A table that is larger than the memory that is free.
    #[error(
        "{path}: its values take more than {bytes} bytes, and {free} are free; read it on a larger machine",
        path = .path.display()
    )]
    Memory {
        /// The file.
        path: PathBuf,
        /// How much of it was read when that became clear.
        bytes: u64,
        /// What was free.
        free: u64,
    },
    /// A Parquet column has a type that no [`Kind`] stands for.
    #[error(
        "{path}: column `{name}` has the Parquet type {found}; \
         text, 32 or 64 bit integers and floats can be read", path = .path.display()
    )]
    ParquetType {
        /// The file.
        path: PathBuf,
        /// The column.
        name: String,
        /// Its type.
        found: String,
    },
    /// The file could not be opened or read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write {path}: {source}; its folder must exist and be writable", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

vene_named::debug_as_sentence!(TableError);

impl TableError {
    /// A column that is not among those there are.
    pub(crate) fn missing<'n>(name: &str, available: impl Iterator<Item = &'n String>) -> Self {
        Self::MissingColumn { name: name.to_owned(), available: available.cloned().collect() }
    }
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "no columns".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
