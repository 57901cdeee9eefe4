//! Families: published configurations and tensor names, translated into the one decoder.
//!
//! A family is one file. It turns a `config.json` (or GGUF metadata) into a [`DecoderConfig`] and
//! names its tensors; it computes nothing. Before it reads them, configuration and names are brought into one
//! form (`form.rs`, `names.rs`). To add a family: write its file, name it in `open`, and give it fixtures.

mod activation;
mod form;
mod gemma3;
mod gguf_rope;
mod gpt2;
mod keys;
mod llama;
mod names;
mod networks;
mod rope;
mod weights;

use serde_json::Value;
use vene_checkpoint::gguf::Metadata;
use vene_checkpoint::{CheckpointError, Description, Notices, Tensors};

use crate::config::DecoderConfig;
use crate::error::ModelError;
use crate::opening::Opening;
use crate::tensors::{BlockTensors, HostTensor, LinearTensors, OuterTensors};
use keys::Keys;
pub(crate) use keys::meaningful;
pub(crate) use names::Names;
use names::Scheme;
pub(crate) use weights::Weights;

/// The families, as `model_type` of a `config.json` and `general.architecture` of a GGUF name them.
pub const FAMILIES: [(&str, &str); 5] = [
    ("gpt2", "learned positions, layer norms, plain GELU MLP"),
    (
        "llama",
        "rotary positions, RMS norms, grouped-query attention, gated MLP (SmolLM2, Llama 2 and 3)",
    ),
    ("gemma3", "as llama, with post-norms, query/key norms and sliding windows (gemma3_text)"),
    ("mlp", "a multilayer perceptron that classifies vectors (pyvene's MLPForClassification)"),
    ("gru", "a gated recurrent network (pyvene's GRUForClassification, GRULMHeadModel)"),
];

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
            let names = Names::unwrapped(tensors, scheme(model_type), notices)?;
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
    let family: Box<dyn Family> = match (name.as_str(), naming) {
        ("mlp", Naming::HuggingFace) => Box::new(networks::Network::mlp(&keys)?),
        ("gru", Naming::HuggingFace) => Box::new(networks::Network::gru(&keys, &names)?),
        ("gpt2", _) => Box::new(gpt2::Gpt2::new(&keys, naming, &mut names)?),
        ("llama", _) => Box::new(llama::Llama::new(&keys, naming, &mut names)?),
        ("gemma3_text", Naming::HuggingFace) | ("gemma3", Naming::Gguf) => {
            Box::new(gemma3::Gemma3::new(&keys, naming, &mut names)?)
        }
        _ => return Err(ModelError::UnknownFamily { name }),
    };
    keys.refuse_unread()?;
    look_through(family.as_ref(), &names, notices).map_err(|error| with_defaults(error, &keys))?;
    Ok(Opened { family, names })
}

/// How a family's tensors are named in Hugging Face files.
fn scheme(model_type: &str) -> &'static Scheme {
    match model_type {
        "gpt2" => &gpt2::SCHEME,
        "llama" | "gemma3_text" => &llama::SCHEME,
        _ => &Scheme::PLAIN,
    }
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

/// Where the unembedding comes from.
enum Head {
    /// The file's own; there is no other.
    Own,
    /// The embedding, unless the file has another one, in spite of what this sentence says.
    Tied(String),
}

impl Head {
    /// As the configuration (or, in GGUF, the family) has it. A tied pair of which only the head was saved is
    /// made whole.
    fn of(
        keys: &Keys<'_>,
        naming: Naming,
        names: &mut Names,
        embedding: &str,
        class_ties: bool,
    ) -> Result<Self, ModelError> {
        if naming == Naming::Gguf {
            return Ok(if !names.contains("output.weight") || class_ties {
                Self::Tied(format!(
                    "a {} model's unembedding is its embedding",
                    keys.architecture()
                ))
            } else {
                Self::Own
            });
        }
        if keys.flag_or("tie_word_embeddings", class_ties)? {
            names.take_for_embedding("lm_head.weight", embedding);
            let class = keys.class_name();
            return Ok(Self::Tied(if keys.is_said("tie_word_embeddings") {
                "`tie_word_embeddings` is true".to_owned()
            } else {
                format!("`tie_word_embeddings` is left out, and true to {class}")
            }));
        }
        // Without an embedding there is more amiss than a head, and that is what is told.
        if !names.contains("lm_head.weight") && names.contains(embedding) {
            return Err(ModelError::NoHead {
                head: "lm_head.weight".into(),
                reason: match names.misplaced_head() {
                    Some(name) => format!(
                        "the file has `{name}`, which is not where a head is looked for: rename it to \
                         `lm_head.weight` if it is the head"
                    ),
                    None => "it was saved from a base class (such as LlamaModel), or is a classifier; take the \
                             files of the whole language model, or set `tie_word_embeddings` to true if its \
                             embedding is its head"
                        .into(),
                },
            });
        }
        Ok(Self::Own)
    }

    /// Its weights; `None` where it is the embedding.
    fn read(
        &self,
        weights: &Weights<'_>,
        naming: Naming,
        (name, embedding): (&str, &HostTensor),
    ) -> Result<Option<LinearTensors>, ModelError> {
        let stem = naming.pick("lm_head", "output");
        match self {
            Self::Own => {
                let table = [embedding.shape[0], embedding.shape[1]];
                weights.linear(stem, table, false).map(Some)
            }
            Self::Tied(why) => weights.head_beside(stem, (name, embedding), why),
        }
    }
}

/// A number of layers, within reason: nothing is allocated for what a hostile file claims.
fn layer_count(keys: &Keys<'_>, key: &str) -> Result<usize, ModelError> {
    const MOST: usize = 4096;
    match keys.count(key)? {
        layers if layers > MOST => Err(ModelError::WrongValue {
            key: key.into(),
            value: layers.to_string(),
            expected: format!("at most {MOST} layers"),
        }),
        layers => Ok(layers),
    }
}

/// `number / divisor`, where that leaves no remainder.
fn divided(what: &str, number: usize, divisor: usize) -> Result<usize, ModelError> {
    if !number.is_multiple_of(divisor) {
        return Err(ModelError::WrongValue {
            key: what.into(),
            value: number.to_string(),
            expected: format!("a multiple of {divisor}"),
        });
    }
    Ok(number / divisor)
}

/// The width of a head, which is even: rotary encoding turns pairs.
fn head_dim(
    keys: &Keys<'_>,
    naming: Naming,
    d_model: usize,
    heads: usize,
) -> Result<usize, ModelError> {
    let head_dim = match keys.optional_extent(naming.pick("head_dim", "attention.key_length"))? {
        Some(head_dim) => head_dim,
        None => divided("hidden size (by heads)", d_model, heads)?,
    };
    divided("head_dim", head_dim, 2)?;
    Ok(head_dim)
}

/// The vocabulary's size: as the configuration says, or else as the embedding has rows.
fn vocabulary(
    keys: &Keys<'_>,
    naming: Naming,
    names: &Names,
    embedding: &str,
) -> Result<usize, ModelError> {
    if naming == Naming::HuggingFace {
        return keys.extent("vocab_size");
    }
    match names.shape(embedding) {
        Some(&[vocabulary, _]) if vocabulary > 0 => Ok(vocabulary),
        _ => Err(keys::missing(embedding, "a tensor [vocabulary, d_model]")),
    }
}
