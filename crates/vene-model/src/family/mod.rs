//! Families: published configurations and tensor names, translated into the one decoder.
//!
//! A family is one file. It turns a `config.json` (or GGUF metadata) into a [`DecoderConfig`] and
//! names its tensors; it computes nothing. To add one: write its file, name it in `open`, and
//! give it fixtures.

mod gemma3;
mod gpt2;
mod keys;
mod llama;
mod networks;
mod rope;
mod weights;

use vene_checkpoint::{Description, Tensors};

use crate::config::{Activation, DecoderConfig, Rotary};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, OuterTensors};
use keys::Keys;
pub(crate) use keys::meaningful;
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

    /// Whether a tensor that no block asked for is a mere leftover: a buffer, or a tied copy.
    fn is_leftover(&self, name: &str) -> bool;
}

/// Finds the family of a description and lets it read it.
pub(crate) fn open(
    description: &Description,
    tensors: &Tensors,
) -> Result<Box<dyn Family>, ModelError> {
    let (keys, naming) = match description {
        Description::HuggingFace(config) => (Keys::hugging_face(config), Naming::HuggingFace),
        Description::Gguf(metadata) => (Keys::gguf(metadata)?, Naming::Gguf),
    };
    let name = match naming {
        Naming::HuggingFace => keys.text("model_type")?,
        Naming::Gguf => keys.architecture().to_owned(),
    };
    let family: Box<dyn Family> = match name.as_str() {
        "mlp" if naming == Naming::HuggingFace => Box::new(networks::Network::mlp(&keys)?),
        "gru" if naming == Naming::HuggingFace => Box::new(networks::Network::gru(&keys, tensors)?),
        "gpt2" => Box::new(gpt2::Gpt2::new(&keys, naming, tensors)?),
        "llama" => Box::new(llama::Llama::new(&keys, naming, tensors)?),
        "gemma3_text" | "gemma3" => Box::new(gemma3::Gemma3::new(&keys, naming, tensors)?),
        _ => return Err(ModelError::UnknownFamily { name }),
    };
    keys.refuse_unread()?;
    Ok(family)
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

/// An even number: rotary encoding turns pairs.
fn even(key: &str, number: usize) -> Result<usize, ModelError> {
    divided(key, number, 2)?;
    Ok(number)
}

/// An activation function by transformers' name for it.
fn activation(key: &str, name: &str) -> Result<Activation, ModelError> {
    match name {
        "gelu" => Ok(Activation::GeluExact),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "silu" | "swish" => Ok(Activation::Silu),
        "relu" => Ok(Activation::Relu),
        "tanh" => Ok(Activation::Tanh),
        "sigmoid" => Ok(Activation::Sigmoid),
        _ => Err(ModelError::NotUnderstood {
            key: key.into(),
            value: name.into(),
            understood: "gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish, relu, tanh, \
                         sigmoid"
                .into(),
        }),
    }
}

/// The vocabulary's size: as the configuration says, or else as the embedding has rows.
fn vocabulary(
    keys: &Keys<'_>,
    naming: Naming,
    tensors: &Tensors,
    embedding: &str,
) -> Result<usize, ModelError> {
    if naming == Naming::HuggingFace {
        return keys.count("vocab_size");
    }
    match tensors.shape(embedding) {
        Some(&[vocabulary, _]) if vocabulary > 0 => Ok(vocabulary),
        _ => Err(ModelError::MissingKey {
            key: embedding.into(),
            expected: "a tensor [vocabulary, d_model]".into(),
        }),
    }
}

/// The rotary scaling of a GGUF file: a linear factor, or a table of divisors (`rope_freqs`), in
/// which llama3 scaling is stored.
fn gguf_scaled(
    keys: &Keys<'_>,
    tensors: &Tensors,
    mut rotary: Rotary,
) -> Result<Rotary, ModelError> {
    let kind = keys.optional_text("rope.scaling.type")?;
    let factor = keys.optional_positive("rope.scaling.factor")?;
    keys.ignore(&["rope.scaling.original_context_length"]);
    match (kind.as_deref(), factor) {
        (None | Some("none"), None) => {}
        (None | Some("linear"), Some(factor)) => rotary = rotary.linear(factor),
        (kind, factor) => {
            return Err(ModelError::NotUnderstood {
                key: "rope.scaling".into(),
                value: format!("{kind:?} {factor:?}"),
                understood: "linear with a factor, or none".into(),
            });
        }
    }
    if tensors.shape("rope_freqs.weight").is_some() {
        let divisors = tensors.read_f32("rope_freqs.weight", &[rotary.frequencies.len()])?;
        for (frequency, divisor) in rotary.frequencies.iter_mut().zip(divisors) {
            *frequency /= f64::from(divisor);
        }
    }
    Ok(rotary)
}
