//! JSON from strangers: bounded in size before it is read, bounded in depth by the parser.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::CheckpointError;
use crate::absence::stand_in;
use crate::watched::Watched;

/// More than any configuration or shard index takes.
pub(crate) const SMALL: u64 = 64 << 20;
/// More than any tokenizer takes (Gemma's is 33 MB).
pub(crate) const LARGE: u64 = 512 << 20;

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    read_watched(path, limit).map(|(_, bytes)| bytes)
}

/// As [`read_bounded`], and remembers the file as it was.
pub(crate) fn read_watched(path: &Path, limit: u64) -> Result<(Watched, Vec<u8>), CheckpointError> {
    let file = vene_files::open(path).map_err(|reason| CheckpointError::read(path, reason))?;
    let watched = Watched::new(path, &file)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|reason| CheckpointError::read(path, reason))?;
    if bytes.len() as u64 > limit {
        return Err(CheckpointError::malformed(
            path.display().to_string(),
            format!("is larger than {} MB, which no such file is", limit >> 20),
        ));
    }
    if let Some(problem) = stand_in(&bytes) {
        return Err(CheckpointError::malformed(path.display().to_string(), problem));
    }
    Ok((watched, bytes))
}

/// Parses bytes as JSON of a known shape. Nesting is limited (to 128) by the parser.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, CheckpointError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let problem = plain(&error.to_string());
        let problem = problem.map_or_else(String::new, |problem| format!(": {problem}"));
        CheckpointError::malformed(file, format!("is not the JSON that was expected{problem}"))
    })
}

/// Parses bytes as one JSON object.
pub(crate) fn object(file: &str, bytes: &[u8]) -> Result<Map<String, Value>, CheckpointError> {
    let found = match parse(file, bytes)? {
        Value::Object(map) => return Ok(map),
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
    };
    Err(CheckpointError::malformed(file, format!("holds {found}, expected a JSON object")))
}

/// Parses bytes as one JSON object of a known shape.
///
/// # Errors
/// What is wrong with them, in words that follow the file's name.
pub(crate) fn described<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // A list of an object's values would be taken for the object.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err("holds an array, expected a JSON object".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        match (error.classify(), plain(&error.to_string())) {
            (Category::Data, Some(problem)) => format!("is not what was expected: {problem}"),
            (Category::Data, None) => "is not what was expected".to_owned(),
            (_, problem) => {
                format!(
                    "is not JSON{}",
                    problem.map_or_else(String::new, |text| format!(" ({text})"))
                )
            }
        }
    })
}

/// How a reader begins that tried several types.
pub(crate) const NO_VARIANT: &str = "data did not match any variant";

