//! The normative table of components.
//!
//! Tools of this field disagree in what a name means, and their users get a tensor of the right
//! shape and the wrong values for it. So there is one table, here, and everything else is made
//! from it: the parser of names, `vene sites`, the documentation (`docs/components.md`) and the
//! check of aliases ([`crate::alias`]). Weights are as published: nothing is folded or centred.

mod blocks;
mod graph;

use std::fmt;
use std::str::FromStr;

use vene_named::UnknownName;

use crate::config::DecoderConfig;
pub use graph::Module;

/// A named place in a model at which an activation can be read and edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// What enters block 0.
    Embedding,
    /// The residual stream before a block.
    BlockInput,
    /// What the attention module reads: the residual stream after its norm.
    AttentionInput,
    /// The query projection, before query/key norm and rotary.
    QueryOutput,
    /// The key projection, before query/key norm and rotary.
    KeyOutput,
    /// The value projection.
    ValueOutput,
    /// Queries after the query norm.
    NormedQuery,
    /// Keys after the key norm.
    NormedKey,
    /// Queries after rotary position encoding.
    RotatedQuery,
    /// Keys after rotary position encoding.
    RotatedKey,
    /// Attention scores before the softmax.
    AttentionScore,
    /// Attention weights: the softmax of the scores.
    AttentionWeight,
    /// The weighted values of all heads: input of the output projection.
    AttentionValueOutput,
    /// Each head's own term after the output projection.
    HeadResult,
    /// What the attention module gives, before a post-norm.
    AttentionOutput,
    /// What attention adds to the residual stream.
    AttentionContribution,
    /// The residual stream between attention and MLP.
    ResidualMiddle,
    /// What the MLP reads: the residual stream after its norm.
    MlpInput,
    /// The gate projection, before the activation function.
    MlpGate,
    /// The up projection, before the activation function in a plain MLP.
    MlpUp,
    /// What the activation function gives.
    MlpActivation,
    /// The input of the down projection.
    MlpNeuron,
    /// The router's scores of the experts.
    RouterScore,
    /// The weights of the experts, 0 for those that are not chosen.
    ExpertWeight,
    /// What each chosen expert gives, before it is weighted.
    ExpertOutput,
    /// What the expert that every token has gives, under its gate.
    SharedExpertOutput,
    /// What the MLP gives, before a post-norm.
    MlpOutput,
    /// What the MLP adds to the residual stream.
    MlpContribution,
    /// How much of its state a recurrent block lets into the new one.
    ResetGate,
    /// How much of its state a recurrent block keeps.
    UpdateGate,
    /// The new state that a recurrent block proposes.
    NewGate,
    /// The residual stream after a block.
    BlockOutput,
    /// The residual stream after the last norm.
    FinalNorm,
    /// The unembedded logits.
    Logits,
}

/// How wide one row of a component is, and what its columns mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// `d_model`: the residual stream's.
    Model,
    /// `heads * head_dim`.
    Heads,
    /// `key_value_heads * head_dim`: fewer than the query heads under grouped-query attention.
    KeyValueHeads,
    /// `heads * d_model`.
    HeadModels,
    /// `d_mlp`.
    Mlp,
    /// The experts.
    Experts,
    /// `experts * d_model`.
    ExpertModels,
    /// The vocabulary.
    Vocabulary,
    /// No row of a fixed width: `[head, query, key]` for each sequence.
    Pattern,
}

/// What the table says of one component.
#[derive(Clone, Copy, Debug)]
pub struct ComponentInfo {
    /// Which component.
    pub component: Component,
    /// vene's name for it.
    pub name: &'static str,
    /// What it is, as an expression over other components.
    pub expression: &'static str,
    /// Its columns.
    pub width: Width,
    /// Whether each layer has one.
    pub per_layer: bool,
    /// A caveat that bites, or nothing.
    pub caveat: &'static str,
}

const fn info(
    component: Component,
    name: &'static str,
    expression: &'static str,
    width: Width,
    per_layer: bool,
    caveat: &'static str,
) -> ComponentInfo {
    ComponentInfo { component, name, expression, width, per_layer, caveat }
}

