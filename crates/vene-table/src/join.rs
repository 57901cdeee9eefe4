//! Tables of one form, one below the other.
//!
//! A sweep over a data set is measured in parts, by several processes or on several days, and looked
//! at as one. What is dangerous about that is not the stacking: it is that numbers come to stand in
//! one column that do not mean the same thing, such as the effects of a noising and of a denoising
//! sweep. So whoever puts tables together says what must be alike in all of them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::alike::same_values;
use crate::source::{Chunks, gather, wanted};
use crate::{Kind, Table, TableError, TableSource, parquet};

/// Tables of the same columns, one below the other, read one after the other: nothing is copied, and of files only a
/// chunk is in memory at a time.
///
/// A column that may have gaps in one table may have them in the whole. Notes on which all
/// tables agree are kept; a note that some lack, or that differs, says nothing about the whole
/// and is left out.
#[derive(Debug)]
pub struct Joined<'t, T> {
    tables: &'t [T],
    fields: Vec<(String, Kind)>,
    metadata: BTreeMap<String, String>,
}

impl<'t, T: TableSource> Joined<'t, T> {
    /// Puts tables together, rows in the given order.
    ///
    /// `alike` names columns and notes that must have one value throughout, in
    /// all rows of all tables (a missing value being one too, and NaN equal to itself). No tables
    /// at all give an empty one.
    ///
    /// # Errors
    ///
    /// [`TableError::UnlikeColumns`], [`TableError::UnlikeKinds`], [`TableError::UnlikeValues`] and
    /// [`TableError::NothingAlike`], in which tables and rows are counted from 0; a file that cannot be read.
    pub fn of(tables: &'t [T], alike: &[&str]) -> Result<Self, TableError> {
        let Some((first, others)) = tables.split_first() else {
            return Ok(Self { tables, fields: Vec::new(), metadata: BTreeMap::new() });
        };
        let mut fields = first.fields();
        for (index, other) in (1..).zip(others) {
            take_fields(&mut fields, &first.fields(), &other.fields(), index)?;
        }
        for name in alike {
            same_values(tables, name)?;
        }
        let is_common = |key: &String, note: &String| {
            others.iter().all(|other| other.metadata().get(key) == Some(note))
        };
        let notes = first.metadata().iter().filter(|(key, note)| is_common(key, note));
        let metadata = notes.map(|(key, note)| (key.clone(), note.clone())).collect();
        Ok(Self { tables, fields, metadata })
    }

    /// The tables with one more note on the whole, or another value of one that it has.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// All rows in memory, as one table.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn table(&self) -> Result<Table, TableError> {
        gather(self, &mut |_| Ok(()))
    }

    /// Writes all rows as one Parquet file, whole or not at all: the same bytes, however the rows were divided into tables.
    ///
    /// # Errors
    ///
    /// [`TableError::Write`]; a file that cannot be read.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<(), TableError> {
        parquet::write(self, path.as_ref())
    }
}

impl<'t, T: TableSource> TableSource for Joined<'t, T> {
    fn fields(&self) -> Vec<(String, Kind)> {
        self.fields.clone()
    }

    fn rows(&self) -> usize {
        self.tables.iter().map(TableSource::rows).sum()
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    fn chunks(&self, columns: Option<&[&str]>) -> Result<Chunks<'_>, TableError> {
        let names: Vec<String> = match columns {
            None => self.fields.iter().map(|(name, _)| name.clone()).collect(),
            Some(names) => wanted(&self.fields, names)?.into_iter().map(str::to_owned).collect(),
        };
        let of_table = move |table: &'t T| chunks_of(table, &names);
        let widened = |chunk: Result<Table, TableError>| self.widened(&chunk?);
        Ok(Box::new(self.tables.iter().flat_map(of_table).map(widened)))
    }
}

/// A table's chunks, or the error that there are none.
fn chunks_of<'t, T: TableSource>(table: &'t T, names: &[String]) -> Chunks<'t> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    table.chunks(Some(&names)).unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
}

