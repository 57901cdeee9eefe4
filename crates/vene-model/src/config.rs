//! What a decoder is made of, said once for all families.
//!
//! A family ([`crate::family`]) translates a published configuration into this one; the decoder
//! ([`crate::decoder`]) reads nothing else. Whatever changes the mathematics is a field here.

use half::bf16;

pub use crate::rotary::{LongTexts, Pairing, Rotary};

/// The shape and the options of a decoder, or of another network that is made of blocks in a row.
///
/// Where no block is a transformer's, heads and their widths are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// The family's name as in `config.json`'s `model_type`, e.g. `gpt2`.
    pub family: &'static str,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; fewer than `heads` under grouped-query attention, and a divisor of it.
    pub key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width of the MLP's hidden layer.
    pub d_mlp: usize,
    /// Rows of the embedding: tokens, or the input vectors of a network that reads no text.
    pub inputs: usize,
    /// Rows of the unembedding: tokens, or the classes of a classifier.
    pub vocabulary: usize,
    /// The longest input in tokens.
    pub context: usize,
    /// Which norm, everywhere.
    pub norm: NormKind,
    /// Whether the tokens' embeddings are normed before they enter the first block.
    pub embedding_norm: bool,
    /// Whether the last block's output is normed before it is unembedded.
    pub final_norm: bool,
    /// What attention and MLP of a block read.
    pub residual: Residual,
    /// Whether what a module reads is normed.
    pub pre_norms: bool,
    /// Whether each module's output is normed before it is added to the residual stream.
    pub post_norms: bool,
    /// Queries, keys and values lie between this and its negative.
    pub projection_clip: Option<f64>,
    /// How queries and keys are normed, where they are.
    pub query_key_norm: Option<QueryKeyNorm>,
    /// The MLP's activation function.
    pub activation: Activation,
    /// Whether the MLP is gated: `activation(gate) * up`.
    pub gated: bool,
    /// The token embedding is multiplied by this.
    pub embedding_scale: Option<f64>,
    /// What a module adds to the residual stream is multiplied by this.
    pub residual_scale: Option<f64>,
    /// Attention scores become `cap * tanh(score / cap)`.
    pub score_soft_cap: Option<f64>,
    /// What is unembedded is multiplied by this. `final_norm` is what it was before.
    pub logit_scale: Option<f64>,
    /// Logits become `cap * tanh(logit / cap)`.
    pub logit_soft_cap: Option<f64>,
    /// How scores fall with the distance of a key, where that is how positions are told.
    pub alibi: Option<Alibi>,
    /// Whether each head has a sink: a learned score that takes part in the softmax, and to which no value belongs.
    pub sinks: bool,
    /// The rotary encodings that layers choose from; empty where positions are learned.
    pub rotaries: Vec<Rotary>,
    /// What differs from layer to layer.
    pub layers: Vec<LayerConfig>,
}

/// Attention with linear biases (Press et al. 2022): scores fall with the distance of the key.
#[derive(Clone, Debug, PartialEq)]
pub struct Alibi {
    /// By how much from one position to the next, for each query head.
    pub slopes: Vec<f32>,
    /// Where it is there: what falls is counted from the beginning of the text and rounded to bfloat16, as the position
    /// is, and then multiplied by this. So Falcon has it.
    pub rounded: Option<f64>,
}

impl Alibi {
    /// With slopes, and what they give, rounded to bfloat16, and multiplied by a factor.
    pub fn rounded(slopes: Vec<f32>, factor: f64) -> Self {
        let slopes = slopes.into_iter().map(|slope| bf16::from_f32(slope).to_f32()).collect();
        Self { slopes, rounded: Some(factor) }
    }

    /// By how much the score of a key is lower than that of the query's own position.
    pub fn fall(&self, head: usize, query: usize, key: usize) -> f64 {
        let slope = self.slopes[head];
        match self.rounded {
            None => f64::from(slope) * (query as f64 - key as f64),
            Some(factor) => {
                let rounded = |x: f32| bf16::from_f32(x).to_f32();
                let fallen = |place: usize| f64::from(rounded(slope * rounded(place as f32)));
                factor * (fallen(query) - fallen(key))
            }
        }
    }
}

/// What a block computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
    /// Attention and an MLP, each of which adds to the residual stream.
    Transformer,
    /// `activation(W x + b)`: a layer of a multilayer perceptron, each position by itself.
    Feedforward,
    /// A gated recurrent unit (Cho et al. 2014), which carries a state from position to position.
    GatedRecurrent,
}

