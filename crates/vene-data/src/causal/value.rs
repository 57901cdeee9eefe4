//! What a variable can be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value of a variable.
///
/// There are no fractions: whether two of them are equal depends on how they were computed, and
/// equality is what causal models rest on. Count in the smallest unit, cents instead of dollars.
///
/// Values of one kind are ordered as one would think; of two kinds, booleans come first and texts last.
///
/// ```
/// use vene::causal::Value;
///
/// assert_eq!(Value::from(3), Value::Integer(3));
/// assert!(Value::from("apple") < Value::from("pear"));
/// assert_eq!(Value::from(true).to_string(), "true");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A word, or any other text.
    Text(String),
}

impl Value {
    /// Whether it is the boolean that is true.
    pub fn is_true(&self) -> bool {
        *self == Self::Boolean(true)
    }

    /// The boolean, if it is one.
    pub fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// Which kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value}"),
        }
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

/// What the function of a variable may return: a value or whatever becomes one, or an `Option` of
/// it, in which `None` says that there is no value for these parents.
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Option<Value>;
}

impl<V: Into<Value>> IntoValue for Option<V> {
    fn into_value(self) -> Option<Value> {
        self.map(Into::into)
    }
}

/// `From` and `IntoValue` for what becomes a value of one kind.
macro_rules! becomes {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }

        impl IntoValue for $from {
            fn into_value(self) -> Option<Value> {
                Some(self.into())
            }
        }
    )*};
}

becomes! {
    bool => Boolean,
    i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer,
    u8 => Integer, u16 => Integer, u32 => Integer,
    char => Text, &str => Text, String => Text,
}

impl IntoValue for Value {
    fn into_value(self) -> Option<Value> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_what_they_are_in_json() {
        let values = vec![Value::from(true), Value::from(-3), Value::from("3")];
        let json = serde_json::to_string(&values).unwrap();
        assert_eq!(json, r#"[true,-3,"3"]"#);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&json).unwrap(), values);
        assert!(serde_json::from_str::<Value>("0.5").is_err());
    }

    #[test]
    fn a_value_is_of_one_kind() {
        let (truth, one, text) = (Value::from(true), Value::from(1), Value::from("1"));
        assert!(truth.is_true() && !one.is_true() && !Value::from(false).is_true());
        assert_ne!(one, text);
        assert_eq!((truth.boolean(), one.integer(), text.text()), (Some(true), Some(1), Some("1")));
        assert_eq!((one.boolean(), text.integer(), truth.text()), (None, None, None));
        assert!(truth < one && one < text && Value::from(9) < Value::from(10));
    }

    #[test]
    fn functions_may_have_no_value() {
        assert_eq!(Some(3).into_value(), Some(Value::Integer(3)));
        assert_eq!(None::<bool>.into_value(), None);
        assert_eq!('x'.into_value(), Some(Value::from("x")));
    }
}
