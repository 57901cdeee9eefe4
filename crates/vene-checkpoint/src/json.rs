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
        CheckpointError::malformed(file, format!("is not the JSON that was expected: {error}"))
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
