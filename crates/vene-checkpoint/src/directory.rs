//! A model in a folder, as `save_pretrained` writes it and the hub's cache holds it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::absence::{ADAPTERS, Found, VALUE_HEADS};
use crate::safetensors::{self, ShardIndex};
use crate::tensors::{Tensors, WeightsFile};
use crate::tokenizer_files::{MERGES, TOKENIZER, TokenizerFiles, VOCABULARY};
use crate::{
    Checkpoint, CheckpointError, Description, FileIdentity, Notices, Progress, Provenance, json,
};

/// The names that files have in a model's folder or repository.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const SHARD_INDEX: &str = "model.safetensors.index.json";

/// The files of one model, all of them there.
pub(crate) struct ModelFiles {
    folder: PathBuf,
    weights: Weights,
    tokenizer: TokenizerFiles,
}

enum Weights {
    Whole,
    Sharded(ShardIndex),
}

/// Networks by their `model_type` that read vectors, or the numbers of vectors, and need no tokenizer.
const WITHOUT_TEXT: [&str; 2] = ["mlp", "gru"];

impl ModelFiles {
    /// Finds what is needed in `folder`.
    ///
    /// # Errors
    /// The first thing that is missing, and where a near miss explains it (weights that are only
    /// there as pickles or as GGUF), that.
    pub fn find(folder: &Path) -> Result<Self, CheckpointError> {
        let place = folder.display().to_string();
        let names = names_in(folder)?;
        let named = |name: &str| folder.join(name).display().to_string();
        let found = Found { place: &place, names: &names, named: &named };
        found.require_config_and_weights()?;
        let reads_text = reads_text(&folder.join(CONFIG))?;
        if reads_text {
            found.require_tokenizer()?;
        }
        // A link to nothing is something, too: it is refused by name.
        let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
        let need = |name: &str| {
            let path = folder.join(name);
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => Ok(()),
                Ok(_) => vene_files::open(&path)
                    .map(drop)
                    .map_err(|reason| CheckpointError::read(path, reason)),
                // Listed may still mean a dangling link, as a half-filled cache has.
                Err(_) if path.is_symlink() => Err(CheckpointError::MissingFile {
                    place: place.clone(),
                    expected: format!("{name}, only a link to something that is not there"),
                }),
                Err(_) => Err(CheckpointError::MissingFile {
                    place: place.clone(),
                    expected: name.to_owned(),
                }),
            }
        };
        need(CONFIG)?;
        let weights = if is_there(WEIGHTS) {
            need(WEIGHTS)?;
            Weights::Whole
        } else {
            let path = folder.join(SHARD_INDEX);
            let bytes = json::read_bounded(&path, json::SMALL)?;
            let index = ShardIndex::parse(&path.display().to_string(), &bytes)?;
            for shard in index.shards() {
                need(shard)?;
            }
            Weights::Sharded(index)
        };
        let tokenizer = if is_there(TOKENIZER) {
            need(TOKENIZER)?;
            TokenizerFiles::Library
        } else if !reads_text && !is_there(VOCABULARY) {
            TokenizerFiles::Numbers
        } else {
            need(VOCABULARY)?;
            need(MERGES)?;
            TokenizerFiles::VocabularyAndMerges
        };
        Ok(Self { folder: folder.to_owned(), weights, tokenizer })
    }

    /// Opens them; `name` and `revision` are what results will call the model.
    pub fn open(
        self,
        name: String,
        revision: Option<String>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Checkpoint, CheckpointError> {
        let mut files = vec![CONFIG.to_owned()];
        let watched = RefCell::new(Vec::new());
        let read = |name: &str, limit: u64| {
            let path = self.folder.join(name);
            let (file, bytes) = json::read_watched(&path, limit)?;
            watched.borrow_mut().push(file);
            Ok::<_, CheckpointError>((path.display().to_string(), bytes))
        };

        let (config_file, bytes) = read(CONFIG, json::SMALL)?;
        let config = json::object(&config_file, &bytes)?;

        let tensors = match &self.weights {
            Weights::Whole => {
                progress(Progress::Opening { file: WEIGHTS });
                files.push(WEIGHTS.to_owned());
                let file = WeightsFile::map(&self.folder.join(WEIGHTS))?;
                let stored = safetensors::read(&file)?;
                Tensors::join(vec![(file, stored)])?
            }
            Weights::Sharded(index) => {
                progress(Progress::Opening { file: SHARD_INDEX });
                files.push(SHARD_INDEX.to_owned());
                files.extend(index.shards().map(str::to_owned));
                index.open(&self.folder)?
            }
        };

        progress(Progress::BuildingTokenizer);
        let notices = self.notices();
        let mut watched = watched.into_inner();
        let tokenizer =
            self.tokenizer.open(&self.folder, &config, &notices, &mut files, &mut watched)?;

        let files = files
            .into_iter()
            .map(|name| {
                let path = self.folder.join(&name);
                let bytes = std::fs::metadata(&path)
                    .map_err(|reason| CheckpointError::read(&path, reason))?
                    .len();
                Ok(FileIdentity { name, bytes })
            })
            .collect::<Result<_, CheckpointError>>()?;
        Ok(Checkpoint {
            provenance: Provenance::new(name, revision, files, &tensors).watching(watched),
            description: Description::HuggingFace(config),
            tensors,
            tokenizer,
            notices,
        })
    }
}

/// The files of a folder, and those of its folders as `folder/file`.
fn names_in(folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let entries =
        std::fs::read_dir(folder).map_err(|reason| CheckpointError::read(folder, reason))?;
    let mut names = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() {
            let within = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            let within = within.filter_map(|entry| entry.file_name().into_string().ok());
            let mut within: Vec<String> = within.map(|file| format!("{name}/{file}")).collect();
            if within.is_empty() {
                within.push(format!("{name}/"));
            }
            names.extend(within);
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

impl ModelFiles {
    /// What stands beside a whole model and changes it in other programs.
    fn notices(&self) -> Notices {
        let notices = Notices::default();
        let is_there = |name: &&&str| self.folder.join(name).is_file();
        if let Some(head) = VALUE_HEADS.iter().find(is_there) {
            notices.add(format!(
                "the folder has a value head ({head}) beside the model, which is left out: only the language model is used"
            ));
        }
        if let Some(adapter) = ADAPTERS.iter().find(is_there) {
            notices.add(format!(
                "the folder has an adapter ({adapter}) beside the model, which is left out: the model is used \
                 without it (transformers with peft would add it; merge it into the weights to use it here)"
            ));
        }
        notices
    }
}

/// Whether a model is one that reads text, as all are but a few that say otherwise.
fn reads_text(config: &Path) -> Result<bool, CheckpointError> {
    if !config.is_file() {
        return Ok(true);
    }
    let bytes = json::read_bounded(config, json::SMALL)?;
    let config = json::object(&config.display().to_string(), &bytes)?;
    let kind = config.get("model_type").and_then(|kind| kind.as_str());
    Ok(!kind.is_some_and(|kind| WITHOUT_TEXT.contains(&kind)))
}

/// Checks a listing of file names for what a model that reads text needs. `named` is how a user gives
/// one of its files or folders.
pub(crate) fn require_files(
    place: &str,
    names: &[String],
    named: &dyn Fn(&str) -> String,
) -> Result<(), CheckpointError> {
    let found = Found { place, names, named };
    found.require_config_and_weights()?;
    found.require_tokenizer()
}
