//! A model's description as keys and values, with an account of which keys were read.
//!
//! A key that changes the mathematics and is not understood must not be passed over in silence:
//! the numbers would be wrong and nothing would say so. So every key is either read by the family,
//! or known to be harmless, or its model is refused ([`unread`]). A key that is absent means what
//! the model's configuration class says ([`known`]).

pub(super) mod known;
mod unread;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};
use vene_checkpoint::Notices;
use vene_checkpoint::gguf::{self, Array, Metadata};

use super::names::Names;
use crate::error::ModelError;
use known::Class;
pub(crate) use unread::meaningful;

/// No extent of a real model is larger; what is, is damaged or hostile.
pub(super) const LARGEST: u64 = 1 << 28;

enum Source<'a> {
    HuggingFace {
        config: Map<String, Value>,
        class: Option<&'static Class>,
    },
    Gguf {
        metadata: &'a Metadata,
        /// `general.architecture`.
        architecture: String,
    },
}

/// Keys and values of a `config.json` or of GGUF metadata.
pub(super) struct Keys<'a> {
    source: Source<'a>,
    /// What a user should know.
    pub(super) notices: &'a Notices,
    /// Keys that the user asks to leave out.
    ignored: &'a [String],
    /// The largest extent of any tensor: no width or number of heads can be larger.
    largest_extent: usize,
    read: RefCell<BTreeSet<String>>,
    /// Of `ignored`, those that were there.
    left_out: RefCell<BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    /// Keys of a `config.json` in its one form ([`form`](super::form)).
    pub(super) fn hugging_face(
        config: Map<String, Value>,
        names: &Names,
        notices: &'a Notices,
        ignored: &'a [String],
    ) -> Self {
        let model_type = config.get("model_type").and_then(Value::as_str);
        let class = model_type.and_then(known::class);
        Self::new(Source::HuggingFace { config, class }, names, notices, ignored)
    }

    pub(super) fn gguf(
        metadata: &'a Metadata,
        names: &Names,
        notices: &'a Notices,
        ignored: &'a [String],
    ) -> Result<Self, ModelError> {
        let architecture = metadata
            .string("general.architecture")?
            .ok_or_else(|| missing("general.architecture", "a text"))?
            .to_owned();
        Ok(Self::new(Source::Gguf { metadata, architecture }, names, notices, ignored))
    }

    fn new(source: Source<'a>, names: &Names, notices: &'a Notices, ignored: &'a [String]) -> Self {
        Self {
            source,
            notices,
            ignored,
            largest_extent: names.largest_extent(),
            read: RefCell::default(),
            left_out: RefCell::default(),
        }
    }

    /// GGUF's `general.architecture`, or nothing for a `config.json`.
    pub(super) fn architecture(&self) -> &str {
        match &self.source {
            Source::HuggingFace { .. } => "",
            Source::Gguf { architecture, .. } => architecture,
        }
    }

    /// The name of the class that reads this configuration in transformers.
    pub(super) fn class_name(&self) -> &str {
        match &self.source {
            Source::HuggingFace { class: Some(class), .. } => &class.class,
            _ => "the model's class",
        }
    }

    /// Whether the description itself has this key, with any value, null included.
    pub(super) fn is_said(&self, key: &str) -> bool {
        match &self.source {
            Source::HuggingFace { config, .. } => config.contains_key(key),
            Source::Gguf { metadata, architecture } => {
                metadata.get(&format!("{architecture}.{key}")).is_some()
            }
        }
    }

    /// Keys of counts that are absent, with what the class takes for them: `heads = 8, ...`.
    pub(super) fn defaults_taken(&self) -> String {
        let Source::HuggingFace { config, class: Some(class) } = &self.source else {
            return String::new();
        };
        let taken = |(key, value): (&String, &Value)| {
            let is_absent = value.is_u64() && !config.contains_key(key);
            is_absent.then(|| format!("{key} = {value}"))
        };
        class.defaults.iter().filter_map(taken).collect::<Vec<_>>().join(", ")
    }

    /// A value as JSON, by its key in `config.json` or its key after the architecture in GGUF. Where it
    /// is absent, that of the class. A null that is no default stays one: not every class takes it for
    /// absent.
    fn get(&self, key: &str) -> Option<Value> {
        match &self.source {
            Source::HuggingFace { config, .. } => {
                self.read.borrow_mut().insert(key.to_owned());
                match config.get(key) {
                    Some(Value::Null) => self.default_of(key).map(|_| Value::Null),
                    Some(value) => Some(value.clone()),
                    None => self.default_of(key),
                }
            }
            Source::Gguf { metadata, architecture } => {
                let key = format!("{architecture}.{key}");
                let value = gguf_value(metadata, &key);
                self.read.borrow_mut().insert(key);
                value
            }
        }
    }

    fn default_of(&self, key: &str) -> Option<Value> {
        match &self.source {
            Source::HuggingFace { class: Some(class), .. } => {
                class.defaults.get(key).filter(|value| !value.is_null()).cloned()
            }
            _ => None,
        }
    }

    /// What the description itself says, without any default.
    pub(super) fn said(&self, key: &str) -> Option<Value> {
        self.is_said(key).then(|| self.get(key)).flatten().filter(|value| !value.is_null())
    }

    /// Whether the description says null for this key, where that is a value of its own: none.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.is_said(key) && self.said(key).is_none()
    }

    /// Whether the user asks to leave this key out and it is there; `key` may have dots.
    pub(super) fn leaves_out(&self, key: &str) -> bool {
        let full = self.full_name(key);
        if !self.ignored.contains(&full) || !self.is_there(&full) {
            return false;
        }
        if self.left_out.borrow_mut().insert(full.clone()) {
            self.notices.add(format!(
                "`{full}` of the model's configuration is ignored, as `--ignore-key {full}` asks"
            ));
        }
        true
    }

    /// A key as the user writes it: in GGUF with the architecture before it.
    fn full_name(&self, key: &str) -> String {
        match &self.source {
            Source::HuggingFace { .. } => key.to_owned(),
            Source::Gguf { architecture, .. } => format!("{architecture}.{key}"),
        }
    }

    /// Whether a key (with dots, inside objects) is there.
    pub(super) fn is_there(&self, full: &str) -> bool {
        match &self.source {
            Source::Gguf { metadata, .. } => metadata.get(full).is_some(),
            Source::HuggingFace { config, .. } => {
                if config.contains_key(full) {
                    return true;
                }
                let mut parts = full.split('.');
                let first = parts.next().and_then(|part| config.get(part));
                parts.try_fold(first, |object, part| Some(object?.get(part))).flatten().is_some()
            }
        }
    }

    /// A value of a form of its own.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        self.get(key)
    }

    pub(super) fn optional_number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.get(key)
            .map(|value| {
                value
                    .as_f64()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| wrong(key, &value, "a finite number"))
            })
            .transpose()
    }

    /// A positive number, such as an epsilon, a base or a factor.
    pub(super) fn optional_positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let number = self.optional_number(key)?;
        match number {
            Some(number) if number <= 0.0 => Err(wrong(key, &number.into(), "a positive number")),
            _ => Ok(number),
        }
    }

    pub(super) fn positive(&self, key: &str) -> Result<f64, ModelError> {
        self.optional_positive(key)?.ok_or_else(|| missing(key, "a positive number"))
    }

    /// A positive number; 0 means that there is none, as llama.cpp has it.
    pub(super) fn positive_or_off(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.optional_number(key)? {
            Some(0.0) => Ok(None),
            _ => self.optional_positive(key),
        }
    }

    pub(super) fn optional_count(&self, key: &str) -> Result<Option<usize>, ModelError> {
        self.get(key)
            .map(|value| match one_of_all(&value).as_u64() {
                Some(count @ 1..=LARGEST) => Ok(count as usize),
                _ => Err(wrong(key, &value, "a whole number from 1 on")),
            })
            .transpose()
    }

    pub(super) fn count(&self, key: &str) -> Result<usize, ModelError> {
        self.optional_count(key)?.ok_or_else(|| missing(key, "a whole number"))
    }

    /// A count that is the extent of a tensor, or a part of one: bounded by what the file's tensors hold,
    /// before anything is allocated for it.
    pub(super) fn optional_extent(&self, key: &str) -> Result<Option<usize>, ModelError> {
        match self.optional_count(key)? {
            Some(extent) if extent > self.largest_extent => {
                let largest = self.largest_extent;
                let mut expected = format!("at most {largest}, the largest extent of its tensors");
                if !self.is_said(key) {
                    expected += &format!(
                        " (the key is absent; {extent} is the default of {})",
                        self.class_name()
                    );
                }
                Err(wrong(key, &extent.into(), &expected))
            }
            extent => Ok(extent),
        }
    }

    pub(super) fn extent(&self, key: &str) -> Result<usize, ModelError> {
        self.optional_extent(key)?.ok_or_else(|| missing(key, "a whole number"))
    }

    /// A truth value; null is false, as it is to Python.
    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(key, &value, "true or false")),
        }
    }

    pub(super) fn optional_text(&self, key: &str) -> Result<Option<String>, ModelError> {
        self.get(key)
            .map(|value| {
                value.as_str().map(str::to_owned).ok_or_else(|| wrong(key, &value, "a text"))
            })
            .transpose()
    }

    pub(super) fn text(&self, key: &str) -> Result<String, ModelError> {
        self.optional_text(key)?.ok_or_else(|| missing(key, "a text"))
    }

    /// A list of texts.
    pub(super) fn optional_texts(&self, key: &str) -> Result<Option<Vec<String>>, ModelError> {
        self.get(key)
            .map(|value| {
                let texts = value.as_array().and_then(|list| {
                    list.iter().map(|item| item.as_str().map(str::to_owned)).collect()
                });
                texts.ok_or_else(|| wrong(key, &value, "a list of texts"))
            })
            .transpose()
    }

    /// A list of truth values, where it is a list; numbers are true but for 0.
    pub(super) fn optional_flags(&self, key: &str) -> Result<Option<Vec<bool>>, ModelError> {
        match self.get(key) {
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| item.as_bool().or_else(|| item.as_i64().map(|number| number != 0)))
                .collect::<Option<_>>()
                .map(Some)
                .ok_or_else(|| wrong(key, &Value::Array(list), "true or false for each layer")),
            _ => Ok(None),
        }
    }

    /// An object inside the object; an empty one is none.
    pub(super) fn optional_object(
        &self,
        key: &str,
    ) -> Result<Option<Map<String, Value>>, ModelError> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object).filter(|object| !object.is_empty())),
            Some(other) => Err(wrong(key, &other, "an object")),
        }
    }

    /// A key whose only understood value is this one (which is also its default).
    pub(super) fn only(&self, key: &str, understood: Value) -> Result<(), ModelError> {
        match self.get(key) {
            Some(value)
                if !value.is_null()
                    && !known::same(&value, &understood)
                    && !self.leaves_out(key) =>
            {
                Err(ModelError::UnknownKey {
                    key: self.full_name(key),
                    value: shortened(&value),
                    why: format!("is understood only as {understood}"),
                })
            }
            _ => Ok(()),
        }
    }

    /// Notes keys as read: what they say is known otherwise.
    pub(super) fn ignore(&self, keys: &[&str]) {
        self.read.borrow_mut().extend(keys.iter().map(|key| self.full_name(key)));
    }
}

