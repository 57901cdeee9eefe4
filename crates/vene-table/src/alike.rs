//! What must be one thing throughout several tables, for them to be one.

use std::fmt;

use crate::{Column, Table, TableError};

/// Refuses a column or note that is one thing here and another there.
pub(crate) fn same_values(tables: &[Table], name: &str) -> Result<(), TableError> {
    let is_column = tables.first().is_some_and(|table| table.has(name));
    let is_note = tables.iter().any(|table| table.metadata().contains_key(name));
    if !is_column && !is_note {
        return Err(TableError::NothingAlike { name: name.to_owned() });
    }
    let mut seen = None;
    if is_column {
        for (index, table) in tables.iter().enumerate() {
            let column = table.column(name)?;
            for row in 0..table.rows() {
                compare(name, &mut seen, (Place::Row { table: index, row }, value(column, row)))?;
            }
        }
    }
    let mut seen = None;
    if is_note {
        for (index, table) in tables.iter().enumerate() {
            let note = table.metadata().get(name);
            let note = note.map_or(Value::Missing, |note| Value::Text(note));
            compare(name, &mut seen, (Place::Notes { table: index }, note))?;
        }
    }
    Ok(())
}

/// Refuses what is not the same as what was seen first.
fn compare<'a>(
    name: &str,
    seen: &mut Option<(Place, Value<'a>)>,
    (place, value): (Place, Value<'a>),
) -> Result<(), TableError> {
    let (first_place, first) = *seen.get_or_insert((place, value));
    if first.is(value) {
        return Ok(());
    }
    Err(TableError::UnlikeValues {
        name: name.to_owned(),
        value: first.to_string(),
        place: first_place,
        other_value: value.to_string(),
        other_place: place,
    })
}

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

/// One value of a column.
#[derive(Clone, Copy)]
enum Value<'a> {
    Missing,
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

impl Value<'_> {
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Missing, Self::Missing) => true,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => {
                one == other || (one.is_nan() && other.is_nan())
            }
            _ => false,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
        }
    }
}

fn value(column: &Column, row: usize) -> Value<'_> {
    let found = match column {
        Column::Text(values) => values.get(row).map(|text| Value::Text(text)),
        Column::OptionalText(values) => values.get(row).and_then(Option::as_deref).map(Value::Text),
        Column::Integer(values) => values.get(row).copied().map(Value::Integer),
        Column::OptionalInteger(values) => values.get(row).copied().flatten().map(Value::Integer),
        Column::Float(values) => values.get(row).copied().map(Value::Float),
        Column::OptionalFloat(values) => values.get(row).copied().flatten().map(Value::Float),
    };
    found.unwrap_or(Value::Missing)
}
