//! MIB's layout (Mueller et al. 2025, "MIB: A Mechanistic Interpretability Benchmark"; the data
//! sets `mib-bench/*`, read by `MIB_circuit_track/dataset.py`).
//!
//! A row holds one base and several counterfactuals, each an object with its own prompt, and says
//! its answers in as many ways as there are tasks.

use std::path::Path;

use serde_json::Value;

use super::record::{PROMPT, Record, index, kind, maybe_empty, text};
use super::{DataError, ReadOptions, RowError};
use crate::{FoilIs, Row};

/// How the columns of counterfactuals end.
pub(super) const SUFFIX: &str = "_counterfactual";

const OBJECT: &str = "an object with a `prompt` (read MIB's Parquet or JSON, not a CSV of it)";
const LABEL: &str = "a label, as a text or a whole number";

/// Reads rows with one of their counterfactuals.
pub(super) struct Reader {
    counterfactual: String,
    task: Task,
    bare_labels: bool,
}

/// How a row says its answers.
#[derive(Clone, Copy)]
enum Task {
    IndirectObject,
    Choices,
    Label,
}

impl Reader {
    /// The reader for a file that begins with this object.
    pub fn of(path: &Path, first: &Record, options: &ReadOptions) -> Result<Self, DataError> {
        Ok(Self {
            task: Task::of(first)
                .map_err(|why| DataError::MibTask { path: path.to_owned(), why })?,
            counterfactual: chosen(path, first, options.counterfactual.as_deref())?,
            bare_labels: options.bare_labels,
        })
    }

    pub fn row(&self, record: &Record) -> Result<Row, RowError> {
        let base = record.needed_prompt("prompt")?.unwrap_or_default();
        let missing = || RowError::NoCounterfactual { counterfactual: self.counterfactual.clone() };
        let counterfactual = record.value(&self.counterfactual).ok_or_else(missing)?;
        let inside = |key: &str| format!("{}.{key}", self.counterfactual);
        if !counterfactual.is_object() {
            let (key, found) = (self.counterfactual.clone(), kind(counterfactual));
            return Err(RowError::Kind { key, found, expected: OBJECT });
        }
        // A column of objects may hold one whose parts are all null.
        let source = field(counterfactual, "prompt").ok_or_else(missing)?;
        let source = maybe_empty(&inside("prompt"), source, PROMPT)?;
        let mut foil_is = FoilIs::SourceAnswer;
        let (target, foil) = match self.task {
            Task::IndirectObject => {
                let foil = name(record, "subject")?;
                foil_is = names_answer(counterfactual, &foil);
                (name(record, "indirect_object")?, foil)
            }
            Task::Choices => {
                let key = "choices";
                let of_base = choice("", record.value(key), record.value("answerKey"))?;
                let of_source = choice(
                    &inside(""),
                    field(counterfactual, key),
                    field(counterfactual, "answerKey"),
                )?;
                (self.spaced(&base, of_base), self.spaced(&source, of_source))
            }
            Task::Label => {
                let of_base = label("label", record.value("label"))?;
                let of_source = label(&inside("label"), field(counterfactual, "label"))?;
                (self.spaced(&base, of_base), self.spaced(&source, of_source))
            }
        };
        let group = match record.value("template") {
            Some(Value::String(template)) if !template.is_empty() => Some(template.clone()),
            _ => None,
        };
        let (target, foil) = (vec![target], vec![foil]);
        Ok(Row { base, source: Some(source), target, foil, foil_is, group, ..Row::default() })
    }

    /// Whether a column is read.
    pub fn reads(&self, column: &str) -> bool {
        let of_task: &[&str] = match self.task {
            Task::IndirectObject => &["metadata"],
            Task::Choices => &["choices", "answerKey"],
            Task::Label => &["label"],
        };
        column == self.counterfactual
            || ["prompt", "template"].contains(&column)
            || of_task.contains(&column)
    }

    /// A label as it stands behind a prompt.
    fn spaced(&self, prompt: &str, label: String) -> String {
        match self.bare_labels || prompt.ends_with(char::is_whitespace) {
            true => label,
            false => format!(" {label}"),
        }
    }
}

