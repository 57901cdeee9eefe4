//! Named columns of equal length.

use std::collections::BTreeMap;

use crate::{Column, Kind, TableError};

/// A tidy table: one row an observation, one named and typed column a variable.
///
/// Columns keep the order in which they were added. Metadata are notes on the whole table (the
/// model, the prompts, the version that measured): Parquet files carry them, CSV files cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
    metadata: BTreeMap<String, String>,
}

/// Collects the columns of a [`Table`]; [`build`](TableBuilder::build) checks them.
#[derive(Clone, Debug, Default)]
pub struct TableBuilder {
    columns: Vec<(String, Column)>,
    metadata: BTreeMap<String, String>,
}

impl TableBuilder {
    /// Adds a column to the right of the others.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, values: impl Into<Column>) -> Self {
        self.columns.push((name.into(), values.into()));
        self
    }

    /// Adds a note on the whole table; a second one of the same key replaces the first.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// [`TableError::UnequalLengths`] and [`TableError::DuplicateColumn`].
    pub fn build(self) -> Result<Table, TableError> {
        for (index, (name, column)) in self.columns.iter().enumerate() {
            let earlier = self.columns.iter().take(index);
            if earlier.clone().any(|(other, _)| other == name) {
                return Err(TableError::DuplicateColumn { name: name.clone() });
            }
            if let Some((first, other)) = earlier.clone().next()
                && other.len() != column.len()
            {
                return Err(TableError::UnequalLengths {
                    name: name.clone(),
                    length: column.len(),
                    first: first.clone(),
                    expected: other.len(),
                });
            }
        }
        Ok(Table { columns: self.columns, metadata: self.metadata })
    }
}

impl Table {
    /// Starts a table.
    pub fn builder() -> TableBuilder {
        TableBuilder::default()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Whether there is nothing in the table.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// The columns with their names, from left to right.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// The notes on the whole table, by key.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(other, _)| other == name)
    }

    /// The column of this name.
    ///
    /// # Errors
    ///
    /// [`TableError::MissingColumn`], which lists the columns there are.
    pub fn column(&self, name: &str) -> Result<&Column, TableError> {
        let found = self.columns.iter().find(|(other, _)| other == name);
        found.map(|(_, column)| column).ok_or_else(|| TableError::MissingColumn {
            name: name.to_owned(),
            available: self.columns.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// The values of a complete column of text.
    ///
    /// # Errors
    ///
    /// [`TableError::MissingColumn`] and [`TableError::WrongKind`], as for every getter here.
    pub fn text(&self, name: &str) -> Result<&[String], TableError> {
        match self.column(name)? {
            Column::Text(values) => Ok(values),
            other => Err(wrong_kind(name, Kind::Text, other)),
        }
    }

    /// The values of a complete column of integers.
    pub fn integers(&self, name: &str) -> Result<&[i64], TableError> {
        match self.column(name)? {
            Column::Integer(values) => Ok(values),
            other => Err(wrong_kind(name, Kind::Integer, other)),
        }
    }

    /// The values of a complete column of floats.
    pub fn floats(&self, name: &str) -> Result<&[f64], TableError> {
        match self.column(name)? {
            Column::Float(values) => Ok(values),
            other => Err(wrong_kind(name, Kind::Float, other)),
        }
    }

    /// The values of a column of text, complete or not.
    pub fn optional_text(&self, name: &str) -> Result<Vec<Option<&str>>, TableError> {
        match self.column(name)? {
            Column::Text(values) => Ok(values.iter().map(|value| Some(value.as_str())).collect()),
            Column::OptionalText(values) => Ok(values.iter().map(Option::as_deref).collect()),
            other => Err(wrong_kind(name, Kind::OptionalText, other)),
        }
    }

    /// The values of a column of integers, complete or not.
    pub fn optional_integers(&self, name: &str) -> Result<Vec<Option<i64>>, TableError> {
        match self.column(name)? {
            Column::Integer(values) => Ok(values.iter().copied().map(Some).collect()),
            Column::OptionalInteger(values) => Ok(values.clone()),
            other => Err(wrong_kind(name, Kind::OptionalInteger, other)),
        }
    }

    /// The values of a column of floats, complete or not.
    pub fn optional_floats(&self, name: &str) -> Result<Vec<Option<f64>>, TableError> {
        match self.column(name)? {
            Column::Float(values) => Ok(values.iter().copied().map(Some).collect()),
            Column::OptionalFloat(values) => Ok(values.clone()),
            other => Err(wrong_kind(name, Kind::OptionalFloat, other)),
        }
    }

    /// The same columns and notes, with only the rows (counted from 0) that `keep` accepts.
    #[must_use]
    pub fn filter(&self, keep: impl FnMut(usize) -> bool) -> Table {
        let kept: Vec<bool> = (0..self.rows()).map(keep).collect();
        let columns = self.columns.iter();
        Table {
            columns: columns.map(|(name, column)| (name.clone(), column.keep(&kept))).collect(),
            metadata: self.metadata.clone(),
        }
    }

    /// The table with one more note, or another value of one that it has.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Table {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The table with one more column on the right, such as an effect computed from two others.
    ///
    /// # Errors
    ///
    /// [`TableError::UnequalLengths`] and [`TableError::DuplicateColumn`].
    pub fn with_column(
        self,
        name: impl Into<String>,
        values: impl Into<Column>,
    ) -> Result<Table, TableError> {
        TableBuilder { columns: self.columns, metadata: self.metadata }.column(name, values).build()
    }
}

fn wrong_kind(name: &str, expected: Kind, found: &Column) -> TableError {
    TableError::WrongKind { name: name.to_owned(), expected, found: found.kind() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> Table {
        Table::builder()
            .column("token", vec![" Madrid", " Rome", " Madrid"])
            .column("head", vec![Some(1_i64), None, Some(3)])
            .column("probability", vec![0.5, 0.25, f64::INFINITY])
            .metadata("model", "tiny")
            .build()
            .unwrap()
    }

    #[test]
    fn columns_must_be_equally_long() {
        let error = Table::builder().column("a", vec![1_i64]).column("b", vec![1.0, 2.0]).build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "column `b` has 2 rows, but `a` has 1; all columns of a table must be equally long"
        );
    }

    #[test]
    fn names_must_differ() {
        let error = table().with_column("head", vec![1_i64, 2, 3]).unwrap_err();
        assert!(error.to_string().starts_with("two columns are named `head`"), "{error}");
    }

    #[test]
    fn a_wrong_kind_says_both_kinds() {
        let error = table().integers("head").unwrap_err().to_string();
        assert_eq!(
            error,
            "column `head` holds integers that may be missing; integers were expected"
        );
        assert_eq!(table().optional_integers("head").unwrap(), [Some(1), None, Some(3)]);
    }

    #[test]
    fn a_complete_column_serves_where_gaps_are_allowed() {
        assert_eq!(table().optional_text("token").unwrap()[1], Some(" Rome"));
        assert_eq!(table().optional_floats("probability").unwrap()[0], Some(0.5));
    }

    #[test]
    fn filter_keeps_rows_whole() {
        let table = table();
        let tokens = table.text("token").unwrap();
        let madrid = table.filter(|row| tokens[row] == " Madrid");
        assert_eq!(madrid.rows(), 2);
        assert_eq!(madrid.optional_integers("head").unwrap(), [Some(1), Some(3)]);
        assert_eq!(madrid.metadata()["model"], "tiny");
    }
}
