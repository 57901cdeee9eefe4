//! A cell of an Arrow column as a JSON value, so that nested columns and JSON are read alike.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType;
use serde_json::{Map, Number, Value};

use super::budget::{Budget, ENTRY, Spent, VALUE};

/// How deep lists and structs may be nested; no layout comes near.
const DEEPEST: usize = 16;

/// Whether [`value`] understands a column of this type.
pub(super) fn is_read(kind: &DataType) -> bool {
    is_read_within(kind, DEEPEST)
}

fn is_read_within(kind: &DataType, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match kind {
        DataType::Null | DataType::Boolean | DataType::Float32 | DataType::Float64 => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Struct(fields) => {
            fields.iter().all(|field| is_read_within(field.data_type(), depth))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_read_within(item.data_type(), depth)
        }
        DataType::Dictionary(key, of) => key.is_dictionary_key_type() && is_read_within(of, depth),
        kind => kind.is_integer(),
    }
}

/// What a column holds that is not read, in words.
pub(super) fn in_words(kind: &DataType) -> String {
    match kind {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytes".to_owned(),
        DataType::Date32 | DataType::Date64 => "dates".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..) => "times".to_owned(),
        DataType::Duration(_) | DataType::Interval(_) => "durations".to_owned(),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "decimal numbers".to_owned(),
        DataType::Float16 => "numbers in half precision".to_owned(),
        DataType::Map(..) => "maps".to_owned(),
        DataType::Union(..) => "values of several types".to_owned(),
        DataType::Dictionary(_, of) => in_words(of),
        DataType::RunEndEncoded(_, of) => in_words(of.data_type()),
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::FixedSizeList(of, _)
        | DataType::ListView(of)
        | DataType::LargeListView(of) => format!("lists of {}", in_words(of.data_type())),
        DataType::Struct(fields) => {
            let unread = fields.iter().find(|field| !is_read(field.data_type()));
            let of = unread.map(|field| format!(" with {}", in_words(field.data_type())));
            format!("objects{}", of.unwrap_or_default())
        }
        // What is read stands here only deep within something else.
        _ => "deeply nested values".to_owned(),
    }
}

/// One cell; null where it is missing, is NaN or infinite, or lies past the end.
pub(super) fn value(array: &ArrayRef, row: usize, budget: &mut Budget) -> Result<Value, Spent> {
    budget.take(VALUE)?;
    if row >= array.len() || array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => integer::<Int8Type>(array, row),
        DataType::Int16 => integer::<Int16Type>(array, row),
        DataType::Int32 => integer::<Int32Type>(array, row),
        DataType::Int64 => integer::<Int64Type>(array, row),
        DataType::UInt8 => integer::<UInt8Type>(array, row),
        DataType::UInt16 => integer::<UInt16Type>(array, row),
        DataType::UInt32 => integer::<UInt32Type>(array, row),
        DataType::UInt64 => integer::<UInt64Type>(array, row),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), budget)?,
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), budget)?,
        DataType::Utf8View => text(array.as_string_view().value(row), budget)?,
        DataType::List(_) => list(&array.as_list::<i32>().value(row), budget)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), budget)?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), budget)?,
        DataType::Struct(fields) => {
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                budget.take(ENTRY)?;
                object.insert(field.name().clone(), value(column, row, budget)?);
            }
            Value::Object(object)
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let keys = arrow_array::make_array(dictionary.keys().to_data());
            let key = value(&keys, row, budget)?.as_u64().and_then(|key| usize::try_from(key).ok());
            match key {
                Some(key) => value(dictionary.values(), key, budget)?,
                None => Value::Null,
            }
        }
        _ => Value::Null,
    })
}

fn text(text: &str, budget: &mut Budget) -> Result<Value, Spent> {
    budget.take(text.len() as u64)?;
    Ok(text.into())
}

fn list(items: &ArrayRef, budget: &mut Budget) -> Result<Value, Spent> {
    (0..items.len()).map(|item| value(items, item, budget)).collect()
}

fn integer<Kind: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> Value
where
    Kind::Native: Into<Number>,
{
    Value::Number(array.as_primitive::<Kind>().value(row).into())
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
