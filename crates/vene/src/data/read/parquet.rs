//! Rows from Parquet, nested columns too.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};

use super::record::{Record, Records};
use super::{DataError, MOST_BYTES, Place, arrow, span};

/// A batch of rows has its texts side by side; a small one keeps a hostile file from growing
/// far past the limit before it is noticed.
const BATCH: usize = 256;

pub(super) fn records(path: &Path, file: File) -> Result<Records, DataError> {
    let broken = |message: String| DataError::Parquet { path: path.to_owned(), message };
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(broken)?;
    let mut seen = HashSet::new();
    let mut read = Vec::new();
    for (index, field) in builder.schema().fields().iter().enumerate() {
        let (path, column) = (path.to_owned(), field.name().clone());
        if !seen.insert(field.name()) {
            return Err(DataError::ColumnTwice { path, column });
        }
        match arrow::is_read(field.data_type()) {
            true => read.push(index),
            false if span::is_ignored(field.name()) => {}
            false => {
                let found = field.data_type().to_string();
                return Err(DataError::ColumnType { path, column, found });
            }
        }
    }
    let columns = ProjectionMask::roots(builder.parquet_schema(), read);
    let batches = guarded(|| builder.with_projection(columns).with_batch_size(BATCH).build())
        .map_err(broken)?;
    Ok(Box::new(Rows {
        path: path.to_owned(),
        batches: Some(batches),
        pending: Vec::new().into_iter(),
        row: 0,
        bytes: 0,
    }))
}

struct Rows {
    path: PathBuf,
    /// `None` behind the last batch, or behind one that could not be read.
    batches: Option<ParquetRecordBatchReader>,
    /// Those of the current batch that were not asked for yet.
    pending: std::vec::IntoIter<Map<String, Value>>,
    row: usize,
    bytes: u64,
}

impl Iterator for Rows {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(values) = self.pending.next() {
                let place = Place::Row(self.row);
                self.row += 1;
                return Some(Ok(Record { place, values, cells: true }));
            }
            let batches = self.batches.as_mut()?;
            match guarded(|| batches.next().transpose()) {
                Ok(None) => self.batches = None,
                Ok(Some(batch)) => {
                    self.bytes += batch.get_array_memory_size() as u64;
                    if self.bytes > MOST_BYTES {
                        self.batches = None;
                        let (path, bytes) = (self.path.clone(), self.bytes);
                        return Some(Err(DataError::TooLarge { path, bytes, most: MOST_BYTES }));
                    }
                    self.pending = objects(&batch).into_iter();
                }
                Err(message) => {
                    self.batches = None;
                    return Some(Err(DataError::Parquet { path: self.path.clone(), message }));
                }
            }
        }
    }
}

fn objects(batch: &RecordBatch) -> Vec<Map<String, Value>> {
    let schema = batch.schema();
    let object = |row| {
        let columns = schema.fields().iter().zip(batch.columns());
        columns.map(|(field, column)| (field.name().clone(), arrow::value(column, row))).collect()
    };
    (0..batch.num_rows()).map(object).collect()
}

/// Parquet's reader trusts some counts of a file and panics where they lie (one wrong byte is
/// enough); to us such a file is as broken as any other.
fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match vene_files::guarded(read) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the file is damaged: its counts do not fit its contents".to_owned()),
    }
}
