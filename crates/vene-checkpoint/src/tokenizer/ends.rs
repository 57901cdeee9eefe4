//! The tokens that end a text, as the model's own files name them.

use serde_json::{Map, Value};

use super::Tokenizer;
use super::library::Library;
use crate::CheckpointError;
use crate::gguf::Metadata;

const KEY: &str = "eos_token_id";

impl Tokenizer {
    /// The tokens at which the model's own files say that a text ends; there may be none.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The same with other such tokens. One that the vocabulary lacks can never come, and is left out.
    pub(super) fn ending_at(mut self, ends: Vec<u32>) -> Self {
        let size = self.vocabulary_size();
        self.ends = ends;
        self.ends.retain(|&id| (id as usize) < size);
        self
    }

    /// The same with what the object in `generation_config.json` says, if it says anything about it: it
    /// goes before what other files say.
    pub(crate) fn ending_as_told(self, generation: &Map<String, Value>) -> Self {
        match by_id(generation) {
            Some(ends) => self.ending_at(ends),
            None => self,
        }
    }
}

/// Those that `config.json` names by id, or else the one that `tokenizer_config.json` names by its text.
pub(super) fn named(
    library: &Library,
    settings: Option<&Map<String, Value>>,
    config: Option<&Map<String, Value>>,
) -> Vec<u32> {
    let by_text = || {
        let token = settings?.get("eos_token")?;
        let text = token.as_str().or_else(|| token.get("content")?.as_str())?;
        Some(vec![library.id(text)?])
    };
    config.and_then(by_id).or_else(by_text).unwrap_or_default()
}

/// One id or a list of them.
fn by_id(object: &Map<String, Value>) -> Option<Vec<u32>> {
    let ids = match object.get(KEY)? {
        Value::Array(ids) => ids.as_slice(),
        Value::Null => return None,
        id => std::slice::from_ref(id),
    };
    Some(ids.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect())
}

/// The end of a sequence, and of a turn where there is one.
pub(super) fn of_gguf(metadata: &Metadata) -> Result<Vec<u32>, CheckpointError> {
    let mut ends = Vec::new();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
        ends.extend(metadata.u32(key)?.filter(|id| !ends.contains(id)));
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ids(text: &str) -> Option<Vec<u32>> {
        let value: Value = serde_json::from_str(text).unwrap();
        by_id(value.as_object().unwrap())
    }

    #[test]
    fn one_id_or_a_list() {
        assert_eq!(ids(r#"{"eos_token_id": 2}"#), Some(vec![2]));
        assert_eq!(ids(r#"{"eos_token_id": [1, 106]}"#), Some(vec![1, 106]));
        assert_eq!(ids(r#"{"eos_token_id": null}"#), None);
        assert_eq!(ids("{}"), None);
        // Published configurations have such things too.
        assert_eq!(ids(r#"{"eos_token_id": -1}"#), Some(vec![]));
        assert_eq!(ids(r#"{"eos_token_id": 99999999999}"#), Some(vec![]));
    }
}
