//! The phrases of a row: all its other columns.
//!
//! A phrase is looked for here already, though nobody knows yet whether a sweep will name it. One that
//! a row's prompt lacks is that row's fault, which is left out where the phrase is needed; a column
//! whose phrases are in no row's base is no column of phrases, and is refused.

use std::collections::BTreeMap;

use serde_json::Value;
use vene_named::shown;

use super::record::{Record, index, kind};
use super::{Place, RowError, UnusedColumn};
use crate::{Phrase, Span};

/// The keys of a row that are no phrases.
pub(super) const OURS: [&str; 8] =
    ["base", "source", "messages", "source_messages", "target", "foil", "foil_is", "group"];
const IGNORED: [&str; 10] =
    ["", "id", "idx", "index", "example_id", "split", "template", "metadata", "comment", "notes"];

/// What was seen in the columns of a file that may hold phrases.
#[derive(Default)]
pub(super) struct Columns {
    /// By the span's name.
    spans: BTreeMap<String, Seen>,
    /// The columns that say more of a span, by their key.
    companions: BTreeMap<String, Companion>,
}

/// What was seen in a column that belongs to others, as `source_NAME` does to `NAME` and `source`.
#[derive(Default)]
struct Companion {
    /// Whether any row has what it belongs to.
    joined: bool,
    /// The first row that has not.
    alone: Option<(Place, RowError)>,
}

impl Companion {
    fn saw(&mut self, place: Place, key: &str, missing: Option<&str>) {
        match missing {
            None => self.joined = true,
            Some(missing) => {
                let error = RowError::Alone { key: key.to_owned(), missing: missing.to_owned() };
                self.alone.get_or_insert((place, error));
            }
        }
    }
}

/// What was seen in one of them.
#[derive(Default)]
struct Seen {
    /// Whether any row has a phrase there, be it right or wrong.
    phrases: bool,
    /// Whether any row's phrase is in its base, and in its source one that the row names for it.
    found: bool,
    /// The first phrase that is not.
    lost: Option<(Place, RowError)>,
    /// The first value that is no phrase, and what it is.
    strange: Option<(Place, RowError, &'static str)>,
}

impl Columns {
    /// The spans of a row, by name.
    pub fn spans(
        &mut self,
        record: &Record,
        base: &str,
        source: Option<&str>,
    ) -> Result<BTreeMap<String, Span>, RowError> {
        let mut spans = BTreeMap::new();
        for key in record.values.keys().filter(|key| !is_ignored(key)) {
            let name = name_of(key);
            if let Some(reason) = reserved(name) {
                return Err(RowError::SpanName { key: key.clone(), name: name.to_owned(), reason });
            }
            if key != name && record.value(key).is_some() {
                let missing = if record.value(name).is_none() {
                    Some(name)
                } else if key.starts_with("source_") && source.is_none() {
                    Some("source")
                } else {
                    None
                };
                let companion = self.companions.entry(key.clone()).or_default();
                companion.saw(record.place, key, missing);
            }
            if key != name || record.value(name).is_none() {
                continue;
            }
            let seen = self.spans.entry(name.to_owned()).or_default();
            let of_base = Side { record, whose: "base", prompt: base, key, name };
            if let Some(error) = of_base.strange() {
                let holds = record.value(key).map_or("null", kind);
                seen.strange.get_or_insert((record.place, error, holds));
                continue;
            }
            seen.phrases = true;
            let mut told = None;
            let phrase = of_base.phrase(&mut told)?;
            let mut told_of_source = None;
            let of_source = counterpart(record, source, name, &phrase, &mut told_of_source)?;
            // The same phrase is missed in the source by those alone who read sources. One that the row names
            // is missed by the row itself.
            if of_source.is_some() {
                told = told.or(told_of_source);
            }
            match told {
                None => seen.found = true,
                Some(error) => drop(seen.lost.get_or_insert((record.place, error))),
            }
            spans.insert(name.to_owned(), Span { base: phrase, source: of_source });
        }
        Ok(spans)
    }

    /// Whether a column belongs to phrases that were read, and says something else of them where it is left out.
    pub fn are_changed_by(&self, column: &str) -> bool {
        let name = name_of(column);
        name != column
            && !is_ignored(column)
            && self.spans.get(name).is_some_and(|seen| seen.phrases)
    }

