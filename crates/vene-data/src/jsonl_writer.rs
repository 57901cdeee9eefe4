//! Rows as JSON lines: one object a row, so that a data set can be read by eye, by `grep` and by
//! any other program.
//!
//! The keys of an object are `base`, `source` (of conversations `messages`, `source_messages`), `target`, `foil`, `foil_is` (where the foil is not the
//! source's answer), the names of its spans, and `group`. An answer is a string, several are an array, as is one that starts with a bracket. A span `subject` is the text in the base,
//! `source_subject` that in the source, `subject_occurrence` and `source_subject_occurrence` say
//! which occurrence is meant, counted from 0; a stretch of characters is `[start, end]`, the end
//! excluded. What a row does not have has no key.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::row::{FoilIs, Phrase, Row};

/// Rows that cannot be written.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A span's name would be read as something else.
    #[error(
        "row {row}: a span cannot be called `{name}`: {RESERVED} are keys of their own, `source_` in \
         front and `_occurrence` behind have a meaning"
    )]
    SpanName {
        /// The row's index, counted from 0.
        row: usize,
        /// The name.
        name: String,
    },
    /// The writer failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

vene_named::debug_as_sentence!(WriteError);

/// The keys that are no spans, as an error tells them.
const RESERVED: &str = "base, source, messages, source_messages, target, foil, foil_is and group";

/// Writes rows as JSON lines (see this module's beginning for the keys).
///
/// # Errors
/// Where a span's name would be read as something else, or the writer fails.
pub fn write_jsonl<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    mut writer: impl Write,
) -> Result<(), WriteError> {
    for (index, row) in rows.into_iter().enumerate() {
        let object = object_of(row).map_err(|name| WriteError::SpanName { row: index, name })?;
        serde_json::to_writer(&mut writer, &object).map_err(io::Error::from)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

/// A row's object, or the name of the span that cannot be written.
fn object_of(row: &Row) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    if row.base_messages.is_empty() {
        object.insert("base".to_owned(), json!(row.base));
    } else {
        object.insert("messages".to_owned(), json!(row.base_messages));
    }
    if !row.source_messages.is_empty() {
        object.insert("source_messages".to_owned(), json!(row.source_messages));
    } else if let Some(source) = &row.source {
        object.insert("source".to_owned(), json!(source));
    }
    for (key, answers) in [("target", &row.target), ("foil", &row.foil)] {
        match answers.as_slice() {
            [] => {}
            // A text that starts with a bracket is taken for a list that was quoted.
            [only] if !only.starts_with('[') => {
                object.insert(key.to_owned(), json!(only));
            }
            several => drop(object.insert(key.to_owned(), json!(several))),
        }
    }
    if row.foil_is != FoilIs::SourceAnswer {
        object.insert("foil_is".to_owned(), json!(row.foil_is.name()));
    }
    for (name, span) in row.spans.iter() {
        if is_reserved(name) {
            return Err(name.clone());
        }
        insert(&mut object, name, &span.base);
        if let Some(phrase) = &span.source {
            insert(&mut object, &format!("source_{name}"), phrase);
        }
    }
    if let Some(group) = &row.group {
        object.insert("group".to_owned(), json!(group));
    }
    Ok(object)
}

fn is_reserved(name: &str) -> bool {
    ["", "base", "source", "messages", "target", "foil", "foil_is", "group"].contains(&name)
        || name.starts_with("source_")
        || name.ends_with("_occurrence")
}

fn insert(object: &mut Map<String, Value>, key: &str, phrase: &Phrase) {
    match phrase {
        Phrase::Text { text, occurrence } => {
            object.insert(key.to_owned(), json!(text));
            if let Some(index) = occurrence {
                object.insert(format!("{key}_occurrence"), json!(index));
            }
        }
        Phrase::Characters(range) => {
            object.insert(key.to_owned(), json!([range.start, range.end]));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vene_model::Message;

    fn written(rows: &[Row]) -> String {
        let mut bytes = Vec::new();
        write_jsonl(rows, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn keys_stand_in_a_fixed_order() {
        let row = Row::new("John saw Ann. John", "Tom saw Ann. Tom")
            .target(" a")
            .foil(" b")
            .foil(" c")
            .span("s2", Phrase::occurrence("John", 1), Phrase::occurrence("Tom", 1))
            .span("io", "Ann", "Ann")
            .span("end", Phrase::Characters(14..18), Phrase::Characters(13..16))
            .group("g");
        assert_eq!(
            written(&[row]),
            "{\"base\":\"John saw Ann. John\",\"source\":\"Tom saw Ann. Tom\",\"target\":\" a\",\
             \"foil\":[\" b\",\" c\"],\"end\":[14,18],\"source_end\":[13,16],\"io\":\"Ann\",\
             \"source_io\":\"Ann\",\"s2\":\"John\",\"s2_occurrence\":1,\"source_s2\":\"Tom\",\
             \"source_s2_occurrence\":1,\"group\":\"g\"}\n"
        );
    }

    #[test]
    fn conversations_are_written_as_they_are_read() {
        let turns =
            |text: &str| vec![Message::new("system", "Be brief."), Message::new("user", text)];
        let rows = [
            Row::conversation(turns("Spain?"), Some(turns("Italy?"))).target("Madrid"),
            Row::conversation(turns("Spain?"), None).span("subject", "Spain", "Spain"),
        ];
        assert_eq!(rows[0].base, "Be brief.\nSpain?");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, written(&rows[..1])).unwrap();
        assert_eq!(crate::read::read(&path).unwrap(), rows[..1]);
        assert!(
            written(&rows[1..])
                .starts_with(r#"{"messages":[{"role":"system","content":"Be brief."}"#)
        );
    }

    #[test]
    fn an_answer_that_begins_like_a_list_is_one() {
        let row = Row::of_base("a").target("[MASK]").foil(" [x]");
        assert_eq!(written(&[row]), "{\"base\":\"a\",\"target\":[\"[MASK]\"],\"foil\":\" [x]\"}\n");
    }

    #[test]
    fn what_is_not_there_has_no_key() {
        let rows = [Row::of_base("a \"quoted\"\nline"), Row::of_base("b")];
        assert_eq!(written(&rows), "{\"base\":\"a \\\"quoted\\\"\\nline\"}\n{\"base\":\"b\"}\n");
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for name in ["base", "group", "source_subject", "s2_occurrence", ""] {
            let rows = [Row::of_base("x"), Row::new("x", "x").span(name, "x", "x")];
            let error = write_jsonl(&rows, Vec::new()).unwrap_err().to_string();
            assert!(error.contains(&format!("row 1: a span cannot be called `{name}`")), "{error}");
        }
    }
}
