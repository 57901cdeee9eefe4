//! Tables as Parquet: typed, compressed, with gaps and metadata kept.
//!
//! Columns become `UTF8`, `INT64` and `DOUBLE`, required or optional; metadata become the file's
//! key-value metadata. What is written reads back equal, which a CSV can't promise.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, GenericStringArray, Int64Array,
    OffsetSizeTrait, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::{Column, Table, TableError};

/// The key under which Arrow keeps its own schema: not a note of ours.
const ARROW_SCHEMA: &str = "ARROW:schema";

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
    /// [`TableError::Read`], [`TableError::Parquet`] and [`TableError::ParquetType`].
    pub fn read_parquet(path: impl AsRef<Path>) -> Result<Table, TableError> {
        let path = path.as_ref();
        let broken = |source| TableError::Parquet { path: path.to_owned(), source };
        let file = vene_files::open(path)
            .map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        let schema = Arc::clone(reader.schema());
        let notes = reader.metadata().file_metadata().key_value_metadata().cloned();
        let batches = reader.build().map_err(broken)?;
        let batches: Vec<RecordBatch> =
            batches.collect::<Result<_, _>>().map_err(|e| broken(ParquetError::from(e)))?;

        let mut table = Table::builder();
        for (index, field) in schema.fields().iter().enumerate() {
            let parts: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(index)).collect();
            let column = from_arrow(field, &parts).ok_or_else(|| TableError::ParquetType {
                path: path.to_owned(),
                name: field.name().clone(),
                found: field.data_type().to_string(),
            })?;
            table = table.column(field.name(), column);
        }
        for KeyValue { key, value } in notes.into_iter().flatten() {
            if key != ARROW_SCHEMA {
                table = table.metadata(key, value.unwrap_or_default());
            }
        }
        table.build()
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

/// `None` for a type that no column stands for.
fn from_arrow(field: &Field, parts: &[&ArrayRef]) -> Option<Column> {
    let gaps = field.is_nullable();
    Some(match field.data_type() {
        DataType::Utf8 => text(strings::<i32>(parts)?, gaps),
        DataType::LargeUtf8 => text(strings::<i64>(parts)?, gaps),
        DataType::Int32 => integers(numbers::<Int32Type, _>(parts)?, gaps),
        DataType::Int64 => integers(numbers::<Int64Type, _>(parts)?, gaps),
        DataType::Float32 => floats(numbers::<Float32Type, _>(parts)?, gaps),
        DataType::Float64 => floats(numbers::<Float64Type, _>(parts)?, gaps),
        _ => return None,
    })
}

fn strings<Offset: OffsetSizeTrait>(parts: &[&ArrayRef]) -> Option<Vec<Option<String>>> {
    let mut values = Vec::new();
    for part in parts {
        let part = part.as_any().downcast_ref::<GenericStringArray<Offset>>()?;
        values.extend(part.iter().map(|value| value.map(str::to_owned)));
    }
    Some(values)
}

fn numbers<Type, Number>(parts: &[&ArrayRef]) -> Option<Vec<Option<Number>>>
where
    Type: ArrowPrimitiveType,
    Number: From<Type::Native>,
{
    let mut values = Vec::new();
    for part in parts {
        let part = part.as_any().downcast_ref::<PrimitiveArray<Type>>()?;
        values.extend(part.iter().map(|value| value.map(Number::from)));
    }
    Some(values)
}

fn text(values: Vec<Option<String>>, gaps: bool) -> Column {
    if gaps { Column::OptionalText(values) } else { Column::Text(complete(values)) }
}

fn integers(values: Vec<Option<i64>>, gaps: bool) -> Column {
    if gaps { Column::OptionalInteger(values) } else { Column::Integer(complete(values)) }
}

fn floats(values: Vec<Option<f64>>, gaps: bool) -> Column {
    if gaps { Column::OptionalFloat(values) } else { Column::Float(complete(values)) }
}

/// The values of a column that the schema requires to be complete: no reader gives a gap there.
fn complete<T: Default>(values: Vec<Option<T>>) -> Vec<T> {
    values.into_iter().map(Option::unwrap_or_default).collect()
}
