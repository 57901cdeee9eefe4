//! A GGUF file's key-value pairs, with typed access.

use std::collections::HashMap;

use crate::CheckpointError;

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// An array of metadata values, all of one type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

impl Value {
    /// What kind of value it is, for an error.
    fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) | Self::U16(_) | Self::U32(_) | Self::U64(_) => "an unsigned integer",
            Self::I8(_) | Self::I16(_) | Self::I32(_) | Self::I64(_) => "a signed integer",
            Self::F32(_) | Self::F64(_) => "a floating-point number",
            Self::Bool(_) => "a truth value",
            Self::String(_) => "a string",
            Self::Array(Array::Bool(_)) => "an array of truth values",
            Self::Array(Array::String(_)) => "an array of strings",
            Self::Array(Array::F32(_) | Array::F64(_)) => "an array of floating-point numbers",
            Self::Array(_) => "an array of integers",
        }
    }

    fn integer(&self) -> Option<i128> {
        Some(match self {
            Self::U8(v) => (*v).into(),
            Self::I8(v) => (*v).into(),
            Self::U16(v) => (*v).into(),
            Self::I16(v) => (*v).into(),
            Self::U32(v) => (*v).into(),
            Self::I32(v) => (*v).into(),
            Self::U64(v) => (*v).into(),
            Self::I64(v) => (*v).into(),
            _ => return None,
        })
    }
}

impl Array {
    fn integers(&self) -> Option<Vec<i128>> {
        fn widen<T: Copy + Into<i128>>(values: &[T]) -> Option<Vec<i128>> {
            Some(values.iter().map(|&value| value.into()).collect())
        }
        match self {
            Self::U8(values) => widen(values),
            Self::I8(values) => widen(values),
            Self::U16(values) => widen(values),
            Self::I16(values) => widen(values),
            Self::U32(values) => widen(values),
            Self::I32(values) => widen(values),
            Self::U64(values) => widen(values),
            Self::I64(values) => widen(values),
            _ => None,
        }
    }
}

/// A GGUF file's key-value pairs.
///
/// Every getter gives `Ok(None)` where the key is absent, and an error that names file and key
/// where the value is of another kind or does not fit.
#[derive(Debug, Clone)]
pub struct Metadata {
    file: String,
    keys: Vec<String>,
    values: HashMap<String, Value>,
}

impl Metadata {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), keys: Vec::new(), values: HashMap::new() }
    }

    /// Adds a pair; false where the key is there already.
    pub(crate) fn insert(&mut self, key: String, value: Value) -> bool {
        if self.values.contains_key(&key) {
            return false;
        }
        self.keys.push(key.clone());
        self.values.insert(key, value);
        true
    }

    /// All keys, in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The name of the file, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Applies `convert` to a value that is there, and tells what it is where that fails.
    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, CheckpointError> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| {
            let found = match value.integer() {
                Some(number) => format!("the integer {number}"),
                None => value.kind().to_owned(),
            };
            CheckpointError::Metadata {
                file: self.file.clone(),
                key: key.to_owned(),
                found,
                expected: expected.to_owned(),
            }
        })
    }

    /// A string.
    pub fn string(&self, key: &str) -> Result<Option<&str>, CheckpointError> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// An integer of any stored width that fits.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, CheckpointError> {
        self.typed(key, "an unsigned 32-bit integer", |value| u32::try_from(value.integer()?).ok())
    }

    /// An integer of any stored width that fits.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, CheckpointError> {
        self.typed(key, "an unsigned 64-bit integer", |value| u64::try_from(value.integer()?).ok())
    }

    /// A floating-point number; 64-bit ones are narrowed.
    pub fn f32(&self, key: &str) -> Result<Option<f32>, CheckpointError> {
        self.typed(key, "a finite floating-point number", |value| {
            let number = match value {
                Value::F32(number) => *number,
                Value::F64(number) => *number as f32,
                _ => return None,
            };
            number.is_finite().then_some(number)
        })
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, CheckpointError> {
        self.typed(key, "a truth value", |value| match value {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>, CheckpointError> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(texts)) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// An array of floating-point numbers; 64-bit ones are narrowed.
    pub fn f32s(&self, key: &str) -> Result<Option<Vec<f32>>, CheckpointError> {
        self.typed(key, "an array of floating-point numbers", |value| match value {
            Value::Array(Array::F32(numbers)) => Some(numbers.clone()),
            Value::Array(Array::F64(numbers)) => Some(numbers.iter().map(|&n| n as f32).collect()),
            _ => None,
        })
    }

    /// An array of integers of any stored width that fit.
    pub fn u32s(&self, key: &str) -> Result<Option<Vec<u32>>, CheckpointError> {
        self.typed(key, "an array of unsigned 32-bit integers", |value| match value {
            Value::Array(array) => {
                array.integers()?.into_iter().map(|number| u32::try_from(number).ok()).collect()
            }
            _ => None,
        })
    }

    /// An array of truth values.
    pub fn bools(&self, key: &str) -> Result<Option<&[bool]>, CheckpointError> {
        self.typed(key, "an array of truth values", |value| match value {
            Value::Array(Array::Bool(truths)) => Some(truths.as_slice()),
            _ => None,
        })
    }
}
