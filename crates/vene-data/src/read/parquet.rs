//! Rows from Parquet, nested columns too.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use serde_json::{Map, Value};
use vene_table::{GuardedBatches, GuardedParquet, ParquetFault};

use super::budget::{Budget, ENTRY, Spent};
use super::record::{Record, Records};
use super::{DataError, MOST_BYTES, Place, UnusedColumn, arrow};

pub(super) fn records(path: &Path, file: File) -> Result<Records, DataError> {
    let broken = |fault| broken(path, fault);
    let file = GuardedParquet::open(file).map_err(broken)?;
    let mut seen = HashSet::new();
    let mut not_understood = Vec::new();
    for field in file.schema().fields() {
        let column = field.name().clone();
        if !seen.insert(field.name()) {
            return Err(DataError::ColumnTwice { path: path.to_owned(), column });
        }
        if !arrow::is_read(field.data_type()) {
            let holds = arrow::in_words(field.data_type());
            not_understood.push(UnusedColumn { name: column, holds });
        }
    }
    let batches = file.batches(|field| arrow::is_read(field.data_type())).map_err(broken)?;
    let rows = Rows { path: path.to_owned(), batches, pending: None, row: 0 };
    Ok(Records { rows: Box::new(rows), not_understood })
}

fn broken(path: &Path, fault: ParquetFault) -> DataError {
    let path = path.to_owned();
    match fault {
        ParquetFault::TooLarge { bytes, most } => DataError::TooLarge { path, bytes, most },
        fault => DataError::Parquet { path, message: fault.to_string() },
    }
}

struct Rows {
    path: PathBuf,
    batches: GuardedBatches,
    /// The current batch, and its first row that was not asked for yet.
    pending: Option<(RecordBatch, usize)>,
    row: usize,
}

impl Iterator for Rows {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, next)) = &mut self.pending
                && *next < batch.num_rows()
            {
                let values = object(batch, *next);
                *next += 1;
                let place = Place { row: self.row, line: None };
                self.row += 1;
                return Some(match values {
                    Ok(values) => Ok(Record { place, values, cells: true }),
                    Err(Spent) => {
                        let path = self.path.clone();
                        Err(DataError::RowsTooLarge { path, most: MOST_BYTES })
                    }
                });
            }
            match self.batches.next()? {
                Ok(batch) => self.pending = Some((batch, 0)),
                Err(fault) => {
                    self.pending = None;
                    return Some(Err(broken(&self.path, fault)));
                }
            }
        }
    }
}

/// A row's keys and values. A column may name one long text in every row, so that what a row takes
/// is counted before it is made.
fn object(batch: &RecordBatch, row: usize) -> Result<Map<String, Value>, Spent> {
    let mut budget = Budget::whole();
    let schema = batch.schema();
    let mut values = Map::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        budget.take(ENTRY)?;
        values.insert(field.name().clone(), arrow::value(column, row, &mut budget)?);
    }
    Ok(values)
}
