//! A family of transformers as a table.
//!
//! Most of what tells families apart is said by names: of keys, of modules, of defaults. [`Transformer`] holds these. What a
//! table cannot say (which layers have a window, by what scores are scaled) a family says in a function of its own, which
//! changes what was read by the table.

use super::reading::{Described, Reading};
use super::slots::Slots;
use crate::config::{Activation, Pairing, Residual};
use crate::error::ModelError;

/// A family of transformers.
pub(super) struct Transformer {
    /// What it is called here.
    pub name: &'static str,
    /// `model_type` of a `config.json`.
    pub model_type: &'static str,
    /// How GGUF files have it, where such files are read.
    pub gguf: Option<Gguf>,
    /// What it is made of, in a line.
    pub about: &'static str,
    pub keys: ExtentKeys,
    pub norm: Norm,
    pub activation: Activates,
    pub positions: Positions,
    pub residual: Residual,
    pub slots: Slots,
    pub biases: Biases,
    /// Whether the embedding is the unembedding where a `config.json` says nothing of it.
    pub ties: bool,
    /// What a table cannot say.
    pub special: fn(&Reading<'_>, &mut Described) -> Result<(), ModelError>,
}

/// A family in GGUF files.
#[derive(Clone, Copy)]
pub(super) struct Gguf {
    /// `general.architecture`.
    pub architecture: &'static str,
    pub head: GgufHead,
    /// Whether rows of queries and keys are stored for adjacent pairs, where this family pairs halves.
    pub is_permuted: bool,
    /// Whether llama.cpp reads a window; where it does not, a window that is said is none.
    pub reads_windows: bool,
}

impl Gguf {
    /// As most families are.
    pub const fn of(architecture: &'static str) -> Option<Self> {
        let head = GgufHead::EmbeddingIfAbsent;
        Some(Self { architecture, head, is_permuted: false, reads_windows: false })
    }
}

/// Where a GGUF file has the unembedding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GgufHead {
    /// It is the embedding.
    Embedding,
    /// It is the embedding where there is no other.
    EmbeddingIfAbsent,
    /// In a tensor of its own.
    Own,
}

/// Keys of a `config.json` that say extents.
#[derive(Clone, Copy)]
pub(super) struct ExtentKeys {
    pub d_model: &'static str,
    pub layers: &'static str,
    pub heads: &'static str,
    /// None where each query head has its own.
    pub key_value_heads: Option<&'static str>,
    /// None where it is always the width of the model over the heads.
    pub head_dim: Option<&'static str>,
    /// None where it is always four times the width of the model.
    pub d_mlp: Option<&'static str>,
    /// Whether `d_mlp` may be absent, and is four times the width of the model then.
    pub d_mlp_is_optional: bool,
    pub context: &'static str,
    /// What it is where nothing says it.
    pub usual_context: Option<usize>,
}

/// Those of most families.
pub(super) const USUAL_KEYS: ExtentKeys = ExtentKeys {
    d_model: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    key_value_heads: Some("num_key_value_heads"),
    head_dim: Some("head_dim"),
    d_mlp: Some("intermediate_size"),
    d_mlp_is_optional: false,
    context: "max_position_embeddings",
    usual_context: None,
};

/// Which norm, and the key of its epsilon.
pub(super) enum Norm {
    Layer(&'static str),
    RootMeanSquare(&'static str),
    /// Its weight is published as the difference from 1.
    OffsetRootMeanSquare(&'static str),
    /// A layer norm whose epsilon is no key.
    FixedLayer(f64),
}

/// Which activation function an MLP has.
#[derive(Clone, Copy)]
pub(super) enum Activates {
    /// As this key says; GGUF files mean this one.
    Said(&'static str, Activation),
    /// This one, and GGUF files mean that one: llama.cpp has the tanh approximation alone.
    Always(Activation, Activation),
}

/// How a model knows where a token stands.
pub(super) enum Positions {
    Learned,
    /// The one encoding of all layers.
    Rotary(Turning),
    /// As the family's function says.
    Special,
}

/// What is turned by a rotary encoding.
pub(super) struct Turning {
    /// The key of its base, beside which it may be scaled. None where it is always 10,000, and never scaled.
    pub base: Option<&'static str>,
    pub share: Share,
    pub pairing: Pairing,
}

/// How many dimensions of a head are turned.
pub(super) enum Share {
    All,
    /// This share of them, by its key.
    Factor(&'static str),
    /// So many, by its key.
    Dimensions(&'static str),
}

/// Llama's.
pub(super) const WHOLE_HEADS: Turning =
    Turning { base: Some("rope_theta"), share: Share::All, pairing: Pairing::Halves };

/// Which projections have a bias.
#[derive(Clone, Copy)]
pub(super) struct Biases {
    /// Queries, keys and values.
    pub projections: Bias,
    pub attention_output: Bias,
    pub mlp: Bias,
    pub head: Bias,
}

impl Biases {
    pub const NONE: Self = Self::all(Bias::Never);

    /// The same of all projections but the head.
    pub const fn all(bias: Bias) -> Self {
        Self { projections: bias, attention_output: bias, mlp: bias, head: Bias::Never }
    }
}

/// Whether a projection has a bias.
#[derive(Clone, Copy)]
pub(super) enum Bias {
    Never,
    Always,
    /// As this key says, which is false where it is absent; in GGUF files never.
    Said(&'static str),
    /// As this key says; in GGUF files where it is there.
    SaidOrThere(&'static str),
    /// As this key says; in GGUF files always.
    SaidOrInGguf(&'static str),
    /// In GGUF files, where it is there.
    ThereInGguf,
}

/// A family that its table says whole.
pub(super) fn nothing_special(_: &Reading<'_>, _: &mut Described) -> Result<(), ModelError> {
    Ok(())
}
