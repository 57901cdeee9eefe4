//! A plan's file as values, each with the line in which it stands.
//!
//! A message that names the line is worth more than a derived reader: so both formats become the
//! same small tree first, and everything behind it knows neither.

mod json;
mod toml;
mod write;

use super::error::At;

pub(super) use write::{to_json, to_toml};

/// No plan is nested deeper; a hostile one would overflow the stack.
const DEEPEST: usize = 64;

/// What a plan's file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.0, for people.
    Toml,
    /// JSON, for programs.
    Json,
}

impl Format {
    /// That of a file, by its ending.
    pub(super) fn of(path: &std::path::Path) -> Result<Self, super::PlanFileError> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Ok(Self::Toml),
            "json" => Ok(Self::Json),
            _ => Err(super::PlanFileError::Extension { path: path.to_owned() }),
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where the value stands; nowhere where it is of no file.
    pub at: At,
    /// Where its key stands, where it has one.
    pub key: At,
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Flag(bool),
    /// Wide enough for both signed and unsigned numbers of 64 bits.
    Integer(i128),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// What is wrong with a text that is none of its format's.
#[derive(Debug, PartialEq)]
pub(super) struct SyntaxError {
    pub at: At,
    pub message: String,
}

/// Two values are the same wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    /// What the value is called in messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Flag(_) => "true or false",
            Value::Integer(_) => "a whole number",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The same, of no text.
    pub fn unplaced(&self) -> Self {
        match &self.value {
            Value::List(items) => items.iter().map(Self::unplaced).collect::<Vec<_>>().into(),
            Value::Table(entries) => {
                let entries = entries.iter().map(|(key, node)| (key.clone(), node.unplaced()));
                Value::Table(entries.collect()).into()
            }
            value => value.clone().into(),
        }
    }

    /// Whether it can be written: JSON has no numbers beyond all numbers.
    pub fn is_finite(&self) -> bool {
        match &self.value {
            Value::Number(number) => number.is_finite(),
            Value::List(items) => items.iter().all(Self::is_finite),
            Value::Table(entries) => entries.iter().all(|(_, node)| node.is_finite()),
            Value::Flag(_) | Value::Integer(_) | Value::Text(_) => true,
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Table(entries) => {
                entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The value of a key, where it is a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }
}

impl<T: Into<Value>> From<T> for Node {
    fn from(value: T) -> Self {
        Self { at: At::default(), key: At::default(), value: value.into() }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(number as i128)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// A table of these entries.
pub(super) fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    let entries = entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect();
    Value::Table(entries).into()
}

/// Reads a text.
pub(super) fn parse(text: &str, format: Format) -> Result<Node, SyntaxError> {
    match format {
        Format::Toml => toml::parse(text),
        Format::Json => json::parse(text),
    }
}

fn too_deep() -> String {
    format!("nested deeper than {DEEPEST} levels")
}

/// Bytes of a line up to which its characters are counted.
const LONGEST: usize = 1000;

/// Where a text's lines end.
struct Lines<'t> {
    text: &'t str,
    ends: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, ends: ends.map(|(at, _)| at).collect() }
    }

    /// The line of a byte.
    fn line(&self, byte: usize) -> At {
        At::new(1 + self.ends.partition_point(|&end| end < byte), None)
    }

    /// The line of a byte, and the character there.
    fn at(&self, byte: usize) -> At {
        let before = self.ends.partition_point(|&end| end < byte);
        let start = before.checked_sub(1).map_or(0, |last| self.ends[last] + 1);
        // In a line of a million numbers nobody counts, and no time is spent on it.
        let before_it = self.text.get(start..byte).filter(|text| text.len() <= LONGEST);
        let column = before_it.map(|text| 1 + text.chars().count());
        At::new(1 + before, column)
    }
}
