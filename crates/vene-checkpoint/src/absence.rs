//! Why a folder or repository is not a model that can be opened: what is there instead, and what to
//! do about it.
//!
//! People give the path of what they have: an adapter, a training's output with its checkpoints,
//! pickled weights, a clone without its large files. Each is told from the names of the files.

use std::path::Path;

use crate::CheckpointError;
use crate::directory::{CONFIG, SHARD_INDEX, WEIGHTS};
use crate::hub::{gguf_models, is_gguf};
use crate::source::{OLD_GGML, is_old_ggml};
use crate::tokenizer_files::{MERGES, TOKENIZER, TOKENIZER_CONFIG, VOCABULARY};

pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// An adapter beside a model, by the first of these that is there.
pub(crate) const ADAPTERS: [&str; 3] =
    [ADAPTER_CONFIG, "adapter_model.safetensors", "adapter_model.bin"];
/// Where trainers for reinforcement learning keep what judges a text.
pub(crate) const VALUE_HEADS: [&str; 3] =
    ["value_head.safetensors", "value_head.bin", "v_head.bin"];

/// The files of a folder (with those of its folders, as `folder/file`) or of a repository.
pub(crate) struct Found<'a> {
    /// What errors call the folder or repository.
    pub place: &'a str,
    pub names: &'a [String],
    /// How a user gives one of its files or folders as a model.
    pub named: &'a dyn Fn(&str) -> String,
}

