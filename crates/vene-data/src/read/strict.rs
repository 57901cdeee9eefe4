//! JSON in which no key stands twice, and no more values than a data set has.
//!
//! JSON's own readers keep one of two equal keys and say nothing, so that
//! `{"target": " a", "target": " b"}` would measure one of them; and a value of two bytes takes
//! thirty in memory.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::MOST_BYTES;
use super::budget::{Budget, ENTRY, VALUE};

/// Reads one JSON value, within a budget.
///
/// # Errors
/// What is no JSON, a key that stands twice, or more values than the budget has.
pub(super) fn parse(text: &[u8], budget: Budget) -> serde_json::Result<Value> {
    let budget = RefCell::new(budget);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict(&budget).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// A JSON value without doubled keys.
#[derive(Clone, Copy)]
struct Strict<'b>(&'b RefCell<Budget>);

impl Strict<'_> {
    fn take<E: Error>(&self, bytes: u64) -> Result<(), E> {
        self.0.borrow_mut().take(bytes).map_err(|_| {
            E::custom(format!("more values than a data set may have (about {MOST_BYTES} bytes)"))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(value.len() as u64)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.take(value.len() as u64)?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            self.take(VALUE)?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.take(ENTRY + VALUE + key.len() as u64)?;
            if values.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            values.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(values))
    }
}
