//! One variable of a table: an Arrow array, and whether it may have gaps.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, LargeStringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
};
use arrow_schema::{DataType, Field};
use arrow_select::filter::filter;

use crate::{Value, Words};

/// A column's values: text, integers or floats, each either complete or with gaps.
///
/// Underneath is an Arrow array, which clones and slices share: text is a dictionary, so that a word
/// that a million rows repeat is in memory once. Whether values may be missing is part of the
/// column, not a mark among the values: a sweep over `mlp_output` has no heads, and a missing value
/// says so where 0, −1 or NaN would lie.
///
/// A column is made of a `Vec` of `String`, `&str`, `i64`, `u32`, `usize`, `f64` or `f32`, or of `Option`s of those:
///
/// ```
/// use vene_table::{Column, Kind};
///
/// let heads = Column::from(vec![Some(3_usize), None]);
/// assert_eq!((heads.kind(), heads.len()), (Kind::OptionalInteger, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Column {
    pub(crate) values: Values,
    /// Whether values may be missing, whether or not one is.
    has_gaps: bool,
}

/// The arrays that columns are made of.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// Every word of the dictionary is in it once.
    Text(DictionaryArray<Int32Type>),
    Integer(Int64Array),
    Float(Float64Array),
}

/// What a column holds, without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, present in every row. It may be empty.
    Text,
    /// Text that may be missing.
    OptionalText,
    /// Whole numbers: layers, positions, heads, token ids.
    Integer,
    /// Whole numbers that may be missing.
    OptionalInteger,
    /// Measured values. NaN means that the measurement gave no result.
    Float,
    /// Measured values that may be missing.
    OptionalFloat,
}

impl Kind {
    /// The same, where values may be missing.
    #[must_use]
    pub fn optional(self) -> Kind {
        match self {
            Kind::Text | Kind::OptionalText => Kind::OptionalText,
            Kind::Integer | Kind::OptionalInteger => Kind::OptionalInteger,
            Kind::Float | Kind::OptionalFloat => Kind::OptionalFloat,
        }
    }

    /// The same, where every row has a value.
    #[must_use]
    pub fn complete(self) -> Kind {
        match self {
            Kind::Text | Kind::OptionalText => Kind::Text,
            Kind::Integer | Kind::OptionalInteger => Kind::Integer,
            Kind::Float | Kind::OptionalFloat => Kind::Float,
        }
    }

    /// Whether values may be missing.
    pub fn has_gaps(self) -> bool {
        self != self.complete()
    }

    /// What a field of an Arrow schema holds; `None` for a type that no column has.
    pub(crate) fn of(field: &Field) -> Option<Kind> {
        let complete = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Dictionary(key, word)
                if **key == DataType::Int32 && **word == DataType::LargeUtf8 =>
            {
                Kind::Text
            }
            DataType::Int32 | DataType::Int64 => Kind::Integer,
            DataType::Float32 | DataType::Float64 => Kind::Float,
            _ => return None,
        };
        Some(if field.is_nullable() { complete.optional() } else { complete })
    }

    /// The type that a column has in a Parquet file: texts are plain there, so that every reader has them as text.
    pub(crate) fn stored(self) -> DataType {
        match self.complete() {
            Kind::Integer => DataType::Int64,
            Kind::Float => DataType::Float64,
            _ => DataType::Utf8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Text => "text",
            Kind::OptionalText => "text that may be missing",
            Kind::Integer => "integers",
            Kind::OptionalInteger => "integers that may be missing",
            Kind::Float => "floats",
            Kind::OptionalFloat => "floats that may be missing",
        })
    }
}

impl Column {
    pub(crate) fn new(values: Values, has_gaps: bool) -> Self {
        Self { values, has_gaps }
    }

    /// What the column holds.
    pub fn kind(&self) -> Kind {
        let complete = match self.values {
            Values::Text(_) => Kind::Text,
            Values::Integer(_) => Kind::Integer,
            Values::Float(_) => Kind::Float,
        };
        if self.has_gaps { complete.optional() } else { complete }
    }

