//! Reading values out of a document: each knows its place, and says it where it is wrong.
//!
//! A key that is not understood is refused, and so is a value of another kind than its key takes: a
//! setting that is passed over in silence gives numbers, and wrong ones.

use std::path::Path;
use std::sync::Arc;

use vene_named::listed;
use vene_named::shown;

use super::document::{Node, Value};
use super::error::{At, FilePlace, PlanFileError, nearest};

type Result<T> = std::result::Result<T, PlanFileError>;

/// Items of a list up to which each is told by its number.
const LONGEST: usize = 1000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub node: &'a Node,
    pub place: FilePlace,
}

/// A table whose keys are all known.
#[derive(Clone, Debug)]
pub(crate) struct Table<'a> {
    item: Item<'a>,
    known: Vec<&'static str>,
}

impl<'a> Item<'a> {
    /// The whole document.
    pub fn document(node: &'a Node, file: Option<Arc<Path>>) -> Self {
        Self { node, place: FilePlace { file, at: At::default(), entry: Arc::default() } }
    }

    /// Something within it.
    fn inner(&self, node: &'a Node, entry: Arc<str>) -> Self {
        let at = if node.at.line.is_some() { node.at } else { self.place.at };
        Self { node, place: FilePlace { file: self.place.file.clone(), at, entry } }
    }

    /// Where its key stands.
    fn key(&self) -> At {
        if self.node.key.line.is_some() { self.node.key } else { self.place.at }
    }

    fn named(&self, name: &str) -> String {
        let name: String = shown(name);
        match self.place.entry.as_ref() {
            "" => name,
            entry => format!("{entry}.{name}"),
        }
    }

    /// The error that this value is none that is expected here.
    pub fn expected(&self, expected: impl Into<String>) -> PlanFileError {
        let found = match &self.node.value {
            Value::Text(text) => format!("it is \"{}\"", shown(text)),
            Value::Integer(number) => format!("it is {number}"),
            Value::Number(number) => format!("it is {number}"),
            Value::Flag(flag) => format!("it is {flag}"),
            Value::List(items) if items.is_empty() => "it is an empty list".to_owned(),
            Value::List(_) | Value::Table(_) => format!("it is {}", self.node.kind()),
        };
        PlanFileError::Value { place: self.place.clone(), found, expected: expected.into() }
    }

    /// The error that it goes with something else badly.
    pub fn contradiction(&self, problem: impl Into<String>) -> PlanFileError {
        PlanFileError::Contradiction { place: self.place.clone(), problem: problem.into() }
    }

    /// The error that nothing has this name.
    pub fn unknown(&self, what: &'static str, name: &str, known: &[&str]) -> PlanFileError {
        PlanFileError::UnknownName {
            place: self.place.clone(),
            what,
            name: shown(name),
            nearest: nearest(name, known),
            known: listed(known.iter().copied()).into(),
        }
    }

    pub fn text(&self, expected: &str) -> Result<&'a str> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected(expected)),
        }
    }

    pub fn flag(&self) -> Result<bool> {
        match self.node.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A whole number from 0 on.
    pub fn count(&self) -> Result<usize> {
        self.whole("a whole number from 0 on")
    }

    /// A whole number of any integer type.
    pub fn whole<T: TryFrom<i128>>(&self, expected: &str) -> Result<T> {
        match self.node.value {
            Value::Integer(number) => T::try_from(number).map_err(|_| self.expected(expected)),
            _ => Err(self.expected(expected)),
        }
    }

    pub fn number(&self) -> Result<f64> {
        let number = match self.node.value {
            Value::Number(number) => Some(number),
            // Up to here each whole number is itself as a float.
            Value::Integer(number) if number.unsigned_abs() <= 1 << 53 => Some(number as f64),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| self.expected("a finite number"))
    }

    pub fn list(&self, expected: &str) -> Result<Vec<Item<'a>>> {
        match &self.node.value {
            Value::List(items) => {
                // Of a list of a million numbers no path is made for each.
                let is_long = items.len() > LONGEST;
                let entry = |index: usize| match is_long {
                    true => self.place.entry.clone(),
                    false => format!("{}[{index}]", self.place.entry).into(),
                };
                let items = items.iter().enumerate();
                Ok(items.map(|(index, node)| self.inner(node, entry(index))).collect())
            }
            _ => Err(self.expected(expected)),
        }
    }

    /// A table of a list, in its place under a number.
    pub fn numbered(&self, node: &'a Node, name: &str, number: usize) -> Self {
        self.inner(node, format!("{name}[{number}]").into())
    }

    /// A list of tables, each in its place under a number, as `edit[3]`.
    pub fn tables(&self, name: &str) -> Result<Vec<Item<'a>>> {
        match &self.node.value {
            Value::List(items) => {
                let items = items.iter().enumerate();
                Ok(items.map(|(index, node)| self.numbered(node, name, index)).collect())
            }
            _ => Err(self.expected("a list of tables")),
        }
    }

    /// Whole numbers from 0 on.
    pub fn counts(&self) -> Result<Vec<usize>> {
        self.list("a list of whole numbers")?.iter().map(Item::count).collect()
    }

    /// A table's entries, whatever their keys are.
    pub fn entries(&self, expected: &str) -> Result<Vec<(&'a str, Item<'a>)>> {
        match &self.node.value {
            Value::Table(entries) => Ok(entries
                .iter()
                .map(|(key, node)| (key.as_str(), self.inner(node, self.named(key).into())))
                .collect()),
            _ => Err(self.expected(expected)),
        }
    }

    /// A table that has only these keys.
    pub fn table(&self, expected: &str, known: &[&'static str]) -> Result<Table<'a>> {
        let unknown = |(key, _): &(&str, Item<'_>)| !known.contains(key);
        if let Some((key, item)) = self.entries(expected)?.into_iter().find(unknown) {
            return Err(PlanFileError::UnknownKey {
                place: FilePlace { at: item.key(), entry: self.place.entry.clone(), ..item.place },
                key: shown(key),
                nearest: nearest(key, known),
                known: match known.is_empty() {
                    true => "none".into(),
                    false => known.join(", ").into(),
                },
            });
        }
        Ok(Table { item: self.clone(), known: known.to_vec() })
    }

    /// The value of a key, where it is a table that has it.
    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        self.node.get(key).map(|node| self.inner(node, self.named(key).into()))
    }

    /// Whether it is a table, rather than something shorter.
    pub fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }
}

impl<'a> Table<'a> {
    /// The table as a value.
    pub fn item(&self) -> &Item<'a> {
        &self.item
    }

    pub fn get(&self, key: &'static str) -> Option<Item<'a>> {
        debug_assert!(self.known.contains(&key), "{key} is read and not known");
        self.item.get(key)
    }

    pub fn need(&self, key: &'static str, expected: &str) -> Result<Item<'a>> {
        self.get(key).ok_or_else(|| self.missing(key, expected))
    }

    /// The error that a key is not there.
    pub fn missing(&self, key: &'static str, expected: &str) -> PlanFileError {
        let place = self.item.place.clone();
        PlanFileError::MissingKey { place, key, expected: expected.to_owned() }
    }

    /// A value by its key, read by one of [`Item`]'s functions.
    pub fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Item<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.get(key).as_ref().map(read).transpose()
    }
}
