//! Sections into a file by `serde`.

use serde::Serialize;
use serde_json::Value as Json;

use super::document::{Node, Value};

/// A value as a file has it; what is not there, and lists of nothing, are left out of tables.
pub(super) fn write<T: Serialize>(value: &T) -> Node {
    // A section has texts for keys, and numbers that are finite.
    node(serde_json::to_value(value).unwrap_or_default())
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
            let is_there = |value: &Json| {
                !value.is_null()
                    && value.as_array().is_none_or(|list| !list.is_empty())
                    && value.as_object().is_none_or(|table| !table.is_empty())
            };
            let entries = entries.into_iter().filter(|(_, value)| is_there(value));
            Value::Table(entries.map(|(key, value)| (key, node(value))).collect())
        }
    };
    value.into()
}