impl Task {
    /// By the keys of a row; an error says what is not read, and why.
    fn of(record: &Record) -> Result<Self, &'static str> {
        let metadata = record.value("metadata");
        let has_names = |metadata| field(metadata, "indirect_object").is_some();
        match record.value("choices") {
            _ if metadata.is_some_and(has_names) => Ok(Self::IndirectObject),
            Some(Value::Object(_)) => Ok(Self::Choices),
            Some(_) => Err("the `choices` of the first row are no object with `label` and \
                            `answerKey`, nor does its `metadata` hold `indirect_object`; such rows \
                            of MIB are not read: write them with `base`, `source`, `target`, `foil`"),
            None if record.value("entity").is_some() && record.value("attribute").is_some() => {
                Err("these are rows of RAVEL, whose right answer depends on the attribute that is \
                     looked for; write them with `base`, `source`, `target`, `foil`")
            }
            None if record.value("label").is_some() => Ok(Self::Label),
            None => Err("the first row has none of `metadata` (indirect objects), `choices` and \
                         `label`, so nothing says its answers; write the rows with `base`, \
                         `source`, `target`, `foil`"),
        }
    }
}

/// Whether a column may be needed, as far as names tell: the task is not known yet.
pub(super) fn may_need(column: &str, asked: Option<&str>) -> bool {
    let named = |asked: &str| column == asked || column.strip_suffix(SUFFIX) == Some(asked);
    column == "prompt" || (column.ends_with(SUFFIX) && asked.is_none_or(named))
}

/// The column of the counterfactual that is asked for, or the only one.
fn chosen(path: &Path, first: &Record, asked: Option<&str>) -> Result<String, DataError> {
    let available: Vec<String> =
        first.values.keys().filter(|key| key.ends_with(SUFFIX)).cloned().collect();
    let path = path.to_owned();
    match (asked, available.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(DataError::WhichCounterfactual { path, available }),
        (Some(asked), _) => {
            let named =
                |column: &&String| *column == asked || column.strip_suffix(SUFFIX) == Some(asked);
            match available.iter().find(named) {
                Some(column) => Ok(column.clone()),
                None => {
                    let asked = asked.to_owned();
                    Err(DataError::UnknownCounterfactual { path, asked, available })
                }
            }
        }
    }
}

/// A name of the sentence, as it would stand behind it.
fn name(record: &Record, key: &str) -> Result<String, RowError> {
    let metadata = record.value("metadata");
    let inside = format!("metadata.{key}");
    let expected = "a name, as a text";
    match metadata.and_then(|metadata| field(metadata, key)) {
        Some(value) => Ok(format!(" {}", text(&inside, value, expected)?)),
        None => Err(RowError::Missing { key: inside, expected }),
    }
}

/// Whether a counterfactual of indirect objects says that this name is its right answer.
fn names_answer(counterfactual: &Value, name: &str) -> FoilIs {
    let choices = field(counterfactual, "choices").and_then(Value::as_array);
    let right = field(counterfactual, "answerKey").and_then(index);
    match choices.zip(right).and_then(|(choices, right)| choices.get(right)?.as_str()) {
        Some(answer) if answer.trim() == name.trim() => FoilIs::SourceAnswer,
        Some(_) => FoilIs::WrongAnswer,
        None => FoilIs::Unknown,
    }
}

/// The label of the right choice.
fn choice(
    inside: &str,
    choices: Option<&Value>,
    answer: Option<&Value>,
) -> Result<String, RowError> {
    let labels_key = format!("{inside}choices.label");
    let answer_key = format!("{inside}answerKey");
    let expected = "an array of labels";
    let labels = match choices.and_then(|choices| field(choices, "label")) {
        Some(Value::Array(labels)) => labels,
        Some(other) => {
            return Err(RowError::Kind { key: labels_key, found: kind(other), expected });
        }
        None => return Err(RowError::Missing { key: labels_key, expected }),
    };
    let expected = "the index of the right choice, a whole number counted from 0";
    let answer = answer.ok_or(RowError::Missing { key: answer_key.clone(), expected })?;
    let Some(index) = index(answer) else {
        return Err(RowError::Kind { key: answer_key, found: kind(answer), expected });
    };
    let past = || RowError::NoChoice { key: answer_key, index, choices: labels.len() };
    label(&labels_key, Some(labels.get(index).ok_or_else(past)?))
}

/// A label, which some counterfactuals hold as a number.
fn label(key: &str, value: Option<&Value>) -> Result<String, RowError> {
    match value {
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Some(value) => text(key, value, LABEL),
        None => Err(RowError::Missing { key: key.to_owned(), expected: LABEL }),
    }
}

/// What an object holds under a key, unless that is nothing.
fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| !value.is_null())
}