impl Found<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// The first file right here, not in a folder, that is one of those asked for.
    fn first(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        let mut here: Vec<&str> = self
            .names
            .iter()
            .map(String::as_str)
            .filter(|name| !name.contains('/') && wanted(name))
            .collect();
        here.sort_unstable();
        here.first().copied()
    }

    fn ending(&self, ends: &[&str]) -> Option<&str> {
        self.first(|name| ends.iter().any(|end| name.ends_with(end)))
    }

    fn missing<T>(&self, what: &str) -> Result<T, CheckpointError> {
        Err(CheckpointError::MissingFile {
            place: self.place.to_owned(),
            expected: what.to_owned(),
        })
    }

    /// Checks for a configuration and weights.
    pub fn require_config_and_weights(&self) -> Result<(), CheckpointError> {
        if !self.has(CONFIG) {
            let instead = self.instead_of_config();
            return self.missing(&format!("{CONFIG}{instead}"));
        }
        if !self.has(WEIGHTS) && !self.has(SHARD_INDEX) {
            let instead = self.instead_of_weights();
            return self.missing(&match instead {
                Some(instead) => format!("{WEIGHTS}{instead}"),
                None => format!("{WEIGHTS} (or {SHARD_INDEX} with its shards)"),
            });
        }
        Ok(())
    }

    /// Checks for a tokenizer.
    pub fn require_tokenizer(&self) -> Result<(), CheckpointError> {
        if self.has(TOKENIZER) || (self.has(VOCABULARY) && self.has(MERGES)) {
            return Ok(());
        }
        let other = self
            .first(|name| {
                ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json"]
                    .contains(&name)
                    || name == "vocab.txt"
                    || name.ends_with(".tiktoken")
                    || name == "tiktoken.model"
                    || name.starts_with("tokenizer.model.")
            })
            .or_else(|| self.first(|name| name == VOCABULARY || name == MERGES));
        self.missing(&match other {
            Some(other) => format!(
                "{TOKENIZER} (or {VOCABULARY} and {MERGES}), only {other}, which is not read here; let transformers make one: \
                 AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            ),
            None => format!("{TOKENIZER} (or {VOCABULARY} and {MERGES})"),
        })
    }

    fn instead_of_config(&self) -> String {
        if let Some(plan) = self.trained_plan() {
            return plan;
        }
        if let Some(adapter) = self.adapter() {
            return format!(", it is an adapter ({adapter}) and not a whole model: {MERGE}");
        }
        if let Some(gguf) = self.gguf() {
            return gguf;
        }
        if let Some(instead) = self.folders_with_models() {
            return instead;
        }
        if let Some(original) = self.original() {
            return format!(
                "; it is in Meta's or Mistral's own format ({original}): take the repository in the format of transformers \
                 (often the same name with -hf), or convert it with transformers' convert_llama_weights_to_hf.py"
            );
        }
        if self.has("modules.json") {
            return "; it is of sentence-transformers (modules.json), which makes vectors of texts and is not a language model".to_owned();
        }
        if self.has("model_index.json") {
            return "; it is a pipeline of diffusers (model_index.json), not a language model"
                .to_owned();
        }
        if let Some(model) = self.cached_repository() {
            return format!("; it is the hub's cache of a repository: give {model}");
        }
        if let Some(deepspeed) = self.deepspeed() {
            return deepspeed;
        }
        if let Some(checkpoint) = self.folders().into_iter().find(|name| is_checkpoint(name)) {
            return format!(
                "; it is a training's output, and {checkpoint}/ in it holds no model either: give a folder that holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
            );
        }
        if let Some(weights) = self.ending(&[".safetensors"]) {
            return format!(
                ", only weights ({weights}): get {CONFIG} and {TOKENIZER}, which say how they are used, from the same model"
            );
        }
        if let Some(instead) = self.other_weights() {
            return instead;
        }
        if let Some(tokenizer) =
            self.first(|name| [TOKENIZER, TOKENIZER_CONFIG, "tokenizer.model"].contains(&name))
        {
            return format!(
                ", only a tokenizer ({tokenizer}): a model's folder holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
            );
        }
        if self.names.is_empty() {
            return "; it is empty".to_owned();
        }
        format!("; a model's folder holds {CONFIG}, {WEIGHTS} and {TOKENIZER}")
    }

    fn instead_of_weights(&self) -> Option<String> {
        if let Some(instead) = self.other_weights() {
            return Some(instead);
        }
        if let Some(adapter) = self.adapter() {
            return Some(format!(
                ", only an adapter ({adapter}), which is not a whole model: {MERGE}"
            ));
        }
        let shard = |name: &str| {
            name.ends_with(".safetensors") && name.contains("-of-") && name.starts_with("model-")
        };
        if let Some(shard) = self.first(shard) {
            return Some(format!(
                ", but shards ({shard}): get {SHARD_INDEX} too, which says what is in which"
            ));
        }
        if let Some(weights) = self.ending(&[".safetensors"]) {
            return Some(format!(
                ", but {weights}: if these are the model's weights, rename the file (or link it) to {WEIGHTS}"
            ));
        }
        self.gguf().or_else(|| self.folders_with_models())
    }

    /// GGUF files, here or in folders: those of models before those that belong to a model and are none.
    fn gguf(&self) -> Option<String> {
        let models = gguf_models(self.names);
        let here = models.iter().find(|name| !name.contains('/'));
        if let Some(model) = here.or_else(|| models.first()) {
            let model = (self.named)(model);
            return Some(format!(", but GGUF files: give one of them, such as {model}"));
        }
        let other = self.names.iter().find(|name| is_gguf(name))?;
        Some(format!(", only a GGUF file that is no model by itself ({other})"))
    }

    /// Weights in formats that are not read.
    fn other_weights(&self) -> Option<String> {
        if let Some(deepspeed) = self.deepspeed() {
            return Some(deepspeed);
        }
        let is_old_ggml = |name: &str| {
            name.ends_with(".bin")
                && (name.contains("ggml") || is_old_ggml(Path::new(&(self.named)(name))))
        };
        if let Some(file) = self.first(is_old_ggml) {
            return Some(format!(", but {file}, which is in {OLD_GGML}"));
        }
        if let Some(pickle) = self.ending(&[".bin", ".pt", ".pth", ".ckpt", ".pkl"]) {
            return Some(format!(
                ", only PyTorch pickles ({pickle}), which can run any code when they are opened and are not read; save the model as safetensors: \
                 AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(OTHER, safe_serialization=True)"
            ));
        }
        let (file, what) = [
            (".incomplete", "a download that was broken off"),
            (".npz", "MLX or NumPy"),
            (".h5", "TensorFlow"),
            (".msgpack", "Flax"),
            (".onnx", "ONNX"),
            (".mlmodel", "Core ML"),
            (".distcp", "a distributed training"),
        ]
        .into_iter()
        .find_map(|(end, what)| Some((self.ending(&[end])?, what)))
        .or_else(|| {
            let is_onnx = |name: &&str| name.ends_with(".onnx");
            Some((self.names.iter().map(String::as_str).find(is_onnx)?, "ONNX"))
        })?;
        Some(if file.ends_with(".incomplete") {
            format!(", only {what} ({file}): download it again")
        } else {
            format!(
                ", only weights of {what} ({file}), which are not read; save the model as safetensors with transformers"
            )
        })
    }

    /// A training's state as DeepSpeed saves it, here or in a folder such as `global_step500`.
    fn deepspeed(&self) -> Option<String> {
        let is_state = |name: &&String| {
            name.ends_with("_model_states.pt") || name.ends_with("_optim_states.pt")
        };
        let state = self.names.iter().filter(is_state).min()?;
        Some(format!(
            ", only a training's state of DeepSpeed ({state}), which is not read: make safetensors of it with zero_to_fp32.py, \
             which DeepSpeed puts beside it, told to write safetensors"
        ))
    }

    /// What `vene train` writes, here or in a folder.
    fn trained_plan(&self) -> Option<String> {
        let is_plan = |folder: &str| {
            let has = |name: &str| self.has(&format!("{folder}{name}"));
            has("plan.json") && has("interventions.safetensors")
        };
        let place = if is_plan("") {
            self.place.trim_end_matches('/').to_owned()
        } else if is_plan("trained/") {
            (self.named)("trained")
        } else {
            return None;
        };
        Some(format!(
            "; it holds a trained plan, not a model: give {place} with --plan, and as the model the one that it was \
             trained on"
        ))
    }

    fn adapter(&self) -> Option<&str> {
        self.first(|name| name == ADAPTER_CONFIG || name.starts_with("adapter_model."))
    }

    fn original(&self) -> Option<&str> {
        self.first(|name| name.starts_with("consolidated."))
            .or_else(|| self.first(|name| name == "params.json"))
    }

    /// The names of the folders that are there.
    fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> =
            self.names.iter().filter_map(|name| Some(name.split_once('/')?.0)).collect();
        folders.sort_unstable_by_key(|name| (checkpoint_step(name), *name));
        folders.dedup();
        folders
    }

    fn folders_with_models(&self) -> Option<String> {
        let mut models = self.folders();
        models.retain(|folder| self.has(&format!("{folder}/{CONFIG}")));
        let last = (self.named)(models.last()?);
        Some(if models.iter().all(|name| is_checkpoint(name)) {
            format!(
                " itself; it is a training's output with {}: give one of them, such as {last}",
                listed(&models)
            )
        } else {
            format!(
                " itself, but the folder{} {} in it: give {last}",
                if models.len() == 1 { "" } else { "s" },
                listed(&models)
            )
        })
    }

    /// What to give for a repository whose folder in the hub's cache this is: its id, or where the folder
    /// has another name, a snapshot in it.
    fn cached_repository(&self) -> Option<String> {
        let snapshots = self.names.iter().filter(|name| name.starts_with("snapshots/"));
        let snapshot = snapshots.max()?;
        let name = self.place.trim_end_matches('/').rsplit('/').next()?;
        if let Some(id) = name.strip_prefix("models--") {
            return Some(id.replacen("--", "/", 1));
        }
        let folders = self.folders();
        let is_cache = folders.contains(&"refs") || folders.contains(&"blobs");
        is_cache.then(|| (self.named)(snapshot))
    }
}

