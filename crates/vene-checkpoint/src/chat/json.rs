//! JSON as Python writes it: transformers gives templates `json.dumps` under the name `tojson`.

use serde::Serialize;
use serde_json::Value;

/// How it is written.
pub(super) struct Style {
    pub ascii: bool,
    /// What a level is set in by.
    pub indent: Option<String>,
    pub between_items: String,
    pub after_key: String,
    pub sorted: bool,
}

/// The text of a value.
pub(super) fn dumps(value: &Value, style: &Style) -> String {
    let mut text = String::new();
    write(value, style, 0, &mut text);
    text
}

fn write(value: &Value, style: &Style, depth: usize, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => write_string(string, style.ascii, text),
        Value::Array(items) => {
            let write_item = |item: &Value, text: &mut String| write(item, style, depth + 1, text);
            write_all(items, ['[', ']'], style, depth, text, write_item);
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            if style.sorted {
                entries.sort_by_key(|(key, _)| *key);
            }
            let write_entry = |(key, value): &(&String, &Value), text: &mut String| {
                write_string(key, style.ascii, text);
                text.push_str(&style.after_key);
                write(value, style, depth + 1, text);
            };
            write_all(&entries, ['{', '}'], style, depth, text, write_entry);
        }
    }
}

fn write_all<T>(
    items: &[T],
    [open, close]: [char; 2],
    style: &Style,
    depth: usize,
    text: &mut String,
    write_item: impl Fn(&T, &mut String),
) {
    text.push(open);
    let new_line = |depth: usize, text: &mut String| {
        if let Some(indent) = style.indent.as_ref().filter(|_| !items.is_empty()) {
            text.push('\n');
            text.push_str(&indent.repeat(depth));
        }
    };
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(&style.between_items);
        }
        new_line(depth + 1, text);
        write_item(item, text);
    }
    new_line(depth, text);
    text.push(close);
}

fn write_string(string: &str, ascii: bool, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            control if control < ' ' => text.push_str(&format!("\\u{:04x}", control as u32)),
            other if ascii && (!other.is_ascii() || other == '\u{7f}') => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// A template's value as JSON has it.
///
/// # Errors
/// One that JSON has no form for.
pub(super) fn of(value: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}