    /// The columns that hold no phrase in any row; or the first row of one that holds some.
    pub fn unused(self) -> Result<Vec<UnusedColumn>, Box<(Place, RowError)>> {
        // One row that lacks what a column belongs to says less. Where all do, the column is something else.
        for Companion { joined, alone } in self.companions.into_values() {
            if let (false, Some(alone)) = (joined, alone) {
                return Err(Box::new(alone));
            }
        }
        let mut unused = Vec::new();
        for (name, seen) in self.spans {
            match seen {
                Seen { phrases: false, strange: Some((_, _, holds)), .. } => {
                    let holds = match holds {
                        "a number" => "numbers".to_owned(),
                        "an array" => "arrays".to_owned(),
                        "an object" => "objects".to_owned(),
                        holds => holds.to_owned(),
                    };
                    unused.push(UnusedColumn { name, holds });
                }
                Seen { phrases: true, strange: Some((place, error, _)), .. }
                | Seen { found: false, lost: Some((place, error)), .. } => {
                    return Err(Box::new((place, error)));
                }
                _ => {}
            }
        }
        Ok(unused)
    }
}

/// The phrase that replaces the base's in the source; `None` where it is the same, or there is no source.
fn counterpart(
    record: &Record,
    source: Option<&str>,
    name: &str,
    phrase: &Phrase,
    told: &mut Option<RowError>,
) -> Result<Option<Phrase>, RowError> {
    let Some(prompt) = source else { return Ok(None) };
    let key = format!("source_{name}");
    Side { record, whose: "source", prompt, key: &key, name }.counterpart(phrase, told)
}

/// Whether a column says nothing that is read here.
pub(super) fn is_ignored(key: &str) -> bool {
    OURS.contains(&key)
        || IGNORED.contains(&name_of(key))
        || ["_", "meta_", "Unnamed: "].iter().any(|prefix| key.starts_with(prefix))
}

/// The span that a column belongs to.
fn name_of(key: &str) -> &str {
    let stem = key.strip_suffix("_occurrence").unwrap_or(key);
    stem.strip_prefix("source_").unwrap_or(stem)
}

/// The columns that say more of a span.
pub(super) fn companions(name: &str) -> [String; 3] {
    let source = format!("source_{name}");
    [format!("{name}_occurrence"), format!("{source}_occurrence"), source]
}

/// What a name means where positions are listed, if it can't be a span's.
fn reserved(name: &str) -> Option<&'static str> {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    match name {
        "" => Some("which is empty"),
        "all" | "aligned" | "first" | "last" => Some("which says positions by itself"),
        _ if OURS.contains(&name) => Some("the key of another part of the row"),
        _ if name.starts_with("after_") || name.ends_with("_after") => {
            Some("since that says the token behind a span")
        }
        _ if name.ends_with("_first") || name.ends_with("_last") => {
            Some("since that says a token of a span")
        }
        _ if is_number(name) || name.split("..").all(is_number) => {
            Some("since numbers are positions")
        }
        _ if name.contains(',') || name.trim() != name => {
            Some("since positions are listed with commas, and spaces around them say nothing")
        }
        _ => None,
    }
}

/// A span in one of the two prompts.
struct Side<'a> {
    record: &'a Record,
    whose: &'static str,
    prompt: &'a str,
    /// The column of the phrase there.
    key: &'a str,
    /// The span's.
    name: &'a str,
}

