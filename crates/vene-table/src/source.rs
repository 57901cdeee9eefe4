//! Tables that are read in chunks: in memory, or too long for it.
//!
//! A sweep over ten million rows is written in parts, summarised, drawn and joined. None of that needs
//! all rows at once, so it asks for chunks, as often as it must pass over them.

use std::collections::BTreeMap;

use crate::column::ColumnBuilder;
use crate::{Kind, Table, TableError};

/// Something that gives a table's rows in chunks: a [`Table`] (one chunk), a [`TableFile`](crate::TableFile), or
/// several of either that are [`Joined`](crate::Joined).
pub trait TableSource {
    /// The columns' names and what they hold, from left to right.
    fn fields(&self) -> Vec<(String, Kind)>;

    /// The number of rows.
    fn rows(&self) -> usize;

    /// The notes on the whole table, by key.
    fn metadata(&self) -> &BTreeMap<String, String>;

    /// All rows in their order, in tables of one or more rows: of these columns alone, in the table's order, where some are named.
    ///
    /// # Errors
    ///
    /// [`TableError::MissingColumn`]; a file that cannot be read, then or in any chunk.
    fn chunks(&self, columns: Option<&[&str]>) -> Result<Chunks<'_>, TableError>;
}

/// The chunks of a table.
pub type Chunks<'s> = Box<dyn Iterator<Item = Result<Table, TableError>> + 's>;

impl<T: TableSource + ?Sized> TableSource for &T {
    fn fields(&self) -> Vec<(String, Kind)> {
        (**self).fields()
    }

    fn rows(&self) -> usize {
        (**self).rows()
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        (**self).metadata()
    }

    fn chunks(&self, columns: Option<&[&str]>) -> Result<Chunks<'_>, TableError> {
        (**self).chunks(columns)
    }
}

impl TableSource for Table {
    fn fields(&self) -> Vec<(String, Kind)> {
        self.columns().map(|(name, column)| (name.to_owned(), column.kind())).collect()
    }

    fn rows(&self) -> usize {
        self.rows()
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        self.metadata()
    }

    fn chunks(&self, columns: Option<&[&str]>) -> Result<Chunks<'_>, TableError> {
        let table = match columns {
            None => self.clone(),
            Some(names) => self.select(&wanted(&self.fields(), names)?)?,
        };
        let is_empty = table.is_empty();
        Ok(Box::new((!is_empty).then_some(Ok(table)).into_iter()))
    }
}

/// These columns in the order of the fields.
pub(crate) fn wanted<'f>(
    fields: &'f [(String, Kind)],
    names: &[&str],
) -> Result<Vec<&'f str>, TableError> {
    let has = |name: &&&str| fields.iter().any(|(other, _)| other == **name);
    if let Some(name) = names.iter().find(|name| !has(name)) {
        return Err(TableError::missing(name, fields.iter().map(|(name, _)| name)));
    }
    let named = fields.iter().map(|(name, _)| name.as_str());
    Ok(named.filter(|name| names.contains(name)).collect())
}

/// All rows as one table. `looked_at` is told of each chunk before it is added, and may refuse it.
pub(crate) fn gather(
    source: &dyn TableSource,
    looked_at: &mut dyn FnMut(&Table) -> Result<(), TableError>,
) -> Result<Table, TableError> {
    let mut columns = Columns::of(source);
    for chunk in source.chunks(None)? {
        let chunk = chunk?;
        looked_at(&chunk)?;
        columns.add(&chunk)?;
    }
    columns.table(source.metadata())
}

/// The rows in chunks of `rows` each, the last one excepted, however they come.
pub(crate) fn even(
    source: &dyn TableSource,
    rows: usize,
) -> Result<impl Iterator<Item = Result<Table, TableError>>, TableError> {
    let mut chunks = source.chunks(None)?;
    let mut rest: Option<Table> = None;
    let mut next = move || {
        let (mut columns, mut count) = (Columns::of(source), 0);
        while count < rows {
            let Some(chunk) = rest.take().map(Ok).or_else(|| chunks.next()) else { break };
            let chunk = chunk?;
            let room = rows - count;
            columns.add(&chunk.slice(0, room))?;
            count += chunk.rows().min(room);
            rest = Some(chunk.slice(room, chunk.rows())).filter(|rest| !rest.is_empty());
        }
        (count > 0).then(|| columns.table(source.metadata())).transpose()
    };
    Ok(std::iter::from_fn(move || next().transpose()))
}

/// The columns of a source, filled chunk by chunk.
struct Columns {
    columns: Vec<(String, ColumnBuilder)>,
}

impl Columns {
    fn of(source: &dyn TableSource) -> Self {
        let builder = |(name, kind)| (name, ColumnBuilder::new(kind));
        Self { columns: source.fields().into_iter().map(builder).collect() }
    }

    fn add(&mut self, chunk: &Table) -> Result<(), TableError> {
        for ((_, builder), (name, column)) in self.columns.iter_mut().zip(chunk.columns()) {
            builder.extend(column).ok_or_else(|| TableError::WrongKind {
                name: name.to_owned(),
                expected: builder.kind(),
                found: column.kind(),
            })?;
        }
        Ok(())
    }

    fn table(self, notes: &BTreeMap<String, String>) -> Result<Table, TableError> {
        let columns = self.columns.into_iter();
        let table = columns.fold(Table::builder(), |table, (name, mut column)| {
            table.column(name, column.finish())
        });
        notes.iter().fold(table, |table, (key, value)| table.metadata(key, value)).build()
    }
}
