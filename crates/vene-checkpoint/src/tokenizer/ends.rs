//! The tokens that end a text, as the model's own files name them.

use serde_json::{Map, Value};

use super::Tokenizer;
use super::hugging_face::JsonFile;
use super::hugging_face::generation::comes_from_config;
use crate::{CheckpointError, Notices};

const KEY: &str = "eos_token_id";

/// The configuration of a multimodal model's language part.
const TEXT: &str = "text_config";

impl Tokenizer {
    /// The tokens at which the model's own files say that a text ends; there may be none.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// [`Tokenizer::numbers`] of a network that was given without a tokenizer, whose texts end where `config` and
    /// `generation` say.
    ///
    /// # Errors
    /// An end that is not a token.
    pub(crate) fn numbers_of(
        config: &Map<String, Value>,
        generation: Option<&JsonFile>,
        notices: &Notices,
    ) -> Result<Self, CheckpointError> {
        let named = Named { generation, config, eos: None, tokens: 0 };
        let tokens = usize::try_from(named.rows()).unwrap_or(usize::MAX);
        let ends = Named { tokens, ..named }.ends(notices)?;
        Ok(Self::numbers().ending_at(ends))
    }

    /// The same with such tokens.
    pub(super) fn ending_at(mut self, ends: Vec<u32>) -> Self {
        self.ends = ends;
        self
    }
}

/// Where a model in a folder names its ends.
pub(super) struct Named<'a> {
    pub generation: Option<&'a JsonFile>,
    pub config: &'a Map<String, Value>,
    /// That of the tokenizer's settings.
    pub eos: Option<u32>,
    /// How many tokens the tokenizer has.
    pub tokens: usize,
}

impl Named<'_> {
    /// Those of `generation_config.json`, or else those of `config.json`, or else the tokenizer's one, as
    /// transformers reads them.
    ///
    /// # Errors
    /// One is not a token.
    pub fn ends(&self, notices: &Notices) -> Result<Vec<u32>, CheckpointError> {
        if let Some(file) = self.generation
            && let Some(ids) = ids(&file.name, &file.object)?
        {
            return self.known(&file.name, ids, comes_from_config(&file.object), notices);
        }
        let outer = ids("config.json", self.config)?;
        let nested = self.config.get(TEXT).and_then(Value::as_object);
        let inner = nested.filter(|_| outer.is_none());
        // A multimodal model's language part is asked where the whole model says nothing.
        let said = match inner {
            Some(inner) => ids("config.json (text_config)", inner)?,
            None => outer,
        };
        let absent = !inner.unwrap_or(self.config).contains_key(KEY);
        let default = || Some(vec![self.default_of_architecture().filter(|_| absent)?]);
        let default = || default().filter(|ids| ids.iter().all(|&id| self.is_token(id)));
        let Some(mut ids) = said.or_else(default) else {
            if let Some(eos) = self.eos.filter(|&eos| u64::from(eos) >= self.rows()) {
                notices.add(format!(
                    "no file names the ends of generated texts ({KEY}), and the tokenizer's eos_token, which would be token {eos}, is not one of the model's {} tokens: they end at none, as in transformers",
                    self.rows()
                ));
                return Ok(Vec::new());
            }
            if let Some(eos) = self.eos {
                notices.add(format!(
                    "no file names the ends of generated texts ({KEY}); they end at the tokenizer's eos_token, which is token {eos} (transformers would not end them)"
                ));
            }
            return Ok(self.eos.into_iter().collect());
        };
        ids = self.known("config.json", ids, false, notices)?;
        if self.generation.is_some() && !ids.is_empty() {
            notices.add(format!(
                "generation_config.json names no {KEY}; generated texts end where config.json (or its architecture) says, at {ids:?} (transformers would not end them)"
            ));
        }
        if let Some(eos) = self.eos.filter(|eos| !ids.is_empty() && !ids.contains(eos)) {
            notices.add(format!(
                "the tokenizer's eos_token is token {eos}, and {} {KEY} = {ids:?}; generated texts end there, as in transformers",
                if absent { "the default of the architecture is" } else { "config.json says" }
            ));
        }
        Ok(ids)
    }

    /// The ends that a file names, if they are tokens; none where it names one that nobody chose.
    ///
    /// # Errors
    /// One is not a token, and somebody chose it.
    fn known(
        &self,
        file: &str,
        ids: Vec<u32>,
        from_config: bool,
        notices: &Notices,
    ) -> Result<Vec<u32>, CheckpointError> {
        let Some(&id) = ids.iter().find(|&&id| !self.is_token(id)) else { return Ok(ids) };
        let default = Some(id) == self.default_of_architecture();
        let copied = from_config && self.config.get(KEY) == Some(&Value::from(id));
        if ids != [id] || !(default || copied) {
            return Err(self.no_token(file, id));
        }
        // Transformers writes the default, and copies it, whatever the vocabulary is.
        notices.add(format!(
            "{file}: {KEY} = {id} is not one of the {} tokens, but {}; texts end at none",
            self.tokens,
            if default { "the default of its architecture" } else { "a copy of config.json's" }
        ));
        Ok(Vec::new())
    }

    /// Whether a model or its tokenizer has it; the embedding may have rows for which the tokenizer has no text.
    fn is_token(&self, id: u32) -> bool {
        u64::from(id) < self.rows().max(self.tokens as u64)
    }

    /// How many tokens a model can say: not those that a class of tokenizers adds.
    fn rows(&self) -> u64 {
        let rows = |config: &Map<String, Value>| config.get("vocab_size").and_then(Value::as_u64);
        let nested = || rows(self.config.get(TEXT)?.as_object()?);
        rows(self.config).or_else(nested).unwrap_or(self.tokens as u64)
    }

    fn default_of_architecture(&self) -> Option<u32> {
        match self.config.get("model_type").and_then(Value::as_str)? {
            "gpt2" => Some(50256),
            "llama" => Some(2),
            "gemma3" | "gemma3_text" => Some(1),
            _ => None,
        }
    }

    fn no_token(&self, file: &str, id: u32) -> CheckpointError {
        CheckpointError::malformed(
            file,
            format!("{KEY} = {id} is not a token: the model has {}, numbered from 0", self.tokens),
        )
    }
}

/// One id or a list of them; none where the key says nothing.
fn ids(file: &str, object: &Map<String, Value>) -> Result<Option<Vec<u32>>, CheckpointError> {
    let value = match object.get(KEY) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let each = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let ids = each.iter().map(|id| {
        id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
            CheckpointError::malformed(
                file,
                format!(
                    "{KEY} holds {id}, which is not a token: an id or a list of ids is expected"
                ),
            )
        })
    });
    ids.collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Option<Vec<u32>>, String> {
        let value: Value = serde_json::from_str(text).unwrap();
        ids("f", value.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_id_or_a_list() {
        assert_eq!(read(r#"{"eos_token_id": 2}"#), Ok(Some(vec![2])));
        assert_eq!(read(r#"{"eos_token_id": [1, 106]}"#), Ok(Some(vec![1, 106])));
        assert_eq!(read(r#"{"eos_token_id": null}"#), Ok(None));
        assert_eq!(read("{}"), Ok(None));
        for other in ["-1", "99999999999", "\"</s>\"", "[1, null]", "true", "1.5"] {
            let error = read(&format!("{{\"eos_token_id\": {other}}}")).unwrap_err();
            assert!(error.contains("which is not a token"), "{error}");
        }
    }
}