/// The value of a list that has the same for every layer, as GGUF files may; any other value is itself.
fn one_of_all(value: &Value) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => first,
        _ => value,
    }
}

/// A GGUF value as JSON, so that both kinds of description are checked by the same lines.
fn gguf_value(metadata: &Metadata, key: &str) -> Option<Value> {
    fn list<T: Copy + Into<Value>>(values: &[T]) -> Value {
        values.iter().map(|&value| value.into()).collect()
    }
    // By way of the shortest decimal, so that 1e-5 stored as f32 is 1e-5 again.
    let single = |number: f32| Value::from(number.to_string().parse::<f64>().unwrap_or(f64::NAN));
    Some(match metadata.get(key)? {
        gguf::Value::U8(number) => (*number).into(),
        gguf::Value::I8(number) => (*number).into(),
        gguf::Value::U16(number) => (*number).into(),
        gguf::Value::I16(number) => (*number).into(),
        gguf::Value::U32(number) => (*number).into(),
        gguf::Value::I32(number) => (*number).into(),
        gguf::Value::U64(number) => (*number).into(),
        gguf::Value::I64(number) => (*number).into(),
        gguf::Value::F32(number) => single(*number),
        gguf::Value::F64(number) => (*number).into(),
        gguf::Value::Bool(flag) => (*flag).into(),
        gguf::Value::String(text) => text.as_str().into(),
        gguf::Value::Array(array) => match array {
            Array::U8(values) => list(values),
            Array::I8(values) => list(values),
            Array::U16(values) => list(values),
            Array::I16(values) => list(values),
            Array::U32(values) => list(values),
            Array::I32(values) => list(values),
            Array::U64(values) => list(values),
            Array::I64(values) => list(values),
            Array::F32(values) => values.iter().map(|&number| single(number)).collect(),
            Array::F64(values) => list(values),
            Array::Bool(values) => list(values),
            Array::String(texts) => texts.iter().map(String::as_str).collect(),
        },
    })
}

pub(super) fn missing(key: &str, expected: &str) -> ModelError {
    ModelError::MissingKey { key: key.to_owned(), expected: expected.to_owned() }
}

pub(super) fn wrong(key: &str, value: &Value, expected: &str) -> ModelError {
    ModelError::WrongValue {
        key: key.to_owned(),
        value: shortened(value),
        expected: expected.to_owned(),
    }
}

/// A list that has one entry for each layer.
pub(super) fn of_each_layer<T>(
    key: &str,
    list: Vec<T>,
    layers: usize,
) -> Result<Vec<T>, ModelError> {
    if list.len() == layers {
        return Ok(list);
    }
    let found = format!("a list of {}", list.len());
    let expected = format!("one entry for each of the {layers} layers");
    Err(wrong(key, &found.into(), &expected))
}

/// A value in a message: its first 80 characters.
pub(super) fn shortened(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}
