//! JSON from strangers: bounded in size before it is read, bounded in depth by the parser.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
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

/// How a reader begins that tried several types.
pub(crate) const NO_VARIANT: &str = "data did not match any variant";

/// What a reader of JSON said, without names of types in the program; none where nothing is left to say.
pub(crate) fn plain(problem: &str) -> Option<String> {
    const KINDS: [&str; 6] = [
        "internally tagged enum ",
        "untagged enum ",
        "tuple struct ",
        "unit struct ",
        "struct ",
        "enum ",
    ];
    if problem.starts_with(NO_VARIANT) {
        return Some("it is of no known type, or lacks what its type needs".to_owned());
    }
    let mut text = problem.replace("unknown variant", "unknown value");
    for kind in KINDS {
        while let Some(at) = text.find(&format!("expected {kind}")) {
            let name = at + "expected ".len();
            let after = text.get(name + kind.len()..).unwrap_or_default();
            let length = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
            text.replace_range(name..name + kind.len() + length, "an object");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_left_out() {
        let told = |text: &str| plain(text);
        for text in [
            "missing field `vocabTable` at line 1 column 2",
            "invalid type: map, expected a sequence",
        ] {
            assert_eq!(told(text).as_deref(), Some(text));
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
