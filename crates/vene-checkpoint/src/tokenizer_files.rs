//! The files of a tokenizer, in a model's folder or as texts in memory: which there are, and how they are read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::tokenizer::hugging_face::{File, Files, JsonFile, Vocabulary};
use crate::watched::Watched;
use crate::{CheckpointError, Notices, Tokenizer, chat, json};

pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const VOCABULARY: &str = "vocab.json";
pub(crate) const MERGES: &str = "merges.txt";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// Files that a model may lack, and that change its tokens, its ends or its conversations where they are there.
pub(crate) const OPTIONAL: [&str; 5] =
    [TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, GENERATION_CONFIG, CHAT_TEMPLATE];

/// How a folder gives its vocabulary.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenizerFiles {
    /// `tokenizer.json`.
    Library,
    VocabularyAndMerges,
    /// None: the network reads no text.
    Numbers,
}

impl TokenizerFiles {
    /// Reads what is there; the names of all files that were read are added to `names`, and the files as
    /// they were to `watched`.
    ///
    /// # Errors
    /// A file is malformed, or they leave open how text is split.
    pub fn open(
        self,
        folder: &Path,
        config: &Map<String, Value>,
        notices: &Notices,
        names: &mut Vec<String>,
        watched: &mut Vec<Watched>,
    ) -> Result<Tokenizer, CheckpointError> {
        let mut folder = Folder { path: folder.to_owned(), names, watched };
        let vocabulary = match self {
            Self::Numbers => return Ok(Tokenizer::numbers()),
            Self::Library => Vocabulary::Json(folder.read(TOKENIZER, json::LARGE)?),
            Self::VocabularyAndMerges => Vocabulary::WithMerges(
                folder.read(VOCABULARY, json::LARGE)?,
                folder.read(MERGES, json::LARGE)?,
            ),
        };
        let mut files = files(vocabulary, true, |name| folder.object(name))?;
        files.chat_template = folder.optional(CHAT_TEMPLATE, chat::most_bytes())?;
        Tokenizer::from_files(&files, config, notices)
    }
}

/// The tokenizer that files in memory describe, their texts by their names. Where there is no vocabulary among them
/// a text is a list of numbers; it ends where `config` and `generation_config.json` say.
///
/// # Errors
/// As [`TokenizerFiles::open`]; a name that is none of a tokenizer's files.
pub(crate) fn tokenizer_of_texts(
    model: &str,
    texts: &BTreeMap<String, String>,
    config: &Map<String, Value>,
    notices: &Notices,
) -> Result<Tokenizer, CheckpointError> {
    let named = |name: &str| format!("{model}'s {name}");
    let is_known = |name: &String| {
        let vocabulary = [TOKENIZER, VOCABULARY, MERGES];
        vocabulary.iter().chain(&OPTIONAL).any(|known| known == name)
    };
    if let Some(unknown) = texts.keys().find(|name| !is_known(name)) {
        let problem = "is none of the files that describe a tokenizer";
        return Err(CheckpointError::malformed(named(unknown), problem));
    }
    let file = |name: &str| {
        let text = texts.get(name)?;
        Some(File { name: named(name), bytes: text.clone().into_bytes() })
    };
    let object = |name: &str| file(name).map(JsonFile::parse).transpose();
    let vocabulary = match (file(TOKENIZER), file(VOCABULARY), file(MERGES)) {
        (Some(library), ..) => Vocabulary::Json(library),
        (None, Some(vocabulary), Some(merges)) => Vocabulary::WithMerges(vocabulary, merges),
        (None, None, None) => {
            return Tokenizer::numbers_of(config, object(GENERATION_CONFIG)?.as_ref(), notices);
        }
        (None, vocabulary, _) => {
            let expected = if vocabulary.is_some() { MERGES } else { VOCABULARY };
            let (place, expected) = (model.to_owned(), expected.to_owned());
            return Err(CheckpointError::MissingFile { place, expected });
        }
    };
    // Who saves a tokenizer writes its settings in any case; without them it is a vocabulary alone.
    let in_folder = texts.contains_key(TOKENIZER_CONFIG);
    let mut files = files(vocabulary, in_folder, object)?;
    files.chat_template = file(CHAT_TEMPLATE);
    Tokenizer::from_files(&files, config, notices)
}

/// A vocabulary, and what stands beside it.
fn files(
    vocabulary: Vocabulary,
    in_folder: bool,
    mut object: impl FnMut(&str) -> Result<Option<JsonFile>, CheckpointError>,
) -> Result<Files, CheckpointError> {
    Ok(Files {
        vocabulary,
        settings: object(TOKENIZER_CONFIG)?,
        special_tokens: object(SPECIAL_TOKENS)?,
        added_tokens: object(ADDED_TOKENS)?,
        generation: object(GENERATION_CONFIG)?,
        chat_template: None,
        in_folder,
    })
}

struct Folder<'a> {
    path: PathBuf,
    names: &'a mut Vec<String>,
    watched: &'a mut Vec<Watched>,
}

impl Folder<'_> {
    fn read(&mut self, name: &str, limit: u64) -> Result<File, CheckpointError> {
        let path = self.path.join(name);
        let (watched, bytes) = json::read_watched(&path, limit)?;
        self.watched.push(watched);
        self.names.push(name.to_owned());
        Ok(File { name: path.display().to_string(), bytes })
    }

    /// A file, where it is there.
    fn optional(&mut self, name: &str, limit: u64) -> Result<Option<File>, CheckpointError> {
        if !self.path.join(name).exists() {
            return Ok(None);
        }
        self.read(name, limit).map(Some)
    }

    /// The object in a file, where it is there.
    fn object(&mut self, name: &str) -> Result<Option<JsonFile>, CheckpointError> {
        self.optional(name, json::SMALL)?.map(JsonFile::parse).transpose()
    }
}
