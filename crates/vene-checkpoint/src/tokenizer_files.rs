//! The files of a tokenizer in a model's folder: which there are, and how they are read.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::tokenizer::hugging_face::{File, Files, JsonFile, Vocabulary};
use crate::watched::Watched;
use crate::{CheckpointError, Notices, Tokenizer, json};

pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const VOCABULARY: &str = "vocab.json";
pub(crate) const MERGES: &str = "merges.txt";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";

/// Files that a model may lack, and that change its tokens or its ends where they are there.
pub(crate) const OPTIONAL: [&str; 4] =
    [TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS, GENERATION_CONFIG];

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
        let files = Files {
            vocabulary,
            settings: folder.object(TOKENIZER_CONFIG)?,
            special_tokens: folder.object(SPECIAL_TOKENS)?,
            added_tokens: folder.object(ADDED_TOKENS)?,
            generation: folder.object(GENERATION_CONFIG)?,
            in_folder: true,
        };
        Tokenizer::from_files(&files, config, notices)
    }
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

    /// The object in a file, where it is there.
    fn object(&mut self, name: &str) -> Result<Option<JsonFile>, CheckpointError> {
        if !self.path.join(name).exists() {
            return Ok(None);
        }
        self.read(name, json::SMALL).and_then(JsonFile::parse).map(Some)
    }
}