/// What a reader of JSON expected, by its own names and in words.
const EXPECTED: [(&str, &str); 15] = [
    ("i8", "a whole number"),
    ("i16", "a whole number"),
    ("i32", "a whole number"),
    ("i64", "a whole number"),
    ("isize", "a whole number"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0 on"),
    ("usize", "a whole number from 0 on"),
    ("f32", "a number"),
    ("f64", "a number"),
    ("a map", "an object"),
    ("a sequence", "an array"),
    ("a borrowed string", "a string"),
];

/// What a reader of JSON said, without names of types in the program; none where nothing is left to say.
pub(crate) fn plain(problem: &str) -> Option<String> {
    const KINDS: [&str; 8] = [
        "internally tagged enum ",
        "adjacently tagged enum ",
        "untagged enum ",
        "tuple struct ",
        "unit struct ",
        "newtype struct ",
        "struct ",
        "enum ",
    ];
    if problem.starts_with(NO_VARIANT) {
        return Some("it is of no known type, or lacks what its type needs".to_owned());
    }
    let mut text = problem.replace("unknown variant", "unknown value");
    for (theirs, said) in
        [("invalid type: map", "an object"), ("invalid type: sequence", "an array")]
    {
        if let Some(rest) = text.strip_prefix(theirs) {
            text = format!("invalid type: {said}{rest}");
        }
    }
    // The last one is the reader's own; those before may be in what is quoted.
    if let Some(at) = text.rfind("expected ") {
        let at = at + "expected ".len();
        let rest = text.get(at..).unwrap_or_default();
        let word = |rest: &str| rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let kind = KINDS.iter().find(|kind| rest.starts_with(**kind));
        let replaced = match kind {
            Some(kind) => {
                let end = kind.len() + word(rest.get(kind.len()..).unwrap_or_default());
                Some((end + elements(rest.get(end..).unwrap_or_default()), "an object"))
            }
            None => EXPECTED.iter().find_map(|(theirs, said)| {
                let after = rest.strip_prefix(theirs)?;
                (word(after) == 0).then_some((theirs.len(), *said))
            }),
        };
        if let Some((length, said)) = replaced {
            text.replace_range(at..at + length, said);
        } else if let Some(size) = rest.strip_prefix("a tuple of size ") {
            text = format!("{}an array of {size}", text.get(..at).unwrap_or_default());
        }
    }
    // What is quoted is the file's.
    let mut quoted = false;
    let ours = text.split(['`', '"', '\'']).filter(|_| {
        quoted = !quoted;
        quoted
    });
    let is_name = |word: &str| {
        word.contains("::")
            || word
                .chars()
                .zip(word.chars().skip(1))
                .any(|(a, b)| a.is_lowercase() && b.is_uppercase())
    };
    let named = ours.flat_map(|part| part.split_whitespace()).any(is_name);
    (!named).then_some(text)
}

/// The length of ` with 3 elements`, which counts the fields of a type of the program, at a text's beginning.
fn elements(text: &str) -> usize {
    let digits = text.strip_prefix(" with ").unwrap_or_default();
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix(" elements").or_else(|| rest.strip_prefix(" element"));
    rest.map_or(0, |rest| text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_not_a_list_of_its_values() {
        #[derive(serde::Deserialize)]
        struct Pair {
            #[allow(dead_code)]
            name: String,
        }
        let problem = |text: &str| described::<Pair>(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(problem(r#" {"name": "a"} "#), "");
        assert_eq!(problem(r#"["a"]"#), "holds an array, expected a JSON object");
        assert!(problem(r#"{"name": 3}"#).starts_with("is not what was expected: invalid type"));
        assert!(problem("<html>").starts_with("is not JSON ("));
    }

    #[test]
    fn names_of_types_are_left_out() {
        let told = |text: &str| plain(text);
        let text = "missing field `vocabTable` at line 1 column 2";
        assert_eq!(told(text).as_deref(), Some(text));
        for (theirs, ours) in [
            (
                "invalid type: map, expected a sequence",
                "invalid type: an object, expected an array",
            ),
            (
                "invalid length 0, expected struct Answer with 2 elements at line 1",
                "invalid length 0, expected an object at line 1",
            ),
            (
                "invalid value: integer `1099511627776`, expected u32 at line 1",
                "invalid value: integer `1099511627776`, expected a whole number from 0 to 4294967295 at line 1",
            ),
            (
                "invalid length 1, expected a tuple of size 2 at line 1",
                "invalid length 1, expected an array of 2 at line 1",
            ),
            (
                "invalid type: sequence, expected struct HashMetadata",
                "invalid type: an array, expected an object",
            ),
        ] {
            assert_eq!(told(theirs).as_deref(), Some(ours));
        }
        assert_eq!(
            told("invalid type: integer `3`, expected struct TruncationParams at line 1")
                .as_deref(),
            Some("invalid type: integer `3`, expected an object at line 1")
        );
        let of_no_type = told("data did not match any variant of untagged enum ModelUntagged");
        assert!(of_no_type.is_some_and(|text| text.starts_with("it is of no known type")));
        assert_eq!(told("Unable to load vocab UnkIdNotInVocabulary at line 1"), None);
        assert_eq!(told("a::b failed"), None);
    }
}