    /// The number of values, missing ones included.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Text(values) => values.len(),
            Values::Integer(values) => values.len(),
            Values::Float(values) => values.len(),
        }
    }

    /// Whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value in a row; missing where the row is past the end.
    pub fn value(&self, row: usize) -> Value<'_> {
        if row >= self.len() {
            return Value::Missing;
        }
        match &self.values {
            Values::Text(values) => Words::of(values).get(row).map_or(Value::Missing, Value::Text),
            Values::Integer(values) if values.is_valid(row) => Value::Integer(values.value(row)),
            Values::Float(values) if values.is_valid(row) => Value::Float(values.value(row)),
            Values::Integer(_) | Values::Float(_) => Value::Missing,
        }
    }

    /// All values, from the first row on.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Value<'_>> {
        (0..self.len()).map(|row| self.value(row))
    }

    /// The values as an Arrow array: a dictionary of `LargeUtf8` words by `Int32`, `Int64` or `Float64`.
    pub fn array(&self) -> ArrayRef {
        match &self.values {
            Values::Text(values) => Arc::new(values.clone()),
            Values::Integer(values) => Arc::new(values.clone()),
            Values::Float(values) => Arc::new(values.clone()),
        }
    }

    /// The values of the rows for which `kept` is true.
    pub(crate) fn keep(&self, kept: &BooleanArray) -> Column {
        // An array without rows is what a mask of another length leaves; tables make no such mask.
        let filtered =
            |array: &dyn Array| filter(array, kept).unwrap_or_else(|_| array.slice(0, 0));
        let values = match &self.values {
            Values::Text(values) => Values::Text(filtered(values).as_dictionary().clone()),
            Values::Integer(values) => {
                Values::Integer(filtered(values).as_primitive::<Int64Type>().clone())
            }
            Values::Float(values) => {
                Values::Float(filtered(values).as_primitive::<Float64Type>().clone())
            }
        };
        Column { values, has_gaps: self.has_gaps }
    }

    /// The same values, in a column that may have gaps.
    pub(crate) fn optional(self) -> Column {
        Column { has_gaps: true, ..self }
    }

    /// The values of a stretch of rows, which must be within the column.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Column {
        let values = match &self.values {
            Values::Text(values) => Values::Text(values.slice(start, rows)),
            Values::Integer(values) => Values::Integer(values.slice(start, rows)),
            Values::Float(values) => Values::Float(values.slice(start, rows)),
        };
        Column { values, has_gaps: self.has_gaps }
    }
}

/// Columns are equal where their kinds and values are; floats are compared by their bits, so that
/// NaN equals itself.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.has_gaps == other.has_gaps
            && match (&self.values, &other.values) {
                (Values::Text(one), Values::Text(other)) => {
                    Words::of(one).iter().eq(Words::of(other).iter())
                }
                (Values::Integer(one), Values::Integer(other)) => one == other,
                (Values::Float(one), Values::Float(other)) => one == other,
                _ => false,
            }
    }
}

/// Collects the values of a column of one kind.
pub(crate) struct ColumnBuilder {
    kind: Kind,
    values: Builder,
}

enum Builder {
    Text(LargeStringDictionaryBuilder<Int32Type>),
    Integer(Int64Builder),
    Float(Float64Builder),
}