impl<T> Joined<'_, T> {
    /// A chunk with the whole's gaps and notes.
    fn widened(&self, chunk: &Table) -> Result<Table, TableError> {
        let mut table = Table::builder();
        for (name, column) in chunk.columns() {
            let has_gaps = self.fields.iter().any(|(other, kind)| other == name && kind.has_gaps());
            let column = column.clone();
            table = table.column(name, if has_gaps { column.optional() } else { column });
        }
        let notes = self.metadata.iter();
        notes.fold(table, |table, (key, note)| table.metadata(key, note)).build()
    }
}

impl Table {
    /// Puts tables of the same columns one below the other, in memory: see [`Joined::of`].
    ///
    /// ```
    /// use vene_table::Table;
    ///
    /// let part = |direction: &str, effect: f64| {
    ///     Table::builder().column("direction", vec![direction]).column("effect", vec![effect]).build()
    /// };
    /// let (one, two) = (part("noising", 0.25)?, part("noising", 0.5)?);
    /// let whole = Table::concatenate(&[one.clone(), two], &["direction"])?;
    /// assert_eq!(whole.floats("effect")?, [0.25, 0.5]);
    ///
    /// let error = Table::concatenate(&[one, part("denoising", 0.5)?], &["direction"]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "`direction` is `noising` in row 0 of table 0 and `denoising` in row 0 of table 1: \
    ///      tables are put together only where it is the same throughout"
    /// );
    /// # Ok::<(), vene_table::TableError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Joined::of`].
    pub fn concatenate(tables: &[Table], alike: &[&str]) -> Result<Table, TableError> {
        let joined = Joined::of(tables, alike)?;
        match tables {
            [table] => Ok(table.clone()),
            _ => joined.table(),
        }
    }
}