/// What the modules of a transformer's block read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// The MLP reads what attention has added to.
    Sequential,
    /// Both read what enters the block (Wang and Komatsuzaki 2021): there is no `residual_middle`.
    Parallel,
}

/// The norm of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKeyNorm {
    /// Each head by itself, all with the same weight.
    EachHead,
    /// Each head by itself, with a weight of its own.
    EachHeadOwn,
    /// All heads together.
    AllHeads,
}

/// The extents of a transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extents {
    /// As [`DecoderConfig::d_model`].
    pub d_model: usize,
    /// As [`DecoderConfig::heads`].
    pub heads: usize,
    /// As [`DecoderConfig::key_value_heads`].
    pub key_value_heads: usize,
    /// As [`DecoderConfig::head_dim`].
    pub head_dim: usize,
    /// As [`DecoderConfig::d_mlp`].
    pub d_mlp: usize,
    /// Tokens of the embedding and of the unembedding.
    pub vocabulary: usize,
    /// As [`DecoderConfig::context`].
    pub context: usize,
    /// The number of blocks.
    pub layers: usize,
}

/// What differs from layer to layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// What the block computes.
    pub kind: BlockKind,
    /// Scores are multiplied by this.
    pub score_scale: f64,
    /// A query sees this many positions, itself included; `None`: all before it.
    pub window: Option<usize>,
    /// Index into [`DecoderConfig::rotaries`].
    pub rotary: Option<usize>,
    /// The MLP's experts, where it is a mixture of them; `None`: it is one MLP.
    pub experts: Option<Experts>,
}

/// A mixture of experts (Shazeer et al. 2017): small MLPs, of which a router chooses some for each token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// How many there are; the same in all layers that have any.
    pub count: usize,
    /// How many are chosen for each token.
    pub chosen: usize,
    /// Width of an expert's hidden layer.
    pub d_expert: usize,
    /// What becomes of the router's scores.
    pub routing: Routing,
    /// Width of the hidden layer of one that every token has besides, under a gate of its own.
    pub d_shared: Option<usize>,
    /// How gate and up become the hidden layer, where it is not `activation(gate) * up`.
    pub clamped: Option<ClampedGate>,
}

/// A hidden layer of `g sigmoid(steepness g) (u + 1)`, where `g` is the gate, at most `limit`, and `u` the up, between `limit` and
/// its negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClampedGate {
    /// What the sigmoid's argument is multiplied by.
    pub steepness: f64,
    /// What gate and up are clamped to.
    pub limit: f64,
}

/// How a router's scores become the weights of the experts that it chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Softmax over all experts, of which the largest are kept; they are made to sum to 1 where they are `normalised`.
    SoftmaxThenChoose {
        /// Whether the weights of those that are chosen sum to 1.
        normalised: bool,
    },
    /// Softmax over the chosen ones.
    ChooseThenSoftmax,
}

/// The normalisation of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormKind {
    /// Layer normalisation (Ba et al. 2016): centred, divided by the standard deviation.
    Layer {
        /// Added to the variance.
        epsilon: f64,
    },
    /// Root-mean-square normalisation (Zhang and Sennrich 2019).
    RootMeanSquare {
        /// Added to the mean square.
        epsilon: f64,
        /// Whether the weight is stored as its difference from 1, as Gemma does.
        unit_offset: bool,
    },
}