/// Every component, in the order in which data flows.
pub const COMPONENTS: [ComponentInfo; 34] = {
    use Component::*;
    [
        info(
            Embedding,
            "embedding",
            "token embedding (+ learned position embedding), scaled or normed if the family does so",
            Width::Model,
            false,
            "one place with block_input of layer 0",
        ),
        info(
            BlockInput,
            "block_input",
            "residual stream before the block",
            Width::Model,
            true,
            "one place with block_output of the layer before",
        ),
        info(AttentionInput, "attention_input", "norm(block_input)", Width::Model, true, ""),
        info(
            QueryOutput,
            "query_output",
            "W_Q attention_input + b_Q",
            Width::Heads,
            true,
            "before query norm and rotary",
        ),
        info(
            KeyOutput,
            "key_output",
            "W_K attention_input + b_K",
            Width::KeyValueHeads,
            true,
            "before key norm and rotary; a head here serves a whole group of query heads",
        ),
        info(
            ValueOutput,
            "value_output",
            "W_V attention_input + b_V",
            Width::KeyValueHeads,
            true,
            "a head here serves a whole group of query heads",
        ),
        info(
            NormedQuery,
            "normed_query",
            "norm(query_output), each head by itself",
            Width::Heads,
            true,
            "",
        ),
        info(
            NormedKey,
            "normed_key",
            "norm(key_output), each head by itself",
            Width::KeyValueHeads,
            true,
            "",
        ),
        info(
            RotatedQuery,
            "rotated_query",
            "rotary(normed_query or query_output)",
            Width::Heads,
            true,
            "depends on the position: a row read at another position carries that position's angle",
        ),
        info(
            RotatedKey,
            "rotated_key",
            "rotary(normed_key or key_output)",
            Width::KeyValueHeads,
            true,
            "depends on the position: a row read at another position carries that position's angle",
        ),
        info(
            AttentionScore,
            "attention_score",
            "scale * query . key, soft-capped or lower with the distance (ALiBi) where the family does so",
            Width::Pattern,
            true,
            "keys that the query may not see are -inf and stay so whatever is edited",
        ),
        info(
            AttentionWeight,
            "attention_weight",
            "softmax(attention_score), over the keys and the head's sink where there is one",
            Width::Pattern,
            true,
            "an edited row is not renormalised; keys that the query may not see stay 0",
        ),
        info(
            AttentionValueOutput,
            "attention_value_output",
            "attention_weight . value, all heads side by side",
            Width::Heads,
            true,
            "",
        ),
        info(
            HeadResult,
            "head_result",
            "W_O[head] attention_value_output[head]",
            Width::HeadModels,
            true,
            "without the output projection's bias",
        ),
        info(
            AttentionOutput,
            "attention_output",
            "sum of head_result + b_O",
            Width::Model,
            true,
            "before a post-norm",
        ),
        info(
            AttentionContribution,
            "attention_contribution",
            "attention_output, after the post-norm where there is one",
            Width::Model,
            true,
            "",
        ),
        info(
            ResidualMiddle,
            "residual_middle",
            "block_input + attention_contribution",
            Width::Model,
            true,
            "",
        ),
        info(MlpInput, "mlp_input", "norm(residual_middle)", Width::Model, true, ""),
        info(MlpGate, "mlp_gate", "W_gate mlp_input + b_gate", Width::Mlp, true, ""),
        info(
            MlpUp,
            "mlp_up",
            "W_up mlp_input + b_up",
            Width::Mlp,
            true,
            "in a plain MLP the activation's argument",
        ),
        info(
            MlpActivation,
            "mlp_activation",
            "activation(mlp_gate), or of mlp_up in a plain MLP",
            Width::Mlp,
            true,
            "",
        ),
        info(
            MlpNeuron,
            "mlp_neuron",
            "mlp_activation * mlp_up, or mlp_activation in a plain MLP",
            Width::Mlp,
            true,
            "",
        ),
        info(
            RouterScore,
            "router_score",
            "W_router mlp_input",
            Width::Experts,
            true,
            "before softmax and choice",
        ),
        info(
            ExpertWeight,
            "expert_weight",
            "softmax(router_score), 0 but for the chosen experts",
            Width::Experts,
            true,
            "an edit chooses: an expert is computed where its weight is not 0, and has no gradient elsewhere; nothing is normalised after it",
        ),
        info(
            ExpertOutput,
            "expert_output",
            "each chosen expert's W_down (activation(W_gate mlp_input) * W_up mlp_input), side by side",
            Width::ExpertModels,
            true,
            "0 for experts that are not chosen, where an edit changes nothing",
        ),
        info(
            SharedExpertOutput,
            "shared_expert_output",
            "sigmoid(w mlp_input) times what the shared expert gives",
            Width::Model,
            true,
            "",
        ),
        info(
            MlpOutput,
            "mlp_output",
            "W_down mlp_neuron + b_down",
            Width::Model,
            true,
            "before a post-norm",
        ),
        info(
            MlpContribution,
            "mlp_contribution",
            "mlp_output, after the post-norm where there is one",
            Width::Model,
            true,
            "",
        ),
        info(
            ResetGate,
            "reset_gate",
            "sigmoid(W_xr block_input + b_xr + W_hr state + b_hr)",
            Width::Model,
            true,
            "state is block_output at the position before, and 0 at the first",
        ),
        info(
            UpdateGate,
            "update_gate",
            "sigmoid(W_xz block_input + b_xz + W_hz state + b_hz)",
            Width::Model,
            true,
            "1 keeps the state",
        ),
        info(
            NewGate,
            "new_gate",
            "tanh(W_xn block_input + b_xn + reset_gate * (W_hn state + b_hn))",
            Width::Model,
            true,
            "no gate but the proposed state; the name is pyvene's",
        ),
        info(
            BlockOutput,
            "block_output",
            "residual_middle + mlp_contribution",
            Width::Model,
            true,
            "one place with block_input of the next layer",
        ),
        info(
            FinalNorm,
            "final_norm",
            "norm(block_output of the last layer)",
            Width::Model,
            false,
            "",
        ),
        info(
            Logits,
            "logits",
            "W_U final_norm, soft-capped where the family does",
            Width::Vocabulary,
            false,
            "",
        ),
    ]
};

