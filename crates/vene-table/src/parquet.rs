//! Tables as Parquet: typed, compressed, with gaps and metadata kept.
//!
//! Columns become `UTF8`, `INT64` and `DOUBLE`, required or optional; metadata become the file's
//! key-value metadata. What is written reads back equal, which a CSV can't promise.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, StringViewArray,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::guarded::damaged;
use crate::{Column, GuardedParquet, Table, TableError, available_memory};

impl Table {
    /// Writes the table as Parquet (Snappy), metadata included, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TableError::Write`].
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<(), TableError> {
        let path = path.as_ref();
        let unwritable = |source| TableError::Write { path: path.to_owned(), source };
        let batch = to_batch(self).map_err(std::io::Error::other).map_err(unwritable)?;
        let notes = self.metadata().iter();
        let notes = notes.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(notes))
            .build();
        vene_files::write_atomically(path, |file| {
            let mut writer = ArrowWriter::try_new(&mut *file, batch.schema(), Some(properties))?;
            writer.write(&batch)?;
            writer.close()?;
            Ok::<(), std::io::Error>(())
        })
        .map_err(unwritable)
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
        let path = path.as_ref();
        let broken = |source| TableError::Parquet { path: path.to_owned(), source };
        let file = vene_files::open(path)
            .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        let file = GuardedParquet::open(file).map_err(broken)?;
        let (schema, notes) = (Arc::clone(file.schema()), file.notes());
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            columns.push(empty(field).ok_or_else(|| TableError::ParquetType {
                path: path.to_owned(),
                name: field.name().clone(),
                found: field.data_type().to_string(),
            })?);
        }
        let free = available_memory().unwrap_or(u64::MAX);
        let mut bytes = 0;
        for batch in file.batches(|_| true).map_err(broken)? {
            let batch = batch.map_err(broken)?;
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                bytes += push(column, array).ok_or_else(|| broken(damaged()))?;
            }
            if bytes > free {
                return Err(TableError::Memory { path: path.to_owned(), bytes, free });
            }
        }
        let named = schema.fields().iter().zip(columns);
        let table = named.fold(Table::builder(), |table, (field, column)| {
            table.column(field.name(), if field.is_nullable() { column } else { complete(column) })
        });
        notes.into_iter().fold(table, |table, (key, value)| table.metadata(key, value)).build()
    }
}

fn to_batch(table: &Table) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (name, column) in table.columns() {
        let (kind, optional, array): (_, _, ArrayRef) = match column {
            Column::Text(values) => {
                (DataType::Utf8, false, Arc::new(StringArray::from_iter_values(values)))
            }
            Column::OptionalText(values) => {
                (DataType::Utf8, true, Arc::new(values.iter().collect::<StringArray>()))
            }
            Column::Integer(values) => {
                (DataType::Int64, false, Arc::new(Int64Array::from(values.clone())))
            }
            Column::OptionalInteger(values) => {
                (DataType::Int64, true, Arc::new(Int64Array::from(values.clone())))
            }
            Column::Float(values) => {
                (DataType::Float64, false, Arc::new(Float64Array::from(values.clone())))
            }
            Column::OptionalFloat(values) => {
                (DataType::Float64, true, Arc::new(Float64Array::from(values.clone())))
            }
        };
        fields.push(Field::new(name, kind, optional));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// A column without rows, all of which may be missing; `None` for a type that no column stands for.
fn empty(field: &Field) -> Option<Column> {
    Some(match field.data_type() {
        DataType::Utf8View => Column::OptionalText(Vec::new()),
        DataType::Int32 | DataType::Int64 => Column::OptionalInteger(Vec::new()),
        DataType::Float32 | DataType::Float64 => Column::OptionalFloat(Vec::new()),
        _ => return None,
    })
}

/// Adds an array's values to a column; the bytes that they take, `None` where they are of another
/// kind than the schema said.
fn push(column: &mut Column, array: &ArrayRef) -> Option<u64> {
    let (rows, array) = (array.len(), array.as_any());
    let bytes = match column {
        Column::OptionalText(values) => {
            let array = array.downcast_ref::<StringViewArray>()?;
            values.extend(array.iter().map(|value| value.map(str::to_owned)));
            let texts: usize = array.iter().flatten().map(str::len).sum();
            texts + rows * size_of::<Option<String>>()
        }
        Column::OptionalInteger(values) => {
            if let Some(array) = array.downcast_ref::<Int32Array>() {
                values.extend(array.iter().map(|value| value.map(i64::from)));
            } else {
                values.extend(array.downcast_ref::<Int64Array>()?);
            }
            rows * size_of::<Option<i64>>()
        }
        Column::OptionalFloat(values) => {
            if let Some(array) = array.downcast_ref::<Float32Array>() {
                values.extend(array.iter().map(|value| value.map(f64::from)));
            } else {
                values.extend(array.downcast_ref::<Float64Array>()?);
            }
            rows * size_of::<Option<f64>>()
        }
        _ => return None,
    };
    Some(bytes as u64)
}

/// The column without gaps: no reader gives a gap where the schema requires a value.
fn complete(column: Column) -> Column {
    fn filled<T: Default>(values: Vec<Option<T>>) -> Vec<T> {
        values.into_iter().map(Option::unwrap_or_default).collect()
    }
    match column {
        Column::OptionalText(values) => Column::Text(filled(values)),
        Column::OptionalInteger(values) => Column::Integer(filled(values)),
        Column::OptionalFloat(values) => Column::Float(filled(values)),
        column => column,
    }
}
