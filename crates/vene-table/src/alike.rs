//! What must be one thing throughout several tables, for them to be one.

use crate::value::OwnedValue;
use crate::{Place, TableError, TableSource, Value};

/// Refuses a column or note that is one thing here and another there.
pub(crate) fn same_values<T: TableSource>(tables: &[T], name: &str) -> Result<(), TableError> {
    let is_column =
        tables.first().is_some_and(|table| table.fields().iter().any(|(other, _)| other == name));
    let is_note = tables.iter().any(|table| table.metadata().contains_key(name));
    if !is_column && !is_note {
        return Err(TableError::NothingAlike { name: name.to_owned() });
    }
    let mut seen = None;
    if is_column {
        for (index, table) in tables.iter().enumerate() {
            let mut first_row = 0;
            for chunk in table.chunks(Some(&[name]))? {
                let chunk = chunk?;
                for (row, value) in chunk.column(name)?.values().enumerate() {
                    let place = Place::Row { table: index, row: first_row + row };
                    compare(name, &mut seen, place, value)?;
                }
                first_row += chunk.rows();
            }
        }
    }
    let mut seen = None;
    if is_note {
        for (index, table) in tables.iter().enumerate() {
            let note = table.metadata().get(name);
            let note = note.map_or(Value::Missing, |note| Value::Text(note));
            compare(name, &mut seen, Place::Notes { table: index }, note)?;
        }
    }
    Ok(())
}

/// Refuses what is not the same as what was seen first.
fn compare(
    name: &str,
    seen: &mut Option<(Place, OwnedValue)>,
    place: Place,
    value: Value<'_>,
) -> Result<(), TableError> {
    let (first_place, first) = seen.get_or_insert_with(|| (place, OwnedValue::of(value)));
    if first.value() == value {
        return Ok(());
    }
    Err(TableError::UnlikeValues {
        name: name.to_owned(),
        value: first.value().quoted(),
        place: *first_place,
        other_value: value.quoted(),
        other_place: place,
    })
}
