//! One variable of a table: its values, all of one kind.

use std::fmt;

/// A column's values. Text, integers and floats, each either complete or with gaps.
///
/// Whether values may be missing is part of the type, not a mark among the values: a sweep over
/// `mlp_output` has no heads, and `None` says so where 0, −1 or NaN would lie.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Text, present in every row. It may be empty.
    Text(Vec<String>),
    /// Text that may be missing.
    OptionalText(Vec<Option<String>>),
    /// Whole numbers: layers, positions, heads, token ids.
    Integer(Vec<i64>),
    /// Whole numbers that may be missing.
    OptionalInteger(Vec<Option<i64>>),
    /// Measured numbers. NaN is a value: a measurement that gave no number.
    Float(Vec<f64>),
    /// Measured numbers that may be missing.
    OptionalFloat(Vec<Option<f64>>),
}

/// What a column holds, without its values: the schema's part of a [`Column`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`Column::Text`].
    Text,
    /// See [`Column::OptionalText`].
    OptionalText,
    /// See [`Column::Integer`].
    Integer,
    /// See [`Column::OptionalInteger`].
    OptionalInteger,
    /// See [`Column::Float`].
    Float,
    /// See [`Column::OptionalFloat`].
    OptionalFloat,
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
    /// What the column holds.
    pub fn kind(&self) -> Kind {
        match self {
            Column::Text(_) => Kind::Text,
            Column::OptionalText(_) => Kind::OptionalText,
            Column::Integer(_) => Kind::Integer,
            Column::OptionalInteger(_) => Kind::OptionalInteger,
            Column::Float(_) => Kind::Float,
            Column::OptionalFloat(_) => Kind::OptionalFloat,
        }
    }

    /// The number of values, missing ones counted.
    pub fn len(&self) -> usize {
        match self {
            Column::Text(values) => values.len(),
            Column::OptionalText(values) => values.len(),
            Column::Integer(values) => values.len(),
            Column::OptionalInteger(values) => values.len(),
            Column::Float(values) => values.len(),
            Column::OptionalFloat(values) => values.len(),
        }
    }

    /// Whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of the rows for which `kept` is true.
    pub(crate) fn keep(&self, kept: &[bool]) -> Column {
        fn keep<T: Clone>(values: &[T], kept: &[bool]) -> Vec<T> {
            let pairs = values.iter().zip(kept);
            pairs.filter(|(_, kept)| **kept).map(|(value, _)| value.clone()).collect()
        }
        match self {
            Column::Text(values) => Column::Text(keep(values, kept)),
            Column::OptionalText(values) => Column::OptionalText(keep(values, kept)),
            Column::Integer(values) => Column::Integer(keep(values, kept)),
            Column::OptionalInteger(values) => Column::OptionalInteger(keep(values, kept)),
            Column::Float(values) => Column::Float(keep(values, kept)),
            Column::OptionalFloat(values) => Column::OptionalFloat(keep(values, kept)),
        }
    }
}

/// Counts and indices fit, but for sizes no memory holds: those saturate.
fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

macro_rules! from_values {
    ($($value:ty => $variant:ident via $convert:expr;)+) => {$(
        impl From<Vec<$value>> for Column {
            fn from(values: Vec<$value>) -> Self {
                Column::$variant(values.into_iter().map($convert).collect())
            }
        }
    )+};
}

from_values! {
    String => Text via |value| value;
    &str => Text via str::to_owned;
    Option<String> => OptionalText via |value| value;
    Option<&str> => OptionalText via |value| value.map(str::to_owned);
    i64 => Integer via |value| value;
    u32 => Integer via i64::from;
    usize => Integer via index;
    Option<i64> => OptionalInteger via |value| value;
    Option<u32> => OptionalInteger via |value| value.map(i64::from);
    Option<usize> => OptionalInteger via |value| value.map(index);
    f64 => Float via |value| value;
    f32 => Float via f64::from;
    Option<f64> => OptionalFloat via |value| value;
}