impl ColumnBuilder {
    pub fn new(kind: Kind) -> Self {
        let values = match kind.complete() {
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Float => Builder::Float(Float64Builder::new()),
            _ => Builder::Text(LargeStringDictionaryBuilder::new()),
        };
        Self { kind, values }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Adds a value; `None` where it is of another kind, or missing in a column without gaps.
    pub fn push(&mut self, value: Value<'_>) -> Option<()> {
        match (&mut self.values, value) {
            (_, Value::Missing) if !self.kind.has_gaps() => return None,
            (Builder::Text(values), Value::Text(text)) => drop(values.append(text).ok()?),
            (Builder::Integer(values), Value::Integer(number)) => values.append_value(number),
            (Builder::Float(values), Value::Float(number)) => values.append_value(number),
            (Builder::Text(values), Value::Missing) => values.append_null(),
            (Builder::Integer(values), Value::Missing) => values.append_null(),
            (Builder::Float(values), Value::Missing) => values.append_null(),
            _ => return None,
        }
        Some(())
    }

    /// Adds a column's values; `None` where they are of another kind.
    pub fn extend(&mut self, column: &Column) -> Option<()> {
        self.extend_array(match &column.values {
            Values::Text(values) => values,
            Values::Integer(values) => values,
            Values::Float(values) => values,
        })
    }

    /// Adds an array's values; `None` where they are of another kind, or there are more words than
    /// a dictionary can have. Texts come in any of Arrow's forms, 32-bit numbers are widened.
    pub fn extend_array(&mut self, array: &dyn Array) -> Option<()> {
        let any = array.as_any();
        match &mut self.values {
            Builder::Text(values) => {
                if let Some(words) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
                    let words = words.downcast_dict::<LargeStringArray>()?;
                    return values.extend_dictionary(&words).ok();
                }
                if let Some(texts) = array.as_string_view_opt() {
                    // What a page's dictionary holds once is seen as the same view again and again.
                    let mut row = 0;
                    while row < texts.len() {
                        let is_same = |other: &usize| {
                            texts.views().get(*other) == texts.views().get(row)
                                && texts.is_valid(*other) == texts.is_valid(row)
                        };
                        let end = (row + 1..texts.len()).find(|other| !is_same(other));
                        let end = end.unwrap_or(texts.len());
                        if texts.is_valid(row) {
                            values.append_n(texts.value(row), end - row).ok()?;
                        } else {
                            values.append_nulls(end - row);
                        }
                        row = end;
                    }
                } else if let Some(texts) = array.as_string_opt::<i64>() {
                    values.append_array(texts).ok()?;
                } else {
                    for text in array.as_string_opt::<i32>()? {
                        match text {
                            Some(text) => drop(values.append(text).ok()?),
                            None => values.append_null(),
                        }
                    }
                }
            }
            Builder::Integer(values) => {
                if let Some(array) = any.downcast_ref::<Int64Array>() {
                    values.append_array(array);
                } else {
                    let array = any.downcast_ref::<arrow_array::Int32Array>()?;
                    array.iter().for_each(|value| values.append_option(value.map(i64::from)));
                }
            }
            Builder::Float(values) => {
                if let Some(array) = any.downcast_ref::<Float64Array>() {
                    values.append_array(array);
                } else {
                    let array = any.downcast_ref::<arrow_array::Float32Array>()?;
                    array.iter().for_each(|value| values.append_option(value.map(f64::from)));
                }
            }
        }
        Some(())
    }

    /// The column; the builder is empty again.
    pub fn finish(&mut self) -> Column {
        let values = match &mut self.values {
            Builder::Text(values) => Values::Text(values.finish()),
            Builder::Integer(values) => Values::Integer(values.finish()),
            Builder::Float(values) => Values::Float(values.finish()),
        };
        Column { values, has_gaps: self.kind.has_gaps() }
    }
}

/// Counts and indices fit, except for sizes that no memory holds: those saturate.
fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A dictionary of these texts.
fn words(texts: impl Iterator<Item = Option<impl AsRef<str>>>) -> Values {
    let mut words = LargeStringDictionaryBuilder::<Int32Type>::new();
    for text in texts {
        words.append_option(text);
    }
    Values::Text(words.finish())
}

macro_rules! from_text {
    ($($text:ty),+) => {$(
        impl From<Vec<$text>> for Column {
            fn from(values: Vec<$text>) -> Self {
                Column::new(words(values.into_iter().map(Some)), false)
            }
        }
        impl From<Vec<Option<$text>>> for Column {
            fn from(values: Vec<Option<$text>>) -> Self {
                Column::new(words(values.into_iter()), true)
            }
        }
    )+};
}

from_text!(String, &str);

macro_rules! from_numbers {
    ($($value:ty => $variant:ident of $array:ident via $convert:expr;)+) => {$(
        impl From<Vec<$value>> for Column {
            fn from(values: Vec<$value>) -> Self {
                let values = $array::from_iter_values(values.into_iter().map($convert));
                Column::new(Values::$variant(values), false)
            }
        }
        impl From<Vec<Option<$value>>> for Column {
            fn from(values: Vec<Option<$value>>) -> Self {
                let values = values.into_iter().map(|value| value.map($convert));
                Column::new(Values::$variant(values.collect::<$array>()), true)
            }
        }
    )+};
}

from_numbers! {
    i64 => Integer of Int64Array via |value| value;
    u32 => Integer of Int64Array via i64::from;
    usize => Integer of Int64Array via index;
    f64 => Float of Float64Array via |value| value;
    f32 => Float of Float64Array via f64::from;
}
