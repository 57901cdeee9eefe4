//! The models of `fixtures/configurations`: configurations, shapes, and weights by a formula.

use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Map, Value};
use vene_model::{Checkpoint, Model, ModelError, Opening, Outline, Precision};

use crate::{fixture, formula};

/// A configuration, and what another implementation makes of it.
#[derive(Clone, Deserialize)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// What `config.json` says.
    pub config: Map<String, Value>,
    /// Names and shapes of all tensors.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// What the other implementation computes.
    pub prompts: Vec<Expected>,
}

/// What is computed at a prompt's last position.
#[derive(Clone, Deserialize)]
pub struct Expected {
    /// Tokens of the prompt.
    pub length: usize,
    /// The first logits.
    pub logits: Vec<f64>,
    /// The largest of all, in absolute value.
    pub largest: f64,
    /// Where another run of a longer prompt, which begins as this one, is copied into it.
    #[serde(default)]
    pub patch: Option<Patch>,
}

/// A block's output at a position that is taken from the run of a longer prompt.
#[derive(Clone, Copy, Deserialize)]
pub struct Patch {
    /// Tokens of the longer prompt.
    pub source_length: usize,
    /// The block.
    pub layer: usize,
    /// The position, in both prompts.
    pub position: usize,
}

impl Configured {
    /// All of them.
    pub fn all() -> Vec<Self> {
        fixture::json("configurations/cases.json")
    }

    /// The one of this name.
    pub fn named(name: &str) -> Self {
        let mut all = Self::all().into_iter();
        all.find(|case| case.name == name).unwrap_or_else(|| panic!("no case `{name}`"))
    }

    /// Its safetensors, with names put through `rename` and values through `change`.
    pub fn weights(
        &self,
        rename: impl Fn(&str) -> String,
        change: impl Fn(&str, &mut Vec<f32>),
    ) -> Vec<u8> {
        let centred = self.config["model_type"].as_str().unwrap().starts_with("gemma");
        let data: Vec<(String, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, shape)| {
                let mut values = formula::weight(&plain(name), shape, centred);
                change(name, &mut values);
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (rename(name), bytes)
            })
            .collect();
        let views = data.iter().zip(&self.tensors).map(|((name, bytes), (_, shape))| {
            (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    /// Opens it with weights of its own.
    ///
    /// # Errors
    /// As [`Outline::open_with`].
    pub fn open_with(&self, weights: Vec<u8>, opening: &Opening) -> Result<Outline, ModelError> {
        let config = Value::Object(self.config.clone()).to_string();
        let checkpoint = Checkpoint::from_memory(&self.name, &config, weights, None)?;
        Outline::from_checkpoint_with(checkpoint, opening)
    }

    /// Opens it as it is.
    ///
    /// # Errors
    /// As [`Outline::open`].
    pub fn open(&self) -> Result<Outline, ModelError> {
        self.open_with(self.weights(str::to_owned, |_, _| ()), &Opening::default())
    }

    /// Loads it.
    pub fn load(&self, precision: Precision) -> Model {
        self.open()
            .and_then(|outline| Model::from_outline(outline, precision, &mut |_| ()))
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// A tensor's name without what wraps it: its values depend on nothing else.
fn plain(name: &str) -> String {
    let name = name.replace("model.language_model.", "model.").replace("language_model.", "");
    // Base classes leave their prefix out.
    match name.split('.').next().unwrap_or_default() {
        "wte" | "wpe" | "h" | "ln_f" => format!("transformer.{name}"),
        "embed_tokens" | "layers" | "norm" => format!("model.{name}"),
        _ => name,
    }
}