impl Side<'_> {
    /// What is wrong with a value that can be no phrase.
    fn strange(&self) -> Option<RowError> {
        let value = self.record.value(self.key).unwrap_or(&Value::Null);
        if value.is_string() || self.characters(value).is_some() {
            return None;
        }
        let found = kind(value);
        Some(RowError::NoSpan { key: self.key.to_owned(), found, whose: self.whose })
    }

    /// The phrase that the column says. `told` is what is wrong with it in this prompt.
    fn phrase(&self, told: &mut Option<RowError>) -> Result<Phrase, RowError> {
        let value = self.record.value(self.key).unwrap_or(&Value::Null);
        let occurrence_key = self.occurrence_key();
        let occurrence = self.record.index(&occurrence_key)?;
        if let Some((start, end)) = self.characters(value) {
            if occurrence.is_some() {
                let of = self.key.to_owned();
                return Err(RowError::OccurrenceOfCharacters { key: occurrence_key, of });
            }
            noted(self.check_characters(start, end), told)?;
            return Ok(Phrase::Characters(start..end));
        }
        let Value::String(text) = value else {
            let found = kind(value);
            return Err(RowError::NoSpan { key: self.key.to_owned(), found, whose: self.whose });
        };
        let begins_list = self.record.cells && text.starts_with('[');
        if begins_list && !self.prompt.contains(text.trim()) {
            let (key, cell) = (self.key.to_owned(), shown(text));
            return Err(RowError::NoPair { key, cell, whose: self.whose });
        }
        noted(self.check_text(text, occurrence), told)?;
        Ok(Phrase::Text { text: text.clone(), occurrence })
    }

    /// The phrase that replaces the base's; `None` where it is the same.
    fn counterpart(
        &self,
        base: &Phrase,
        told: &mut Option<RowError>,
    ) -> Result<Option<Phrase>, RowError> {
        if self.record.value(self.key).is_some() {
            return self.phrase(told).map(Some);
        }
        let occurrence = self.record.index(&self.occurrence_key())?;
        match (base, occurrence) {
            (Phrase::Characters(_), Some(_)) => Err(RowError::OccurrenceOfCharacters {
                key: self.occurrence_key(),
                of: self.name.to_owned(),
            }),
            (Phrase::Characters(range), None) => {
                noted(self.check_characters(range.start, range.end), told)?;
                Ok(None)
            }
            (Phrase::Text { text, .. }, Some(occurrence)) => {
                noted(self.check_text(text, Some(occurrence)), told)?;
                Ok(Some(Phrase::occurrence(text, occurrence)))
            }
            (Phrase::Text { text, occurrence }, None) => {
                noted(self.check_text(text, *occurrence), told)?;
                Ok(None)
            }
        }
    }

    fn occurrence_key(&self) -> String {
        format!("{}_occurrence", self.key)
    }

    /// A pair of numbers, as such or written in a cell.
    fn characters(&self, value: &Value) -> Option<(usize, usize)> {
        let written: Value;
        let pair = match value {
            Value::Array(pair) => pair,
            Value::String(cell) if self.record.cells && cell.starts_with('[') => {
                written = serde_json::from_str(cell).ok()?;
                written.as_array()?
            }
            _ => return None,
        };
        match pair.as_slice() {
            [start, end] => Some((index(start)?, index(end)?)),
            _ => None,
        }
    }

    fn check_characters(&self, start: usize, end: usize) -> Result<(), RowError> {
        let characters = self.prompt.chars().count();
        if start < end && end <= characters {
            return Ok(());
        }
        let key = self.key.to_owned();
        Err(RowError::Characters { key, start, end, whose: self.whose, characters })
    }

    /// Looks for a text as [`crate::Positions::phrase`] does: without the spaces around it.
    fn check_text(&self, text: &str, occurrence: Option<usize>) -> Result<(), RowError> {
        let phrase = text.trim();
        if phrase.is_empty() {
            return Err(RowError::EmptyText { key: self.key.to_owned() });
        }
        let found = self.prompt.matches(phrase).count();
        let phrase = shown(phrase);
        let (key, prompt, whose) = (self.key.to_owned(), shown(self.prompt), self.whose);
        let named = self.record.value(self.key).is_some();
        match (found, occurrence) {
            (0, _) if !named => {
                Err(RowError::NoCounterpart { key: self.name.to_owned(), phrase, prompt })
            }
            (0, _) => Err(RowError::NoPhrase { key, phrase, whose, prompt }),
            (1, None) => Ok(()),
            (_, None) => {
                let occurrence_key = self.occurrence_key();
                let key = if named { key } else { self.name.to_owned() };
                Err(RowError::SeveralPhrases { key, phrase, whose, prompt, found, occurrence_key })
            }
            (_, Some(index)) if index < found => Ok(()),
            (_, Some(index)) => {
                let key = self.occurrence_key();
                Err(RowError::NoOccurrence { key, phrase, index, whose, prompt, found })
            }
        }
    }
}

/// Keeps what is wrong with a phrase in its prompt, the first of several; anything else is an error.
fn noted(checked: Result<(), RowError>, told: &mut Option<RowError>) -> Result<(), RowError> {
    match checked {
        Err(error) if error.is_of_one_phrase() => {
            told.get_or_insert(error);
            Ok(())
        }
        checked => checked,
    }
}
