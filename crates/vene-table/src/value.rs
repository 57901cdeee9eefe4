//! One value of a table, whatever its column holds.

use std::fmt;

/// A cell of a table. It prints as text without quotes, and as nothing where it is missing.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// There is none.
    Missing,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// A measured value; NaN means that the measurement gave no result.
    Float(f64),
}

impl Value<'_> {
    /// With the text between backticks, and a word where the value is missing.
    pub(crate) fn quoted(self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::Text(text) => format!("`{text}`"),
            // `Debug` of a float is its shortest round trip, with an exponent where that is shorter.
            Self::Float(number) => format!("{number:?}"),
            Self::Integer(number) => number.to_string(),
        }
    }
}

/// A value that outlives its table and can be looked up; floats by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OwnedValue {
    Missing,
    Text(String),
    Integer(i64),
    Float(u64),
}

impl OwnedValue {
    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::Missing => Self::Missing,
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Integer(number) => Self::Integer(number),
            Value::Float(number) => Self::Float(number.to_bits()),
        }
    }

    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Text(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
        }
    }
}

impl PartialEq for Value<'_> {
    /// NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Missing, Self::Missing) => true,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => {
                one == other || (one.is_nan() && other.is_nan())
            }
            _ => false,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}