const MERGE: &str = "merge it into the model that it was trained on (PEFT: merge_and_unload, then save_pretrained) and give the merged folder";

/// `checkpoint-500`, as a trainer names what it saves.
fn is_checkpoint(name: &str) -> bool {
    checkpoint_step(name).is_some()
}

fn checkpoint_step(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-").or_else(|| name.strip_prefix("global_step"))?.parse().ok()
}

fn listed(folders: &[&str]) -> String {
    let shown: Vec<String> = folders.iter().take(8).map(|folder| format!("{folder}/")).collect();
    let more = if folders.len() > 8 { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// What a file holds instead of what its name says, where that is one of the usual mishaps: words that
/// follow the file's name.
pub(crate) fn stand_in(bytes: &[u8]) -> Option<String> {
    if let Some(problem) = placeholder(bytes) {
        return Some(problem);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(
            "is a zip archive, as PyTorch's pickles are, and not what its name says: save the model as safetensors".to_owned(),
        );
    }
    None
}

/// What stands in a file's place, whatever the file should be: git-lfs's pointer to it, or a page of the web.
/// Words that follow the file's name. The first 2 KiB of a file are enough to tell.
pub fn placeholder(bytes: &[u8]) -> Option<String> {
    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
    if bytes.starts_with(POINTER) && bytes.len() <= 1024 {
        let text = String::from_utf8_lossy(bytes);
        let size =
            text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let size = size.map_or_else(String::new, |size| format!(" of {size} bytes"));
        return Some(format!(
            "is only git-lfs's pointer to the file{size}, not the file: run `git lfs pull` in its folder, or download it"
        ));
    }
    let start = bytes.get(..bytes.len().min(256)).unwrap_or_default().trim_ascii_start();
    let is_page = [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|head| start.get(..head.len()).is_some_and(|s| s.eq_ignore_ascii_case(head)));
    if is_page {
        return Some(
            "is a page of the web (HTML), not the file: download the file itself".to_owned(),
        );
    }
    None
}

/// What a file of bytes holds where it is a text: an error's, or a pointer to the file. Words that follow the
/// file's name.
pub fn text_instead(bytes: &[u8]) -> Option<String> {
    const SHOWN: usize = 60;
    let start = bytes.get(..bytes.len().min(4 * SHOWN))?;
    let start = match std::str::from_utf8(start) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let start = start.trim();
    let is_text = !start.is_empty()
        && start.chars().all(|character| !character.is_control() || character.is_whitespace());
    is_text.then(|| {
        let mut shown: String = start.chars().take(SHOWN).collect();
        if shown.len() < start.len() {
            shown.push('…');
        }
        format!("is a text and not what its name says: it begins {shown:?}")
    })
}
