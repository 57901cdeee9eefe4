//! Where in several tables something stands, for messages.

use std::fmt;

/// Where in several tables a value stands, all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a column.
    Row {
        /// The table.
        table: usize,
        /// Its row.
        row: usize,
    },
    /// In the notes on the whole table.
    Notes {
        /// The table.
        table: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { table, row } => write!(f, "row {row} of table {table}"),
            Self::Notes { table } => write!(f, "the notes of table {table}"),
        }
    }
}
