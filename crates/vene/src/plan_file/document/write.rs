//! A document as a text again.

use std::fmt::Write;

use super::{Node, Value};

/// JSON, indented by two spaces; lists of numbers and texts stand in one line.
pub(in crate::plan_file) fn to_json(document: &Node) -> String {
    let mut text = String::new();
    json(document, 0, &mut text);
    text.push('\n');
    text
}

fn json(node: &Node, depth: usize, text: &mut String) {
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    match &node.value {
        Value::Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Integer(number) => text.push_str(&number.to_string()),
        Value::Number(value) => text.push_str(&number(*value)),
        Value::Text(value) => text.push_str(&quoted(value)),
        Value::List(items) => {
            let in_lines = items.iter().any(|item| matches!(item.value, Value::Table(_)));
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                match in_lines {
                    true => indent(text, depth + 1),
                    false => text.push_str(if index == 0 { "" } else { " " }),
                }
                json(item, depth + 1, text);
            }
            if in_lines {
                indent(text, depth);
            }
            text.push(']');
        }
        Value::Table(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                indent(text, depth + 1);
                text.push_str(&quoted(key));
                text.push_str(": ");
                json(value, depth + 1, text);
            }
            if !entries.is_empty() {
                indent(text, depth);
            }
            text.push('}');
        }
    }
}

/// TOML: tables of the document under headers, lists of tables as `[[name]]`, everything deeper in
/// one line.
pub(in crate::plan_file) fn to_toml(document: &Node) -> String {
    let mut text = String::new();
    let Value::Table(entries) = &document.value else { return text };
    let has_header = |node: &Node| match &node.value {
        Value::Table(_) => true,
        Value::List(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Table(_)))
        }
        _ => false,
    };
    let lines = |entries: &[(String, Node)], text: &mut String| {
        for (name, value) in entries {
            let _ = writeln!(text, "{} = {}", key(name), inline(value));
        }
    };
    for (name, value) in entries.iter().filter(|(_, value)| !has_header(value)) {
        let _ = writeln!(text, "{} = {}", key(name), inline(value));
    }
    for (name, value) in entries.iter().filter(|(_, value)| has_header(value)) {
        match &value.value {
            Value::Table(entries) => {
                let _ = writeln!(text, "\n[{}]", key(name));
                lines(entries, &mut text);
            }
            Value::List(items) => {
                for item in items {
                    let _ = writeln!(text, "\n[[{}]]", key(name));
                    if let Value::Table(entries) = &item.value {
                        lines(entries, &mut text);
                    }
                }
            }
            _ => {}
        }
    }
    text
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(value) => number(*value),
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Table(entries) => {
            let entry =
                |(name, value): &(String, Node)| format!("{} = {}", key(name), inline(value));
            match entries.is_empty() {
                true => "{}".to_owned(),
                false => {
                    format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
                }
            }
        }
    }
}

/// The shortest digits that are read as the same number, with a point or an exponent, so that it
/// stays a number that need not be whole.
fn number(value: f64) -> String {
    format!("{value:?}")
}

fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A basic string of TOML, and a string of JSON: what has to be escaped in either is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            control if control.is_control() && (control as u32) < 0x10000 => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Format, parse, table};
    use super::*;
    use proptest::prelude::*;

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Flag),
            any::<i64>().prop_map(|number| Value::Integer(number.into())),
            any::<f64>()
                .prop_filter("no number", |number| number.is_finite())
                .prop_map(Value::Number),
            "\\PC{0,8}|[\\x00-\\x7f]{0,8}".prop_map(Value::Text),
        ];
        let node = |value: Value| Node::from(value);
        leaf.prop_map(node).prop_recursive(4, 24, 4, move |inner| {
            let entries = proptest::collection::btree_map("\\PC{0,4}", inner.clone(), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::List),
                entries.prop_map(|entries| Value::Table(entries.into_iter().collect())),
            ]
            .prop_map(node)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(entries in proptest::collection::vec(node(), 0..4)) {
            let names = ["a", "b c", "edit", "é"];
            let document = table(names.into_iter().zip(entries));
            let json = to_json(&document);
            prop_assert_eq!(&parse(&json, Format::Json).unwrap(), &document, "{}", json);
            let toml = to_toml(&document);
            let read = parse(&toml, Format::Toml).unwrap();
            // Values come before tables in TOML.
            let Value::Table(read) = read.value else { panic!() };
            for (key, value) in read {
                prop_assert_eq!(&value, document.get(&key).unwrap(), "{}", toml);
            }
        }
    }
}
