//! Tokenizers in the files of Hugging Face: `tokenizer.json`, or GPT-2's older `vocab.json` and
//! `merges.txt`.

use serde_json::{Map, Value};

use super::byte_level::{self, Parts, Words};
use super::library::{self, Library, Prefix};
use super::piece::Spelling;
use super::{Algorithm, Tokenizer, ends};
use crate::CheckpointError;

impl Tokenizer {
    /// Reads a `tokenizer.json`; `settings` is the object in `tokenizer_config.json`, `config`
    /// that in `config.json`.
    ///
    /// What the file's post-processor puts in front of a text counts; where it has none that
    /// decides about this, `add_bos_token` of the settings does.
    ///
    /// # Errors
    /// The file is malformed.
    pub fn from_json(
        file: &str,
        bytes: &[u8],
        settings: Option<&Map<String, Value>>,
        config: Option<&Map<String, Value>>,
    ) -> Result<Self, CheckpointError> {
        let (library, prefix) = Library::from_json(file, bytes)?;
        let named = named_bos(&library, settings, config);
        let (bos, adds_bos) = match prefix {
            Prefix::Token(id) => (Some(id), true),
            Prefix::Nothing => (named, false),
            Prefix::Silent => (named, wants_bos(settings)),
        };
        let named = ends::named(&library, settings, config);
        let tokenizer = Self::new(file, Algorithm::Library(Box::new(library)), bos, adds_bos)?;
        Ok(tokenizer.ending_at(named))
    }

    /// Reads GPT-2's `vocab.json` and `merges.txt`, each given as its name and its bytes.
    ///
    /// # Errors
    /// A file is malformed, or the model is none of those known to split words as GPT-2 does:
    /// these two files do not say how.
    pub fn from_vocabulary_and_merges(
        vocabulary: (&str, &[u8]),
        merges: (&str, &[u8]),
        settings: Option<&Map<String, Value>>,
        config: &Map<String, Value>,
    ) -> Result<Self, CheckpointError> {
        let class =
            settings.and_then(|settings| settings.get("tokenizer_class")).and_then(Value::as_str);
        let architecture = config.get("model_type").and_then(Value::as_str);
        let is_gpt2 = match class {
            Some(class) => matches!(class, "GPT2Tokenizer" | "GPT2TokenizerFast"),
            None => architecture == Some("gpt2"),
        };
        if !is_gpt2 {
            return Err(CheckpointError::malformed(
                vocabulary.0,
                format!(
                    "does not say how {} splits words, and only GPT-2's way is known for such files; add its tokenizer.json",
                    class.or(architecture).unwrap_or("this model")
                ),
            ));
        }
        let (ids, merges) = library::vocabulary_and_merges(vocabulary, merges)?;
        let parts = Parts {
            vocabulary: ids.iter().map(|(text, &id)| (text.as_str(), id)).collect(),
            merges,
            words: Words::Gpt2,
            special: ids
                .contains_key("<|endoftext|>")
                .then_some(("<|endoftext|>", true))
                .into_iter()
                .collect(),
        };
        let library = Library::new(byte_level::build(vocabulary.0, parts)?, Spelling::ByteLevel);
        let bos = named_bos(&library, settings, Some(config));
        let named = ends::named(&library, settings, Some(config));
        let library = Algorithm::Library(Box::new(library));
        let tokenizer = Self::new(vocabulary.0, library, bos, wants_bos(settings))?;
        Ok(tokenizer.ending_at(named))
    }
}

/// The beginning-of-sequence token that the settings name by its text, or `config.json` by its id.
fn named_bos(
    library: &Library,
    settings: Option<&Map<String, Value>>,
    config: Option<&Map<String, Value>>,
) -> Option<u32> {
    let by_text = settings
        .and_then(|settings| settings.get("bos_token"))
        .and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()))
        .and_then(|text| library.id(text));
    let by_id = || {
        let id = config?.get("bos_token_id")?.as_u64()?;
        u32::try_from(id).ok().filter(|&id| (id as usize) < library.size())
    };
    by_text.or_else(by_id)
}

fn wants_bos(settings: Option<&Map<String, Value>>) -> bool {
    settings
        .and_then(|settings| settings.get("add_bos_token"))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}
