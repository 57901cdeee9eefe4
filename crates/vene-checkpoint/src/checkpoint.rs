//! A model as its files give it: description, tensors, tokenizer, provenance.

use std::collections::BTreeMap;
use std::path::Path;

use crate::directory::ModelFiles;
use crate::tensors::WeightsFile;
use crate::tokenizer::hugging_face::Files;
use crate::tokenizer_files::tokenizer_of_texts;
use crate::{
    CheckpointError, Description, FileIdentity, LentTensor, ModelSource, Notices, Progress,
    Provenance, Tensors, Tokenizer, gguf, hub, json, safetensors,
};

/// An opened model: nothing of its weights is read yet.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the model says about its architecture.
    pub description: Description,
    /// Its weights, by the names that the file gives them.
    pub tensors: Tensors,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Which files it came from.
    pub provenance: Provenance,
    /// What a user should know about these files.
    pub notices: Notices,
}

impl Checkpoint {
    /// Opens a model, fetching from the hub what its cache does not hold.
    ///
    /// # Errors
    /// Whatever is missing, unreachable or malformed, by name.
    pub fn open(
        source: &ModelSource,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CheckpointError> {
        match source {
            ModelSource::Directory(folder) => {
                ModelFiles::find(folder)?.open(folder.display().to_string(), None, progress)
            }
            ModelSource::Gguf(path) => {
                Self::open_gguf(path, path.display().to_string(), None, progress)
            }
            ModelSource::Hub(place) => {
                hub::open(&hub::Settings::from_environment(), place, progress)
            }
        }
    }

    /// Opens a GGUF file, or the first of several parts; `name` and `revision` are what results will
    /// call the model.
    pub(crate) fn open_gguf(
        path: &Path,
        name: String,
        revision: Option<String>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CheckpointError> {
        let file_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        progress(Progress::Opening { file: &file_name });
        let (metadata, parts) = gguf::open(path)?;
        progress(Progress::BuildingTokenizer);
        let notices = Notices::default();
        let tokenizer = Tokenizer::from_gguf(&metadata, &notices)?;
        let files = parts
            .iter()
            .map(|(file, _)| {
                let name = Path::new(&file.name).file_name().unwrap_or_default().to_string_lossy();
                FileIdentity { name: name.into_owned(), bytes: file.bytes().len() as u64 }
            })
            .collect();
        let tensors = Tensors::join(parts)?;
        Ok(Self {
            provenance: Provenance::new(name, revision, files, &tensors),
            description: Description::Gguf(metadata),
            tensors,
            tokenizer,
            notices,
        })
    }

    /// Opens a model that is compiled into the program: the texts of its `config.json` and
    /// `tokenizer.json` and the bytes of its safetensors, under the name that results shall
    /// give it.
    ///
    /// # Errors
    /// As for a folder.
    pub fn from_bytes(
        name: &str,
        config: &str,
        safetensors: &'static [u8],
        tokenizer: &str,
    ) -> Result<Self, CheckpointError> {
        let file = WeightsFile::embedded(&weights_of(name), safetensors);
        Self::from_parts(name, config, file, Some(tokenizer))
    }

    /// Opens a network that has just been made: the text of its `config.json` and the bytes of its
    /// safetensors, under the name that results shall give it. Where no `tokenizer.json` is given,
    /// texts for it are lists of the numbers of its inputs ([`Tokenizer::numbers`]).
    ///
    /// # Errors
    /// As for a folder.
    pub fn from_memory(
        name: &str,
        config: &str,
        safetensors: Vec<u8>,
        tokenizer: Option<&str>,
    ) -> Result<Self, CheckpointError> {
        let file = WeightsFile::owned(&weights_of(name), safetensors);
        Self::from_parts(name, config, file, tokenizer)
    }

    /// Opens a model that somebody has in memory: the text of its `config.json`, its tensors by the names that its files
    /// would have, and the texts of its tokenizer's files (and of `generation_config.json`) by their names. Without
    /// a vocabulary among these, texts for it are lists of the numbers of its tokens ([`Tokenizer::numbers`]).
    ///
    /// The tensors are read where they lie, also later, when other operations are asked for; they should not be
    /// written to, and a model is refused whose samples show that they were.
    ///
    /// # Errors
    /// As for a folder; and where a tensor's bytes do not fit its shape.
    pub fn from_tensors(
        name: &str,
        config: &str,
        tensors: Vec<LentTensor>,
        tokenizer: &BTreeMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        let config_object = json::object(&format!("{name}'s config.json"), config.as_bytes())?;
        let lent = tensors.iter().map(|tensor| (*tensor.bytes).as_ref().len() as u64).sum();
        let texts = tokenizer.iter().map(|(file, text)| (file.as_str(), text.len() as u64));
        let files = [("config.json", config.len() as u64), ("tensors in memory", lent)];
        let files = files.into_iter().chain(texts);
        let files = files.map(|(name, bytes)| FileIdentity { name: name.to_owned(), bytes });
        let files = files.collect();
        let notices = Notices::default();
        let tokenizer = tokenizer_of_texts(name, tokenizer, &config_object, &notices)?;
        let tensors = Tensors::lent(&weights_of(name), tensors)?;
        Ok(Self {
            provenance: Provenance::new(name.to_owned(), None, files, &tensors),
            description: Description::HuggingFace(config_object),
            tensors,
            tokenizer,
            notices,
        })
    }

    fn from_parts(
        name: &str,
        config: &str,
        file: WeightsFile,
        tokenizer: Option<&str>,
    ) -> Result<Self, CheckpointError> {
        let within = |file: &str| format!("{name}'s {file}");
        let config_object = json::object(&within("config.json"), config.as_bytes())?;
        let stored = safetensors::read(&file)?;
        let identity =
            |name: &str, bytes: usize| FileIdentity { name: name.to_owned(), bytes: bytes as u64 };
        let mut files = vec![
            identity("config.json", config.len()),
            identity("model.safetensors", file.bytes().len()),
        ];
        let notices = Notices::default();
        let tokenizer = match tokenizer {
            None => Tokenizer::numbers(),
            Some(tokenizer) => {
                files.push(identity("tokenizer.json", tokenizer.len()));
                let alone = Files::alone(within("tokenizer.json"), tokenizer.into());
                Tokenizer::from_files(&alone, &config_object, &notices)?
            }
        };
        let tensors = Tensors::join(vec![(file, stored)])?;
        Ok(Self {
            provenance: Provenance::new(name.to_owned(), None, files, &tensors),
            description: Description::HuggingFace(config_object),
            tensors,
            tokenizer,
            notices,
        })
    }
}

fn weights_of(name: &str) -> String {
    format!("{name}'s weights")
}
