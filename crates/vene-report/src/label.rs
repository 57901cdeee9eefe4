//! Columns whose values are names: text as it stands, whole numbers in figures.
//!
//! A position is a role (`subject_last`) in one table and a number in another, and panels may be
//! split by either, so both are read alike.

use vene_table::{Kind, Table, TableError, Value};

/// The values of a column of text or integers, complete or not, as text.
pub(crate) fn of_column(table: &Table, column: &str) -> Result<Vec<Option<String>>, TableError> {
    let values = table.column(column)?;
    if values.kind().complete() == Kind::Float {
        table.words(column)?;
    }
    let text = |value: Value<'_>| match value {
        Value::Missing => None,
        value => Some(value.to_string()),
    };
    Ok(values.values().map(text).collect())
}

/// The different values among some, each with its own number: those of `order` first, as far as
/// they occur, then the others in the order in which they appear; and which each row has.
pub(crate) fn distinct<T: PartialEq + Clone>(
    values: &[T],
    order: impl IntoIterator<Item = T>,
) -> (Vec<T>, Vec<usize>) {
    let mut found: Vec<T> = Vec::new();
    for value in order.into_iter().filter(|value| values.contains(value)) {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    let mut of_rows = Vec::with_capacity(values.len());
    for value in values {
        let known = found.iter().position(|other| other == value);
        of_rows.push(known.unwrap_or(found.len()));
        if known.is_none() {
            found.push(value.clone());
        }
    }
    (found, of_rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_and_names_are_labels_alike() {
        let table = Table::builder()
            .column("role", vec![Some("last"), None])
            .column("head", vec![Some(3_i64), None])
            .column("mean", vec![0.5, 0.1])
            .build()
            .unwrap();
        assert_eq!(of_column(&table, "role").unwrap(), [Some("last".to_owned()), None]);
        assert_eq!(of_column(&table, "head").unwrap(), [Some("3".to_owned()), None]);
        assert!(of_column(&table, "mean").is_err());
    }

    #[test]
    fn a_given_order_comes_first() {
        let (found, rows) = distinct(&["b", "a", "c", "b"], ["c", "x", "b"]);
        assert_eq!(found, ["c", "b", "a"]);
        assert_eq!(rows, [1, 2, 0, 1]);
    }
}
