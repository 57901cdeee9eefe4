//! Tables as Parquet: typed, compressed, with gaps and metadata kept.
//!
//! Columns become `UTF8`, `INT64` and `DOUBLE`, required or optional; metadata become the file's
//! key-value metadata. What is written reads back equal, which a CSV can't promise.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::column::ColumnBuilder;
use crate::guarded::damaged;
use crate::source::{Chunks, even, gather, wanted};
use crate::{
    GuardedBatches, GuardedParquet, Kind, Table, TableError, TableSource, available_memory,
};

/// Rows that are written at once. A multiple of what the library encodes at once, so that a file has the same bytes
/// whether its rows come in one table or in many.
const WRITTEN: usize = 1 << 16;

/// Rows of a chunk that is read, and bytes of text in its rows, at most; either may be exceeded by what the library
/// decodes at once.
const CHUNK: usize = 1 << 16;
const CHUNK_TEXT: u64 = 64 << 20;

impl Table {
    /// Writes the table as Parquet (Snappy), metadata included, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TableError::Write`].
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<(), TableError> {
        write(self, path.as_ref())
    }

    /// Reads a Parquet file of text, integer and float columns, with its metadata.
    ///
    /// 32-bit numbers are widened. A column is optional where the file's schema says so, whether
    /// or not a value is missing: files that [`Table::write_parquet`] wrote read back equal.
    ///
    /// # Errors
    ///
    /// [`TableError::Read`], [`TableError::Parquet`], [`TableError::ParquetType`];
    /// [`TableError::Memory`] where the table is larger than what is free.
    pub fn read_parquet(path: impl AsRef<Path>) -> Result<Table, TableError> {
        let file = TableFile::open(path)?;
        let free = available_memory().unwrap_or(u64::MAX);
        let mut bytes = 0;
        gather(&file, &mut |chunk| {
            bytes += chunk.batch().get_array_memory_size() as u64;
            if bytes > free {
                return Err(TableError::Memory { path: file.path.clone(), bytes, free });
            }
            Ok(())
        })
    }
}

/// A Parquet file of text, integer and float columns, of which only a chunk is in memory at a time.
#[derive(Clone, Debug)]
pub struct TableFile {
    path: PathBuf,
    fields: Vec<(String, Kind)>,
    rows: usize,
    metadata: BTreeMap<String, String>,
}

impl TableFile {
    /// Looks at what a file says of itself, and at the headers of its pages.
    ///
    /// # Errors
    ///
    /// [`TableError::Read`], [`TableError::Parquet`] and [`TableError::ParquetType`]; reading chunks may fail likewise.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref().to_owned();
        let file = open(&path)?;
        let fields = fields(&path, file.schema())?;
        Ok(Self { fields, rows: file.rows(), metadata: file.notes(), path })
    }
}

fn open(path: &Path) -> Result<GuardedParquet, TableError> {
    let file = vene_files::open(path)
        .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
    GuardedParquet::open(file)
        .map_err(|source| TableError::Parquet { path: path.to_owned(), source })
}

fn fields(path: &Path, schema: &SchemaRef) -> Result<Vec<(String, Kind)>, TableError> {
    let field = |field: &Arc<Field>| {
        let kind = Kind::of(field).ok_or_else(|| TableError::ParquetType {
            path: path.to_owned(),
            name: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        Ok((field.name().clone(), kind))
    };
    schema.fields().iter().map(field).collect()
}

impl TableSource for TableFile {
    fn fields(&self) -> Vec<(String, Kind)> {
        self.fields.clone()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    fn chunks(&self, columns: Option<&[&str]>) -> Result<Chunks<'_>, TableError> {
        let all: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = wanted(&self.fields, columns.unwrap_or(&all))?;
        let file = open(&self.path)?;
        let broken = |source| TableError::Parquet { path: self.path.clone(), source };
        if fields(&self.path, file.schema())? != self.fields {
            return Err(broken(damaged()));
        }
        let batches =
            file.batches(|field| names.contains(&field.name().as_str())).map_err(broken)?;
        let kinds = self.fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let mut reader = ChunkReader { file: self, kinds: kinds.cloned().collect(), batches };
        Ok(Box::new(std::iter::from_fn(move || reader.next().transpose())))
    }
}

/// Puts what the library decodes into chunks.
struct ChunkReader<'f> {
    file: &'f TableFile,
    kinds: Vec<(String, Kind)>,
    batches: GuardedBatches,
}

impl ChunkReader<'_> {
    fn next(&mut self) -> Result<Option<Table>, TableError> {
        let broken = |source| TableError::Parquet { path: self.file.path.clone(), source };
        let mut columns: Vec<ColumnBuilder> =
            self.kinds.iter().map(|(_, kind)| ColumnBuilder::new(*kind)).collect();
        let (mut rows, mut text) = (0, 0);
        while rows < CHUNK && text < CHUNK_TEXT {
            let Some(batch) = self.batches.next() else { break };
            let batch = batch.map_err(broken)?;
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                // No reader gives a gap where the schema requires a value.
                if array.null_count() > 0 && !column.kind().has_gaps() {
                    return Err(broken(damaged()));
                }
                column.extend_array(array).ok_or_else(|| broken(damaged()))?;
                if let Some(texts) = array.as_string_view_opt() {
                    // A view begins with its text's length.
                    text += texts.views().iter().map(|view| u64::from(*view as u32)).sum::<u64>();
                }
            }
            rows += batch.num_rows();
        }
        if rows == 0 {
            return Ok(None);
        }
        let named = self.kinds.iter().zip(&mut columns);
        let table = named.fold(Table::builder(), |table, ((name, _), column)| {
            table.column(name, column.finish())
        });
        let notes = self.file.metadata.iter();
        notes.fold(table, |table, (key, value)| table.metadata(key, value)).build().map(Some)
    }
}

/// Why a file was not written.
enum Failed {
    Table(TableError),
    Write(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<parquet::errors::ParquetError> for Failed {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Write(error.into())
    }
}

/// Writes a table as Parquet, whole or not at all.
pub(crate) fn write(table: &dyn TableSource, path: &Path) -> Result<(), TableError> {
    let field = |(name, kind): &(String, Kind)| Field::new(name, kind.stored(), kind.has_gaps());
    let schema = Arc::new(Schema::new(table.fields().iter().map(field).collect::<Vec<_>>()));
    let notes = table.metadata().iter();
    let notes = notes.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(notes))
        .build();
    let written = vene_files::write_atomically(path, |file| {
        let mut writer = ArrowWriter::try_new(&mut *file, schema, Some(properties))?;
        for chunk in even(table, WRITTEN).map_err(Failed::Table)? {
            let batch: RecordBatch = chunk.map_err(Failed::Table)?.into();
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(())
    });
    written.map_err(|failed| match failed {
        Failed::Table(error) => error,
        Failed::Write(source) => TableError::Write { path: path.to_owned(), source },
    })
}
