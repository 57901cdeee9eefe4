//! Families: published configurations and tensor names, translated into the one decoder.
//!
//! A family of transformers is a table (`table.rs`) in a file of its own (`decoders/`): what its keys, tensors and defaults are
//! called, and a function for what a table cannot say. `reading.rs` turns a `config.json` (or GGUF metadata) into a
//! [`DecoderConfig`] by it, `loading.rs` takes the tensors by its names; nothing is computed. Before that, configuration and
//! names are brought into one form (`form.rs`, `names.rs`). To add a family: write its table, list it in
//! `decoders/mod.rs`, and give it fixtures.

mod activation;
mod decoders;
mod experts;
mod form;
mod gguf_rope;
mod head;
mod keys;
mod loading;
mod names;
mod networks;
mod reading;
mod rope;
mod slots;
mod table;
mod weights;

use serde_json::Value;
use vene_checkpoint::gguf::Metadata;
use vene_checkpoint::{CheckpointError, Description, Notices, Tensors};

use crate::config::DecoderConfig;
use crate::error::ModelError;
use crate::opening::Opening;
use crate::tensors::{BlockTensors, OuterTensors};
use decoders::TRANSFORMERS;
use keys::Keys;
pub(crate) use keys::meaningful;
pub(crate) use names::Names;
use names::Scheme;
pub(crate) use weights::Weights;

/// A family of models that is understood.
#[derive(Clone, Copy, Debug)]
pub struct FamilyInfo {
    /// Its name here, as [`DecoderConfig::family`] has it.
    pub name: &'static str,
    /// What a `config.json` calls it.
    pub model_type: &'static str,
    /// What a GGUF file calls it, where such files are read.
    pub architecture: Option<&'static str>,
    /// What it is made of, in a line.
    pub about: &'static str,
}

/// All families, transformers first.
pub fn families() -> impl Iterator<Item = FamilyInfo> {
    let transformers = TRANSFORMERS.iter().map(|family| FamilyInfo {
        name: family.name,
        model_type: family.model_type,
        architecture: family.gguf.map(|gguf| gguf.architecture),
        about: family.about,
    });
    let networks = networks::FAMILIES.into_iter().map(|(name, about)| FamilyInfo {
        name,
        model_type: name,
        architecture: None,
        about,
    });
    transformers.chain(networks)
}

/// Which of its two names a tensor goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    HuggingFace,
    Gguf,
}

impl Naming {
    fn pick<T>(self, hugging_face: T, gguf: T) -> T {
        match self {
            Self::HuggingFace => hugging_face,
            Self::Gguf => gguf,
        }
    }
}

/// A family that has read a model's description and is ready to read its weights.
pub(crate) trait Family: Send + Sync {
    /// The decoder that the description asks for.
    fn config(&self) -> &DecoderConfig;

    /// What stands before and behind the blocks.
    fn outer(&self, weights: &Weights<'_>) -> Result<OuterTensors, ModelError>;

    /// One block.
    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError>;

    /// Whether a tensor that no block asked for is a mere leftover: a buffer that is computed.
    fn is_leftover(&self, name: &str) -> bool;
}

/// A family that has read a description, and its tensors under the names that it uses.
pub(crate) struct Opened {
    pub(crate) family: Box<dyn Family>,
    pub(crate) names: Names,
}

/// Finds the family of a description and lets it read it. All tensors' shapes are looked at, no values.
pub(crate) fn open(
    description: &Description,
    tensors: &Tensors,
    notices: &Notices,
    opening: &Opening,
) -> Result<Opened, ModelError> {
    let (naming, mut names, keys) = match description {
        Description::HuggingFace(config) => {
            let config = form::of(config, notices, &opening.ignored_keys)?;
            let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
            let names = Names::unwrapped(tensors, &scheme(model_type), notices)?;
            let keys = Keys::hugging_face(config, &names, notices, &opening.ignored_keys);
            (Naming::HuggingFace, names, keys)
        }
        Description::Gguf(metadata) => {
            refuse_what_is_no_model(metadata)?;
            let names = Names::as_stored(tensors, notices);
            let keys = Keys::gguf(metadata, &names, notices, &opening.ignored_keys)?;
            (Naming::Gguf, names, keys)
        }
    };
    let name = match naming {
        Naming::HuggingFace => keys.text("model_type")?,
        Naming::Gguf => keys.architecture().to_owned(),
    };
    let transformer = TRANSFORMERS.iter().find(|family| match naming {
        Naming::HuggingFace => family.model_type == name,
        Naming::Gguf => family.gguf.is_some_and(|gguf| gguf.architecture == name),
    });
    let family: Box<dyn Family> = match (transformer, name.as_str(), naming) {
        (Some(family), ..) => Box::new(loading::Model::new(family, &keys, naming, &mut names)?),
        (_, "mlp", Naming::HuggingFace) => Box::new(networks::Network::mlp(&keys)?),
        (_, "gru", Naming::HuggingFace) => Box::new(networks::Network::gru(&keys, &names)?),
        _ => return Err(ModelError::UnknownFamily { name }),
    };
    keys.refuse_unread()?;
    look_through(family.as_ref(), &names, notices).map_err(|error| with_defaults(error, &keys))?;
    Ok(Opened { family, names })
}

/// How a family's tensors are named in Hugging Face files.
fn scheme(model_type: &str) -> Scheme {
    let family = TRANSFORMERS.iter().find(|family| family.model_type == model_type);
    family.map_or(Scheme::PLAIN, |family| family.slots.scheme())
}

fn refuse_what_is_no_model(metadata: &Metadata) -> Result<(), ModelError> {
    let advice = match metadata.string("general.type")? {
        None | Some("model") => return Ok(()),
        Some("adapter") => "merge the adapter into its base model, or give the base model itself",
        Some("mmproj") => "give the file of the language model, without `mmproj` in its name",
        Some(_) => "give a file with the weights of a model",
    };
    let what = metadata.string("general.type")?.unwrap_or_default().escape_default();
    Err(ModelError::NotAModel { what: format!("of the type `{what}`"), advice })
}

/// Looks whether all tensors are there, in the shapes that the configuration asks for, and no others.
fn look_through(family: &dyn Family, names: &Names, notices: &Notices) -> Result<(), ModelError> {
    let weights = Weights::of_shapes(names, notices);
    family.outer(&weights)?;
    for layer in 0..family.config().layers.len() {
        family.layer(&weights, layer)?;
    }
    weights.refuse_leftovers(family)
}

/// An error about a tensor, with the defaults that were taken for keys that are absent: one of them may be what
/// does not fit.
fn with_defaults(error: ModelError, keys: &Keys<'_>) -> ModelError {
    let defaults = keys.defaults_taken();
    let is_of_shape = matches!(
        error,
        ModelError::Checkpoint(
            CheckpointError::Shape { .. } | CheckpointError::UnknownTensor { .. }
        )
    );
    if !is_of_shape || defaults.is_empty() {
        return error;
    }
    let class = keys.class_name().to_owned();
    ModelError::ByDefault { error: Box::new(error), class, defaults }
}
