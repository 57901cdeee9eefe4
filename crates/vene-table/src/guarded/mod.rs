//! Parquet files that may be damaged, or made to do harm.
//!
//! The `parquet` library trusts counts of a file: one wrong byte makes it panic, a page header of a
//! few bytes keeps it busy for minutes, one long text in a dictionary becomes gigabytes. Every
//! reader of Parquet in vene goes through here, so that each of these ends in one sentence.

mod pages;
mod thrift;
mod views;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

/// Rows that are decoded at once.
const BATCH: usize = 256;

/// Columns of a file at most.
const MOST_COLUMNS: usize = 4096;

/// Bytes that the pages of one row group, uncompressed, may take at once.
const MOST_BYTES: u64 = 1 << 30;

/// The key under which Arrow keeps its own schema: not a note of the file's author.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// Why a Parquet file cannot be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ParquetFault {
    /// Not Parquet, damaged, or in a form that is not understood.
    #[error("{0}")]
    Damaged(String),
    /// What it says of itself would take more memory than any table or data set.
    #[error("its pages take {bytes} bytes, uncompressed; at most {most} are read at once")]
    TooLarge {
        /// What one row group takes.
        bytes: u64,
        /// The most there may be.
        most: u64,
    },
    /// More columns than any table has.
    #[error("it has {columns} columns; at most {MOST_COLUMNS} are read")]
    Columns {
        /// How many.
        columns: usize,
    },
}

vene_named::debug_as_sentence!(ParquetFault);

/// A Parquet file whose counts were looked at.
///
/// Its texts come as views into the file's pages: a text that a dictionary holds once and a
/// million rows name is in memory once.
pub struct GuardedParquet {
    file: File,
    metadata: ArrowReaderMetadata,
    batch: usize,
}

impl GuardedParquet {
    /// Reads the footer and looks at every page's header.
    ///
    /// # Errors
    /// See [`ParquetFault`].
    pub fn open(mut file: File) -> Result<Self, ParquetFault> {
        let length = look_at_footer(&mut file)?;
        let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = guarded(load)?;
        let columns = metadata.metadata().file_metadata().schema_descr().num_columns();
        if columns > MOST_COLUMNS {
            return Err(ParquetFault::Columns { columns });
        }
        let mut most = 0;
        for group in metadata.metadata().row_groups() {
            let sizes = pages::look_at(&mut file, length, group)?;
            if sizes.together > MOST_BYTES {
                return Err(ParquetFault::TooLarge { bytes: sizes.together, most: MOST_BYTES });
            }
            most = most.max(sizes.largest);
        }
        // A page may hold texts of which each repeats all of the one before it.
        let batch = (MOST_BYTES / most.max(1)).clamp(1, BATCH as u64) as usize;
        let schema = views::of(metadata.schema());
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata =
            guarded(|| ArrowReaderMetadata::try_new(metadata.metadata().clone(), options))?;
        Ok(Self { file, metadata, batch })
    }

    /// Its columns; texts are views.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// How many rows it says it has.
    pub fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The notes of its author, by key.
    pub fn notes(&self) -> BTreeMap<String, String> {
        let notes = self.metadata.metadata().file_metadata().key_value_metadata();
        let ours = notes.into_iter().flatten().filter(|note| note.key != ARROW_SCHEMA);
        ours.map(|note| (note.key.clone(), note.value.clone().unwrap_or_default())).collect()
    }

    /// The rows, of those columns that are wanted.
    ///
    /// # Errors
    /// As [`GuardedParquet::open`]; each batch may fail in the same way.
    pub fn batches(self, wanted: impl Fn(&Field) -> bool) -> Result<GuardedBatches, ParquetFault> {
        let Self { file, metadata, batch } = self;
        let schema = metadata.schema().clone();
        let fields = schema.fields().iter().enumerate();
        let columns: Vec<usize> =
            fields.filter(|(_, field)| wanted(field)).map(|(index, _)| index).collect();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let columns = ProjectionMask::roots(builder.parquet_schema(), columns);
        let reader = guarded(|| builder.with_projection(columns).with_batch_size(batch).build())?;
        Ok(GuardedBatches { reader: Some(reader) })
    }
}

/// Batches of rows, one after the other; none after one that could not be read.
pub struct GuardedBatches {
    reader: Option<ParquetRecordBatchReader>,
}

impl Iterator for GuardedBatches {
    type Item = Result<RecordBatch, ParquetFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let batch = guarded(|| reader.next().transpose()).transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.reader = None;
        }
        batch
    }
}

/// Walks through the footer, as the library would; the file's length.
fn look_at_footer(file: &mut File) -> Result<u64, ParquetFault> {
    let unreadable = |error: std::io::Error| ParquetFault::Damaged(error.to_string());
    let length = file.metadata().map_err(unreadable)?.len();
    let Some(end) = length.checked_sub(8) else {
        return Err(ParquetFault::Damaged(
            "this is not a Parquet file: it is too short".to_owned(),
        ));
    };
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(end)).map_err(unreadable)?;
    file.read_exact(&mut tail).map_err(unreadable)?;
    let [a, b, c, d, ..] = tail;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    // What is no footer at all is left to the library's own words.
    if let Some(start) = end.checked_sub(footer) {
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(footer).read_to_end(&mut bytes).map_err(unreadable)?;
        thrift::Walk::new(bytes.as_slice(), footer).footer().or_else(thrift::Stop::allow)?;
    }
    Ok(length)
}

/// What the library says, or that it panicked.
fn guarded<T, E: std::fmt::Display>(
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, ParquetFault> {
    match vene_files::guarded(read) {
        Ok(result) => result.map_err(|error| ParquetFault::Damaged(error.to_string())),
        Err(vene_files::Panicked { .. }) => Err(damaged()),
    }
}

/// What is said of counts that lie.
pub(crate) fn damaged() -> ParquetFault {
    ParquetFault::Damaged("the file is damaged: its counts do not fit its contents".to_owned())
}

#[cfg(test)]
mod tests;
