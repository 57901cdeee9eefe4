//! The phrases of a row: all its other columns.
//!
//! A phrase is looked for here already, though nobody knows yet whether a sweep will name it: a
//! file is corrected once, and the message can say in which line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::RowError;
use super::record::{Record, index, kind, shown};
use crate::data::{Phrase, Span};

const OURS: [&str; 5] = ["base", "source", "target", "foil", "group"];
const IGNORED: [&str; 10] =
    ["", "id", "idx", "index", "example_id", "split", "template", "metadata", "comment", "notes"];

/// The spans of a row, by name.
pub(super) fn spans(
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
        if record.value(key).is_some() && record.value(name).is_none() {
            return Err(RowError::Alone { key: key.clone(), missing: name.to_owned() });
        }
        if key != name || record.value(name).is_none() {
            continue;
        }
        let of_base = Side { record, whose: "base", prompt: base, key, name };
        let phrase = of_base.phrase()?;
        let of_source = format!("source_{name}");
        let of_source = match source {
            Some(prompt) => Side { record, whose: "source", prompt, key: &of_source, name }
                .counterpart(&phrase)?,
            None => {
                let keys = [of_source.clone(), format!("{of_source}_occurrence")];
                match keys.into_iter().find(|key| record.value(key).is_some()) {
                    Some(key) => return Err(RowError::Alone { key, missing: "source".to_owned() }),
                    None => None,
                }
            }
        };
        spans.insert(name.to_owned(), Span { base: phrase, source: of_source });
    }
    Ok(spans)
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
    /// The phrase that the column says.
    fn phrase(&self) -> Result<Phrase, RowError> {
        let value = self.record.value(self.key).unwrap_or(&Value::Null);
        let occurrence_key = self.occurrence_key();
        let occurrence = self.record.index(&occurrence_key)?;
        if let Some(range) = self.characters(value) {
            let (start, end) = range;
            if occurrence.is_some() {
                let of = self.key.to_owned();
                return Err(RowError::OccurrenceOfCharacters { key: occurrence_key, of });
            }
            self.check_characters(start, end)?;
            return Ok(Phrase::Characters(start..end));
        }
        let Value::String(text) = value else {
            let found = kind(value);
            return Err(RowError::NoSpan { key: self.key.to_owned(), found, whose: self.whose });
        };
        self.check_text(text, occurrence)?;
        Ok(Phrase::Text { text: text.clone(), occurrence })
    }

    /// The phrase that stands in for the base's; `None` where it is the same.
    fn counterpart(&self, base: &Phrase) -> Result<Option<Phrase>, RowError> {
        if self.record.value(self.key).is_some() {
            return self.phrase().map(Some);
        }
        let occurrence = self.record.index(&self.occurrence_key())?;
        match (base, occurrence) {
            (Phrase::Characters(_), Some(_)) => Err(RowError::OccurrenceOfCharacters {
                key: self.occurrence_key(),
                of: self.name.to_owned(),
            }),
            (Phrase::Characters(range), None) => {
                self.check_characters(range.start, range.end)?;
                Ok(None)
            }
            (Phrase::Text { text, .. }, Some(occurrence)) => {
                self.check_text(text, Some(occurrence))?;
                Ok(Some(Phrase::occurrence(text, occurrence)))
            }
            (Phrase::Text { text, occurrence }, None) => {
                self.check_text(text, *occurrence)?;
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
