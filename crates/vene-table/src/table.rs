//! Named columns of equal length.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use crate::column::{ColumnBuilder, Values};
use crate::{Column, Kind, TableError, Words};

/// A tidy table: one row an observation, one named and typed column a variable.
///
/// Columns keep the order in which they were added; their values are Arrow arrays, so that a clone or a
/// slice copies nothing, and [`Table::batch`] hands them to any library that knows Arrow. Metadata are notes on the
/// whole table (the model, the prompts, the version that measured): Parquet files carry them, CSV files cannot.
///
/// A table prints as its first and last rows:
///
/// ```
/// use vene_table::Table;
///
/// let table = Table::builder()
///     .column("layer", vec![Some(0_i64), None])
///     .column("effect", vec![0.25, -1.5])
///     .build()?;
/// assert_eq!(table.to_string(), "2 rows x 2 columns\nlayer  effect\n    0    0.25\n         -1.5\n");
/// # Ok::<(), vene_table::TableError>(())
/// ```
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
        found
            .map(|(_, column)| column)
            .ok_or_else(|| TableError::missing(name, self.columns.iter().map(|(name, _)| name)))
    }

    /// The texts of a column, complete or not, with each word once.
    ///
    /// # Errors
    ///
    /// [`TableError::MissingColumn`] and [`TableError::WrongKind`], as for every getter here.
    pub fn words(&self, name: &str) -> Result<Words<'_>, TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Text(values) => Ok(Words::of(values)),
            _ => Err(wrong_kind(name, Kind::OptionalText, column)),
        }
    }

    /// The values of a complete column of text.
    pub fn text(&self, name: &str) -> Result<Vec<&str>, TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Text(values) if column.kind() == Kind::Text => {
                Ok(Words::of(values).iter().map(Option::unwrap_or_default).collect())
            }
            _ => Err(wrong_kind(name, Kind::Text, column)),
        }
    }

    /// The values of a complete column of integers.
    pub fn integers(&self, name: &str) -> Result<&[i64], TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Integer(values) if column.kind() == Kind::Integer => Ok(values.values()),
            _ => Err(wrong_kind(name, Kind::Integer, column)),
        }
    }

    /// The values of a complete column of floats.
    pub fn floats(&self, name: &str) -> Result<&[f64], TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Float(values) if column.kind() == Kind::Float => Ok(values.values()),
            _ => Err(wrong_kind(name, Kind::Float, column)),
        }
    }

    /// The values of a column of text, complete or not.
    pub fn optional_text(&self, name: &str) -> Result<Vec<Option<&str>>, TableError> {
        Ok(self.words(name)?.iter().collect())
    }

    /// The values of a column of integers, complete or not.
    pub fn optional_integers(&self, name: &str) -> Result<Vec<Option<i64>>, TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Integer(values) => Ok(values.iter().collect()),
            _ => Err(wrong_kind(name, Kind::OptionalInteger, column)),
        }
    }

    /// The values of a column of floats, complete or not.
    pub fn optional_floats(&self, name: &str) -> Result<Vec<Option<f64>>, TableError> {
        let column = self.column(name)?;
        match &column.values {
            Values::Float(values) => Ok(values.iter().collect()),
            _ => Err(wrong_kind(name, Kind::OptionalFloat, column)),
        }
    }

    /// The same columns and notes, with only the rows (counted from 0) that `keep` accepts.
    #[must_use]
    pub fn filter(&self, keep: impl FnMut(usize) -> bool) -> Table {
        let kept = BooleanArray::from((0..self.rows()).map(keep).collect::<Vec<bool>>());
        self.with_columns(|column| column.keep(&kept))
    }

    /// The same columns and notes, with a stretch of the rows: fewer where the table ends before. Nothing is copied.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Table {
        let start = start.min(self.rows());
        let rows = rows.min(self.rows() - start);
        self.with_columns(|column| column.slice(start, rows))
    }

    /// Only these columns, in this order.
    ///
    /// # Errors
    ///
    /// [`TableError::MissingColumn`].
    pub fn select(&self, names: &[&str]) -> Result<Table, TableError> {
        let column = |name: &&str| Ok(((*name).to_owned(), self.column(name)?.clone()));
        let columns = names.iter().map(column).collect::<Result<_, TableError>>()?;
        Ok(Table { columns, metadata: self.metadata.clone() })
    }

    fn with_columns(&self, changed: impl Fn(&Column) -> Column) -> Table {
        let columns = self.columns.iter();
        Table {
            columns: columns.map(|(name, column)| (name.clone(), changed(column))).collect(),
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

    /// The table as Arrow's record batch: its notes are the schema's metadata, texts are dictionaries.
    /// Nothing is copied.
    ///
    /// ```
    /// use arrow_array::Array;
    /// use vene_table::Table;
    ///
    /// let table = Table::builder().column("component", vec!["mlp_output"; 3]).metadata("model", "tiny").build()?;
    /// let batch = table.batch();
    /// assert_eq!((batch.num_rows(), batch.schema().metadata()["model"].as_str()), (3, "tiny"));
    /// assert_eq!(Table::try_from(batch)?, table);
    /// # Ok::<(), vene_table::TableError>(())
    /// ```
    pub fn batch(&self) -> RecordBatch {
        let field = |(name, column): &(String, Column)| {
            Field::new(name, column.array().data_type().clone(), column.kind().has_gaps())
        };
        let fields: Vec<Field> = self.columns.iter().map(field).collect();
        let notes = self.metadata.iter().map(|(key, value)| (key.clone(), value.clone()));
        let schema = Schema::new_with_metadata(fields, notes.collect::<HashMap<_, _>>());
        let arrays = self.columns.iter().map(|(_, column)| column.array()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        // Columns are equally long, and complete where their kind says so.
        RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
            .unwrap_or_else(|error| unreachable!("{error}"))
    }
}

impl From<Table> for RecordBatch {
    fn from(table: Table) -> Self {
        table.batch()
    }
}

impl TryFrom<RecordBatch> for Table {
    type Error = TableError;

    /// A batch of text (plain, or a dictionary with `Int32` keys), integers and floats, of which 32-bit numbers are
    /// widened; the schema's metadata become notes. Where the schema allows missing values, the column does.
    ///
    /// # Errors
    ///
    /// [`TableError::ArrowType`] for another type; [`TableError::DuplicateColumn`].
    fn try_from(batch: RecordBatch) -> Result<Self, TableError> {
        let schema = batch.schema();
        let mut table = Table::builder();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            let other = || TableError::ArrowType {
                name: field.name().clone(),
                found: field.data_type().to_string(),
            };
            let kind = Kind::of(field).ok_or_else(other)?;
            let mut column = ColumnBuilder::new(kind);
            column.extend_array(array).ok_or_else(other)?;
            table = table.column(field.name(), column.finish());
        }
        let notes = schema.metadata().iter();
        notes.fold(table, |table, (key, value)| table.metadata(key, value)).build()
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
        assert_eq!(madrid, table.filter(|row| row != 1));
    }

    #[test]
    fn slices_end_with_the_table() {
        let table = table();
        assert_eq!(table.slice(1, 9), table.filter(|row| row > 0));
        assert_eq!(table.slice(1, 9).floats("probability").unwrap(), [0.25, f64::INFINITY]);
        assert_eq!(table.slice(7, 1).rows(), 0);
    }

    #[test]
    fn batches_are_tables_again() {
        let table = table();
        let part = table.filter(|row| row != 0);
        assert_eq!(Table::try_from(part.batch()).unwrap(), part);
        assert_eq!(RecordBatch::from(table.clone()), table.batch());
        let other = arrow_array::BooleanArray::from(vec![true]);
        let batch = RecordBatch::try_from_iter([("kept", Arc::new(other) as _)]).unwrap();
        assert_eq!(
            Table::try_from(batch).unwrap_err().to_string(),
            "column `kept` has the Arrow type Boolean; text, 32 or 64 bit integers and floats are taken"
        );
    }
}