impl Component {
    /// The table's line for this component.
    pub fn info(self) -> &'static ComponentInfo {
        &COMPONENTS[self.rank()]
    }

    /// vene's name, e.g. `mlp_output`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether each layer has one.
    pub fn per_layer(self) -> bool {
        self.info().per_layer
    }

    /// Why `config`'s models lack this component in every layer, or `None` where a layer has it
    /// ([`Component::missing_in`] tells which).
    pub fn missing(self, config: &DecoderConfig) -> Option<&'static str> {
        match self {
            Self::FinalNorm if !config.final_norm => {
                Some("this network has no norm at its end: use block_output of the last layer")
            }
            _ if !self.per_layer() => None,
            _ => {
                let reasons = (0..config.layers.len()).map(|layer| self.missing_in(config, layer));
                reasons.reduce(|first, other| first.filter(|_| other.is_some())).flatten()
            }
        }
    }

    /// How many values one row has, or `None` for `[head, query, key]` patterns.
    pub fn width(self, config: &DecoderConfig) -> Option<usize> {
        match self.info().width {
            Width::Model => Some(config.d_model),
            Width::Heads => Some(config.heads * config.head_dim),
            Width::KeyValueHeads => Some(config.key_value_heads * config.head_dim),
            Width::HeadModels => Some(config.heads * config.d_model),
            Width::Mlp => Some(config.d_mlp),
            Width::Experts => config.experts().map(|experts| experts.count),
            Width::ExpertModels => config.experts().map(|experts| experts.count * config.d_model),
            Width::Vocabulary => Some(config.vocabulary),
            Width::Pattern => None,
        }
    }

    /// How many heads stand side by side in a row, or `None` where the component has no heads.
    pub fn heads(self, config: &DecoderConfig) -> Option<usize> {
        match self.info().width {
            Width::Heads | Width::HeadModels | Width::Pattern => Some(config.heads),
            Width::KeyValueHeads => Some(config.key_value_heads),
            Width::Model
            | Width::Mlp
            | Width::Experts
            | Width::ExpertModels
            | Width::Vocabulary => None,
        }
    }

    /// Whether it is `[head, query, key]` for each sequence rather than a row for each position.
    pub fn is_pattern(self) -> bool {
        self.info().width == Width::Pattern
    }

    /// The components that models of this configuration have, in the order in which data flows.
    pub fn all(config: &DecoderConfig) -> impl Iterator<Item = Component> + '_ {
        COMPONENTS
            .iter()
            .map(|info| info.component)
            .filter(|component| component.missing(config).is_none())
    }
}

/// By vene's own names; [`alias::resolve`](crate::alias::resolve) knows those of other tools too.
///
/// ```
/// use vene_model::Component;
///
/// assert_eq!("mlp_output".parse(), Ok(Component::MlpOutput));
/// let error = "mlp_outptu".parse::<Component>().unwrap_err().to_string();
/// assert!(error.starts_with("there is no component `mlp_outptu`; did you mean `mlp_output`?"));
/// ```
impl FromStr for Component {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = COMPONENTS.iter().find(|info| info.name == name);
        found.map(|info| info.component).ok_or_else(|| {
            let known: Vec<&str> = COMPONENTS.iter().map(|info| info.name).collect();
            UnknownName::new("component", name, &known)
        })
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
