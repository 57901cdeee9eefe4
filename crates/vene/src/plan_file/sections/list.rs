//! A list as a command line has it, in files too.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A list of numbers, ranges or names: `0..6`, `0,3`, `subject_last,last`. In files a list of numbers or texts, or a
/// number, is the same: `[0, 3]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List(pub String);

impl From<String> for List {
    fn from(list: String) -> Self {
        Self(list)
    }
}

impl fmt::Display for List {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = List;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of numbers or names, such as \"0..6\" or [0, 3]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<List, E> {
        Ok(List(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<List, E> {
        Ok(List(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<List, E> {
        Ok(List(number.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
        let mut texts = Vec::new();
        while let Some(List(item)) = items.next_element()? {
            texts.push(item);
        }
        Ok(List(texts.join(",")))
    }
}