/// Takes over the gaps of a table's columns, which must be those of the first.
fn take_fields(
    fields: &mut [(String, Kind)],
    first: &[(String, Kind)],
    other: &[(String, Kind)],
    index: usize,
) -> Result<(), TableError> {
    let names = |fields: &[(String, Kind)]| -> Vec<String> {
        fields.iter().map(|(name, _)| name.clone()).collect()
    };
    if names(first) != names(other) {
        let (expected, found) = (names(first), names(other));
        return Err(TableError::UnlikeColumns { table: index, expected, found });
    }
    for ((field, (name, expected)), (_, found)) in fields.iter_mut().zip(first).zip(other) {
        if expected.complete() != found.complete() {
            return Err(TableError::UnlikeKinds {
                name: name.clone(),
                table: index,
                expected: *expected,
                found: *found,
            });
        }
        if found.has_gaps() {
            field.1 = field.1.optional();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{Column, Place};

    fn part(tokens: &[&str], effects: &[f64]) -> Table {
        Table::builder()
            .column("token", tokens.to_vec())
            .column("effect", effects.to_vec())
            .metadata("model", "tiny")
            .build()
            .unwrap()
    }

    fn message(tables: &[Table], alike: &[&str]) -> String {
        Table::concatenate(tables, alike).unwrap_err().to_string()
    }

    #[test]
    fn rows_follow_each_other() {
        let tables = [part(&["a", "b"], &[1.0, 2.0]), part(&[], &[]), part(&["c"], &[3.0])];
        let whole = Table::concatenate(&tables, &["model"]).unwrap();
        assert_eq!(whole, part(&["a", "b", "c"], &[1.0, 2.0, 3.0]));
        assert_eq!(Table::concatenate(&tables[..1], &[]).unwrap(), tables[0]);
        assert_eq!(Table::concatenate(&[], &["model"]).unwrap(), Table::default());
    }

    #[test]
    fn gaps_in_one_are_gaps_in_the_whole() {
        let table = |heads: Column| Table::builder().column("head", heads).build().unwrap();
        let (complete, gaps) = (table(vec![1_i64].into()), table(vec![None, Some(2_i64)].into()));
        let heads = |tables: &[Table]| {
            Table::concatenate(tables, &[]).unwrap().column("head").unwrap().clone()
        };
        assert_eq!(
            heads(&[complete.clone(), gaps.clone(), complete.clone()]),
            vec![Some(1), None, Some(2), Some(1_i64)].into()
        );
        assert_eq!(heads(&[gaps, complete.clone()]), vec![None, Some(2), Some(1_i64)].into());
        // A column that might have gaps and has none stays one that might.
        assert_eq!(
            heads(&[complete.clone(), table(vec![Some(2_i64)].into())]),
            vec![Some(1), Some(2_i64)].into()
        );
        let kinds = [complete, table(vec![0.5].into())];
        assert_eq!(
            message(&kinds, &[]),
            "column `head` holds floats in table 1 and integers in table 0; \
             only tables with the same columns can be put together"
        );
    }

    #[test]
    fn other_columns_are_named() {
        let other = Table::builder().column("token", vec!["a"]).column("logit", vec![0.5]).build();
        let tables = [part(&["a"], &[1.0]), part(&["b"], &[2.0]), other.unwrap()];
        assert_eq!(
            message(&tables, &[]),
            "table 2 has the columns `token`, `logit`, and table 0 has `token`, `effect`; \
             only tables with the same columns in the same order can be put together"
        );
        let swapped = Table::builder().column("effect", vec![1.0]).column("token", vec!["a"]);
        let swapped = swapped.build().unwrap();
        assert!(matches!(
            Table::concatenate(&[part(&["a"], &[1.0]), swapped], &[]),
            Err(TableError::UnlikeColumns { table: 1, .. })
        ));
    }

    #[test]
    fn notes_that_differ_are_left_out() {
        let noted = |prompt: &str| {
            let table = Table::builder().column("layer", vec![1_i64]).metadata("model", "tiny");
            table.metadata("prompt", prompt).build().unwrap()
        };
        let lacking = Table::builder().column("layer", vec![1_i64]).metadata("model", "tiny");
        let tables = [noted("one"), noted("two")];
        let whole = Table::concatenate(&tables, &["model", "layer"]).unwrap();
        assert_eq!(
            whole.metadata().iter().collect::<Vec<_>>(),
            [(&"model".into(), &"tiny".into())]
        );
        assert_eq!(
            message(&tables, &["prompt"]),
            "`prompt` is `one` in the notes of table 0 and `two` in the notes of table 1: \
             tables are put together only where it is the same throughout"
        );
        let tables = [noted("one"), lacking.build().unwrap()];
        assert!(message(&tables, &["prompt"]).contains("missing in the notes of table 1"));
        assert!(!Table::concatenate(&tables, &[]).unwrap().metadata().contains_key("prompt"));
        assert_eq!(
            message(&tables, &["promt"]),
            "`promt` is to be alike in all tables, and none has such a column or note"
        );
    }

    #[test]
    fn values_that_must_be_alike_are_so_in_every_row() {
        let table = |values: &[Option<f64>]| {
            Table::builder().column("factor", values.to_vec()).build().unwrap()
        };
        let alike = |tables: &[Table]| Table::concatenate(tables, &["factor"]);
        let (nan, gap) = (Some(f64::NAN), None);
        assert!(alike(&[table(&[nan, nan]), table(&[]), table(&[nan])]).is_ok());
        assert!(alike(&[table(&[gap]), table(&[gap, gap])]).is_ok());
        assert!(matches!(
            alike(&[table(&[Some(2.0)]), table(&[Some(2.0), gap])]),
            Err(TableError::UnlikeValues {
                place: Place::Row { table: 0, row: 0 },
                other_place: Place::Row { table: 1, row: 1 },
                ..
            })
        ));
        assert_eq!(
            message(&[table(&[Some(2.0), Some(2.5)])], &["factor"]),
            "`factor` is 2.0 in row 0 of table 0 and 2.5 in row 1 of table 0: \
             tables are put together only where it is the same throughout"
        );
        assert!(alike(&[table(&[nan]), table(&[Some(1.0)])]).is_err());
    }

    proptest! {
        #[test]
        fn parts_of_a_table_give_it_back(
            layers in vec(any::<Option<i64>>(), 0..40),
            cuts in vec(0..40_usize, 0..6),
        ) {
            let tokens: Vec<String> = layers.iter().map(|layer| format!("{layer:?}")).collect();
            let whole =
                Table::builder().column("layer", layers).column("token", tokens).build().unwrap();
            let mut bounds = cuts;
            bounds.extend([0, 40]);
            bounds.sort_unstable();
            let parts: Vec<Table> = bounds
                .windows(2)
                .map(|bounds| whole.filter(|row| (bounds[0]..bounds[1]).contains(&row)))
                .collect();
            prop_assert_eq!(Table::concatenate(&parts, &[]).unwrap(), whole);
        }
    }
}