/// The activation function of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel 2016).
    GeluExact,
    /// The tanh approximation of GELU; `gelu_new` and `gelu_pytorch_tanh` of transformers.
    GeluTanh,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// [`Activation::GeluExact`], but never more than 10; `gelu_10` of transformers.
    GeluClipped,
    /// `x * sigmoid(1.702 x)`; `quick_gelu` of transformers.
    GeluQuick,
    /// `x * tanh(ln(1 + e^x))` (Misra 2019).
    Mish,
    /// `max(x, 0)^2` (So et al. 2021); `relu2` of transformers.
    ReluSquared,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x`, or a hundredth of it where it is negative; `leaky_relu` of transformers.
    ReluLeaky,
    /// `x`.
    Linear,
}

impl LayerConfig {
    /// A layer without attention.
    pub fn without_attention(kind: BlockKind) -> Self {
        Self { kind, score_scale: 1.0, window: None, rotary: None, experts: None }
    }
}

impl DecoderConfig {
    /// A transformer as GPT-2 is one: learned positions, each module normed before, a plain MLP, attention to all that
    /// came before. What is different in a family is said after.
    pub fn transformer(family: &'static str, extents: Extents, norm: NormKind) -> Self {
        let Extents { d_model, heads, key_value_heads, head_dim, d_mlp, .. } = extents;
        let layer = LayerConfig {
            score_scale: (head_dim as f64).sqrt().recip(),
            ..LayerConfig::without_attention(BlockKind::Transformer)
        };
        Self {
            family,
            d_model,
            heads,
            key_value_heads,
            head_dim,
            d_mlp,
            inputs: extents.vocabulary,
            vocabulary: extents.vocabulary,
            context: extents.context,
            norm,
            embedding_norm: false,
            final_norm: true,
            residual: Residual::Sequential,
            pre_norms: true,
            post_norms: false,
            projection_clip: None,
            query_key_norm: None,
            activation: Activation::GeluTanh,
            gated: false,
            embedding_scale: None,
            residual_scale: None,
            score_soft_cap: None,
            logit_scale: None,
            logit_soft_cap: None,
            alibi: None,
            sinks: false,
            rotaries: Vec::new(),
            layers: vec![layer; extents.layers],
        }
    }

    /// Whether blocks are transformers' (also where only some are).
    pub fn is_transformer(&self) -> bool {
        self.layers.iter().any(|layer| layer.kind == BlockKind::Transformer)
    }

    /// What every block computes, or `None` where they differ.
    pub fn only_kind(&self) -> Option<BlockKind> {
        let mut kinds = self.layers.iter().map(|layer| layer.kind);
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first)
    }

    /// Whether a block carries a state from position to position.
    pub fn is_recurrent(&self) -> bool {
        (0..self.layers.len()).any(|layer| self.recurs(layer))
    }

    /// Whether the block of this layer carries a state from position to position.
    pub fn recurs(&self, layer: usize) -> bool {
        self.layers.get(layer).is_some_and(|layer| layer.kind == BlockKind::GatedRecurrent)
    }

    /// Whether the MLP of a block reads what attention has added to.
    pub fn is_sequential(&self) -> bool {
        self.residual == Residual::Sequential
    }

    /// Whether what a module adds to the residual stream is something else than what the module gives.
    pub fn changes_contributions(&self) -> bool {
        self.post_norms || self.residual_scale.is_some()
    }

    /// Whether the norm of queries and keys is one of all heads together.
    pub fn norms_all_heads(&self) -> bool {
        self.query_key_norm == Some(QueryKeyNorm::AllHeads)
    }

    /// The experts of the layers that have any.
    pub fn experts(&self) -> Option<Experts> {
        self.layers.iter().find_map(|layer| layer.experts)
    }

    /// Width of all hidden layers of the widest MLP that one row goes through: that of all experts that are chosen for it.
    pub fn widest_mlp(&self) -> usize {
        let of_layer = |layer: &LayerConfig| match layer.experts {
            Some(experts) => experts.chosen * experts.d_expert + experts.d_shared.unwrap_or(0),
            None => self.d_mlp,
        };
        self.layers.iter().map(of_layer).max().unwrap_or(0)
    }

    /// Whether positions have a learned embedding: those of transformers that tell them in no other way.
    pub(crate) fn has_position_embedding(&self) -> bool {
        self.is_transformer() && self.rotaries.is_empty() && self.alibi.is_none()
    }

    /// The length of the shortest text whose rows are turned by the rotary encodings as those of a text of
    /// this length: 1 wherever frequencies do not depend on the text's length, as in most models. Rows of
    /// two texts can be shared only where this is equal.
    pub fn rotary_length(&self, length: usize) -> usize {
        let lengths = self.rotaries.iter().map(|rotary| rotary.equal_length(length));
        lengths.max().unwrap_or(1)
    }

    /// The length of the longest text that is turned as one of this length.
    pub fn longest_like(&self, length: usize) -> usize {
        let lengths = self.rotaries.iter().map(|rotary| rotary.longest_like(length));
        lengths.min().unwrap_or(usize::MAX)
    }

    /// Whether a rotary encoding's frequencies depend on the length of the text.
    pub fn turns_by_length(&self) -> bool {
        self.rotaries.iter().any(|rotary| rotary.long_texts.is_some())
    }

    /// Query heads for each key-value head.
    pub fn group(&self) -> usize {
        self.heads / self.key_value_heads
    }

    /// Whether a query at `query` sees a key at `key` in `layer`.
    pub fn visible(&self, layer: usize, query: usize, key: usize) -> bool {
        key <= query && self.layers[layer].window.is_none_or(|window| query - key < window)
    }
}
