//! What a block of each kind has, and what a component is where the block is no transformer's.

use super::Component;
use crate::config::{BlockKind, DecoderConfig};

impl Component {
    /// Why a layer of `config`'s models lacks this component, or `None` where it has it. Components
    /// that a model has once are in no layer; [`Component::missing`] tells of them.
    pub fn missing_in(self, config: &DecoderConfig, layer: usize) -> Option<&'static str> {
        match config.layers.get(layer)?.kind {
            BlockKind::Transformer => self.missing_in_transformer(config, layer),
            BlockKind::Feedforward => self.missing_in_feedforward(),
            BlockKind::GatedRecurrent => self.missing_in_gated_recurrent(),
        }
    }

    fn missing_in_transformer(self, config: &DecoderConfig, layer: usize) -> Option<&'static str> {
        match self {
            Self::ResidualMiddle if !config.is_sequential() => Some(
                "attention and MLP of this model read the same residual stream: use block_input or block_output",
            ),
            Self::NormedQuery | Self::NormedKey if config.query_key_norm.is_none() => {
                Some("this model has no query/key norm: use query_output or key_output")
            }
            Self::RotatedQuery | Self::RotatedKey if config.rotaries.is_empty() => {
                Some("this model has no rotary position encoding: use query_output or key_output")
            }
            Self::RotatedQuery | Self::RotatedKey if config.layers[layer].rotary.is_none() => {
                Some("this layer has no rotary position encoding: use query_output or key_output")
            }
            Self::RouterScore | Self::ExpertWeight | Self::ExpertOutput
                if config.layers[layer].experts.is_none() =>
            {
                Some(
                    "this layer's MLP is no mixture of experts: use mlp_gate, mlp_up, mlp_neuron or mlp_output",
                )
            }
            Self::SharedExpertOutput
                if config.layers[layer]
                    .experts
                    .is_none_or(|experts| experts.d_shared.is_none()) =>
            {
                Some(
                    "this layer has no expert that every token has: use expert_output or mlp_output",
                )
            }
            Self::MlpGate | Self::MlpUp | Self::MlpActivation | Self::MlpNeuron
                if config.layers[layer].experts.is_some() =>
            {
                Some(
                    "this layer's MLP is a mixture of experts: use router_score, expert_weight or expert_output",
                )
            }
            Self::MlpGate if !config.gated => {
                Some("this model's MLP has no gate: the activation's argument is mlp_up")
            }
            Self::ResetGate | Self::UpdateGate | Self::NewGate => Some(
                "a transformer carries no state from position to position: only gru networks do",
            ),
            _ => None,
        }
    }

    fn missing_in_feedforward(self) -> Option<&'static str> {
        match self {
            Self::BlockInput | Self::MlpUp | Self::MlpActivation | Self::BlockOutput => None,
            Self::MlpInput => Some("no norm stands before this MLP: use block_input"),
            Self::MlpGate => Some("this MLP has no gate: the activation's argument is mlp_up"),
            Self::RouterScore
            | Self::ExpertWeight
            | Self::ExpertOutput
            | Self::SharedExpertOutput => {
                Some("a multilayer perceptron has no experts: use mlp_up")
            }
            Self::MlpNeuron | Self::MlpOutput | Self::MlpContribution => {
                Some("a layer of a multilayer perceptron ends in its activation: use block_output")
            }
            Self::ResetGate | Self::UpdateGate | Self::NewGate => {
                Some("a multilayer perceptron carries no state: only gru networks do")
            }
            _ => Some("a multilayer perceptron has no attention: use block_input or block_output"),
        }
    }

    fn missing_in_gated_recurrent(self) -> Option<&'static str> {
        match self {
            Self::BlockInput
            | Self::ResetGate
            | Self::UpdateGate
            | Self::NewGate
            | Self::BlockOutput => None,
            Self::MlpInput
            | Self::MlpGate
            | Self::MlpUp
            | Self::MlpActivation
            | Self::MlpNeuron
            | Self::RouterScore
            | Self::ExpertWeight
            | Self::ExpertOutput
            | Self::SharedExpertOutput
            | Self::MlpOutput
            | Self::MlpContribution => Some(
                "a recurrent block has no MLP: use reset_gate, update_gate, new_gate or block_output",
            ),
            _ => Some("a recurrent block has no attention: use block_input or block_output"),
        }
    }

    /// What it is in models of this configuration, as an expression over other components: the
    /// table's, but where blocks are no transformers'.
    pub fn expression(self, config: &DecoderConfig) -> &'static str {
        use BlockKind::{Feedforward, GatedRecurrent, Transformer};
        match (self, config.only_kind()) {
            (Self::AttentionInput, Some(Transformer)) if !config.pre_norms => "block_input",
            (Self::MlpOutput, Some(Transformer))
                if config.layers.iter().all(|layer| layer.experts.is_some()) =>
            {
                "sum of expert_weight * expert_output (+ shared_expert_output)"
            }
            (Self::MlpInput, Some(Transformer)) if !config.pre_norms => "residual_middle",
            (Self::MlpInput, Some(Transformer)) if !config.is_sequential() => "norm(block_input)",
            (Self::BlockOutput, Some(Transformer)) if !config.is_sequential() => {
                "block_input + attention_contribution + mlp_contribution"
            }
            (Self::NormedQuery, Some(Transformer)) if config.norms_all_heads() => {
                "norm(query_output)"
            }
            (Self::NormedKey, Some(Transformer)) if config.norms_all_heads() => "norm(key_output)",
            (Self::Embedding, Some(Feedforward | GatedRecurrent)) => "the input vector",
            (Self::BlockInput, Some(Feedforward | GatedRecurrent)) => {
                "the input vector, or block_output of the layer before"
            }
            (Self::MlpUp, Some(Feedforward)) => "W block_input + b",
            (Self::MlpActivation, Some(Feedforward)) => "activation(mlp_up)",
            (Self::BlockOutput, Some(Feedforward)) => "mlp_activation",
            (Self::BlockOutput, Some(GatedRecurrent)) => {
                "(1 - update_gate) * new_gate + update_gate * state"
            }
            (Self::Logits, Some(Feedforward | GatedRecurrent)) => {
                "W_U block_output of the last layer (+ b_U)"
            }
            _ => self.info().expression,
        }
    }

    /// The caveat that bites in models of this configuration, or nothing.
    pub fn caveat(self, config: &DecoderConfig) -> &'static str {
        use BlockKind::{Feedforward, GatedRecurrent};
        match (self, config.only_kind()) {
            (Self::BlockInput, Some(GatedRecurrent)) => {
                "an edit is seen by this layer only; block_output of the layer before is also its state"
            }
            (Self::BlockOutput, Some(GatedRecurrent)) => {
                "the state at the next position, and what the next layer reads: later positions see an edit"
            }
            (Self::MlpUp, Some(Feedforward)) => "the activation's argument",
            (Self::MlpActivation, Some(Feedforward)) => "one place with block_output",
            (Self::Logits, Some(Feedforward | GatedRecurrent)) => "at every position",
            _ => self.info().caveat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Extents, LayerConfig, NormKind};

    fn mixed(kinds: &[BlockKind]) -> DecoderConfig {
        let extents = Extents {
            d_model: 8,
            heads: 2,
            key_value_heads: 2,
            head_dim: 4,
            d_mlp: 8,
            vocabulary: 10,
            context: 8,
            layers: 0,
        };
        DecoderConfig {
            final_norm: false,
            layers: kinds.iter().map(|&kind| LayerConfig::without_attention(kind)).collect(),
            ..DecoderConfig::transformer("test", extents, NormKind::Layer { epsilon: 1e-5 })
        }
    }

    #[test]
    fn a_network_has_what_one_of_its_layers_has() {
        use BlockKind::{Feedforward, GatedRecurrent, Transformer};
        let names = |config: &DecoderConfig| {
            Component::all(config).map(Component::name).collect::<Vec<_>>().join(" ")
        };
        let perceptron = mixed(&[Feedforward; 2]);
        assert_eq!(
            names(&perceptron),
            "embedding block_input mlp_up mlp_activation block_output logits"
        );
        let recurrent = mixed(&[GatedRecurrent]);
        assert_eq!(
            names(&recurrent),
            "embedding block_input reset_gate update_gate new_gate block_output logits"
        );
        let both = mixed(&[GatedRecurrent, Feedforward, Transformer]);
        assert!(Component::NewGate.missing(&both).is_none());
        assert!(Component::NewGate.missing_in(&both, 0).is_none());
        let reason = Component::NewGate.missing_in(&both, 1);
        assert!(reason.is_some_and(|reason| reason.contains("only gru networks do")));
        assert!(Component::QueryOutput.missing_in(&both, 2).is_none());
        let reason = Component::HeadResult.missing(&perceptron);
        assert!(reason.is_some_and(|reason| reason.contains("has no attention")));
        let reason = Component::FinalNorm.missing(&perceptron);
        assert!(reason.is_some_and(|reason| reason.contains("block_output of the last layer")));
    }
}
