//! A model in a folder, as `save_pretrained` writes it and the hub's cache holds it.

use std::path::{Path, PathBuf};

use crate::json;
use crate::safetensors::{self, ShardIndex};
use crate::tensors::{Tensors, WeightsFile};
use crate::tokenizer_files::{MERGES, TOKENIZER, TokenizerFiles, VOCABULARY};
use crate::{
    Checkpoint, CheckpointError, Description, FileIdentity, Notices, Progress, Provenance,
};

/// The names that files have in a model's folder or repository.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const SHARD_INDEX: &str = "model.safetensors.index.json";
/// What peft writes beside the weights of an adapter.
const ADAPTER: &str = "adapter_config.json";

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
        let names: Vec<String> = std::fs::read_dir(folder)
            .map_err(|reason| CheckpointError::read(folder, reason))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        require_config_and_weights(&place, &names)?;
        let reads_text = reads_text(&folder.join(CONFIG))?;
        if reads_text {
            require_tokenizer(&place, &names)?;
        }
        // Listed may still mean a dangling link, as a half-filled cache has.
        let is_there = |name: &str| folder.join(name).is_file();
        let need = |name: &str| {
            if is_there(name) {
                Ok(())
            } else {
                Err(CheckpointError::MissingFile {
                    place: place.clone(),
                    expected: name.to_owned(),
                })
            }
        };
        need(CONFIG)?;
        let weights = if is_there(WEIGHTS) {
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
        let read = |name: &str, limit: u64| {
            let path = self.folder.join(name);
            let bytes = json::read_bounded(&path, limit)?;
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
        let tokenizer = self.tokenizer.open(&self.folder, &config, &notices, &mut files)?;

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
            provenance: Provenance::new(name, revision, files, &tensors),
            description: Description::HuggingFace(config),
            tensors,
            tokenizer,
            notices,
        })
    }
}

impl ModelFiles {
    /// What stands beside a whole model and changes it in other programs.
    fn notices(&self) -> Notices {
        let notices = Notices::default();
        if self.folder.join(ADAPTER).is_file() {
            notices.add(format!(
                "the folder has an adapter ({ADAPTER}) beside the model, which is left out: the model is used \
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

/// Checks a listing of file names for what a model that reads text needs.
pub(crate) fn require_files(place: &str, names: &[String]) -> Result<(), CheckpointError> {
    require_config_and_weights(place, names)?;
    require_tokenizer(place, names)
}

fn require_config_and_weights(place: &str, names: &[String]) -> Result<(), CheckpointError> {
    let has = |name: &str| names.iter().any(|other| other == name);
    let missing = |expected: &str| {
        Err(CheckpointError::MissingFile { place: place.to_owned(), expected: expected.to_owned() })
    };
    let ending = |suffix: &str| names.iter().find(|name| name.ends_with(suffix));

    if !has(CONFIG) {
        return match ending(".gguf") {
            Some(gguf) => missing(&format!(
                "{CONFIG}, but it has GGUF files: give the path of one, such as {gguf}, itself"
            )),
            None => missing(&format!(
                "{CONFIG}; a model's folder holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
            )),
        };
    }
    if !has(WEIGHTS) && !has(SHARD_INDEX) {
        if let Some(pickle) = ending(".bin").or_else(|| ending(".pt")).or_else(|| ending(".pth")) {
            return missing(&format!(
                "{WEIGHTS}, only PyTorch pickles ({pickle}), which can run any code when they are opened and are not read; save the model as safetensors"
            ));
        }
        return match ending(".gguf") {
            Some(gguf) => missing(&format!(
                "{WEIGHTS}, but it has GGUF files: give the path of one, such as {gguf}, itself"
            )),
            None => missing(&format!("{WEIGHTS} (or {SHARD_INDEX} with its shards)")),
        };
    }
    Ok(())
}

fn require_tokenizer(place: &str, names: &[String]) -> Result<(), CheckpointError> {
    let has = |name: &str| names.iter().any(|other| other == name);
    match has(TOKENIZER) || (has(VOCABULARY) && has(MERGES)) {
        true => Ok(()),
        false => Err(CheckpointError::MissingFile {
            place: place.to_owned(),
            expected: format!("{TOKENIZER} (or {VOCABULARY} and {MERGES})"),
        }),
    }
}
