//! Sections into a file by `serde`.

use serde::Serialize;
use serde_json::Value as Json;

use super::document::{Node, Value};

/// A section as a file has it; what is not there, and keys that hold nothing, are left out.
pub(super) fn write<T: Serialize>(value: &T) -> Node {
    // A section has texts for keys, and numbers that are finite.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Json::Object(entries) = &mut value {
        entries.retain(|_, value| {
            value.as_array().is_none_or(|list| !list.is_empty())
                && value.as_object().is_none_or(|table| !table.is_empty())
        });
    }
    node(value)
}

fn node(json: Json) -> Node {
    let value = match json {
        Json::Null => Value::Text(String::new()),
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Integer(number.into()),
            (None, Some(number)) => Value::Integer(number.into()),
            (None, None) => Value::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(node).collect()),
        Json::Object(entries) => {
            let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Table(entries.map(|(key, value)| (key, node(value))).collect())
        }
    };
    value.into()
}
