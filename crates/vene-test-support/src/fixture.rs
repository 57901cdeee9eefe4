//! The random models of `fixtures/models` and what other implementations computed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use vene_model::{Model, ModelError, Outline, Precision, Prompt};

use crate::tokenizer;

/// `fixtures/` of the workspace.
pub fn fixture_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The names of all random models, sorted.
pub fn model_names() -> Vec<String> {
    let folder = fixture_folder().join("models");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A JSON file of the fixtures.
pub fn json<T: DeserializeOwned>(path: &str) -> T {
    let path = fixture_folder().join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tensors of a safetensors file of the fixtures, by name.
pub fn tensors(path: &str) -> HashMap<String, Tensor> {
    let path = fixture_folder().join(path);
    candle_core::safetensors::load(&path, &Device::Cpu)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `model_type` of those that are no transformers.
const NETWORKS: [&str; 2] = ["mlp", "gru"];

/// One random model: its files with a tokenizer added, and its prompts.
pub struct Fixture {
    name: String,
    folder: TempDir,
    prompts: Prompts,
}

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Vec<u32>>,
    complete: Vec<usize>,
    /// The implementation that made it, where that is said.
    oracle: Option<String>,
}

impl Fixture {
    /// Lays the model's files out in a folder of their own, beside a tokenizer in which token 17
    /// is the word `t17`.
    pub fn new(name: &str) -> Self {
        let original = fixture_folder().join("models").join(name);
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&original).unwrap_or_else(|error| panic!("{name}: {error}"))
        {
            let file = entry.unwrap().file_name();
            let is_result = file.to_str().unwrap().starts_with("activations");
            if !is_result && file != "prompts.json" {
                std::fs::copy(original.join(&file), folder.path().join(&file)).unwrap();
            }
        }
        let config: serde_json::Value = json(&format!("models/{name}/config.json"));
        // Networks that read no text have no tokenizer.
        if !NETWORKS.contains(&config["model_type"].as_str().unwrap()) {
            let vocabulary = config["vocab_size"].as_u64().unwrap() as usize;
            let words = tokenizer::words(vocabulary);
            std::fs::write(folder.path().join("tokenizer.json"), words).unwrap();
        }
        Self {
            name: name.to_owned(),
            folder,
            prompts: json(&format!("models/{name}/prompts.json")),
        }
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its prompts as token ids: three, of 5, 9 and 14 tokens.
    pub fn prompts(&self) -> &[Vec<u32>] {
        &self.prompts.prompts
    }

    /// What computed the activations.
    pub fn oracle(&self) -> String {
        let usual = match NETWORKS.iter().any(|network| self.name.starts_with(network)) {
            true => "pyvene 0.1.8",
            false => "transformers 4.52.4",
        };
        self.prompts.oracle.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// The indices of the prompts of which every component is in the fixture.
    pub fn complete(&self) -> &[usize] {
        &self.prompts.complete
    }

    /// What another implementation computed, for each prompt by `component/layer` or `component`.
    pub fn activations(&self, file: &str) -> Vec<BTreeMap<String, Tensor>> {
        let mut by_prompt = vec![BTreeMap::new(); self.prompts().len()];
        for (name, tensor) in tensors(&format!("models/{}/{file}", self.name)) {
            let (prompt, key) = name.split_once('/').unwrap();
            let prompt: usize = prompt.trim_start_matches('p').parse().unwrap();
            by_prompt[prompt].insert(key.to_owned(), tensor);
        }
        by_prompt
    }

    /// Opens the model without its weights.
    ///
    /// # Errors
    /// As [`Outline::open`]: some fixtures are there to be refused.
    pub fn outline(&self) -> Result<Outline, ModelError> {
        Outline::open(self.folder.path().to_str().unwrap(), &mut |_| ())
    }

    /// Loads the model.
    pub fn load(&self, precision: Precision) -> Model {
        self.outline()
            .and_then(|outline| Model::from_outline(outline, precision, &mut |_| ()))
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The fixture's prompts for a model.
    pub fn prompts_for(&self, outline: &Outline) -> Vec<Prompt> {
        self.prompts().iter().map(|tokens| outline.prompt_from_tokens(tokens).unwrap()).collect()
    }
}
