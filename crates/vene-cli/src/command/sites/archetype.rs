//! What models of each family have in common, for the table that is about no model in particular.

use vene_model::DecoderConfig;
use vene_model::config::{
    Activation, BlockKind, Experts, Extents, LayerConfig, NormKind, QueryKeyNorm, Rotary, Routing,
};

/// The families by the name under which people know them, and as `model_type` has them.
pub const FAMILIES: [(&str, &str); 4] = [
    ("GPT-2", "gpt2"),
    ("Llama", "llama"),
    ("Gemma 3", "gemma3"),
    ("Qwen with experts", "qwen2_moe"),
];

/// Networks besides transformers, likewise.
pub const NETWORKS: [(&str, &str); 2] = [("MLP", "mlp"), ("GRU", "gru")];

/// A configuration with the traits of a family and numbers of no meaning.
pub fn archetype(family: &'static str, layers: usize) -> DecoderConfig {
    let kind = match family {
        "mlp" => BlockKind::Feedforward,
        "gru" => BlockKind::GatedRecurrent,
        _ => BlockKind::Transformer,
    };
    let transformer = kind == BlockKind::Transformer;
    let llama = transformer && family != "gpt2";
    let gemma = family == "gemma3";
    let rotary = llama.then_some(0);
    let experts = (family == "qwen2_moe").then_some(Experts {
        count: 4,
        chosen: 2,
        d_expert: 8,
        routing: Routing::ChooseThenSoftmax,
        d_shared: Some(8),
        clamped: None,
    });
    let layer = LayerConfig { rotary, experts, ..LayerConfig::without_attention(kind) };
    let extents = Extents {
        d_model: 8,
        heads: 4,
        key_value_heads: if llama { 2 } else { 4 },
        head_dim: 2,
        d_mlp: 16,
        vocabulary: 10,
        context: 16,
        layers,
    };
    DecoderConfig {
        final_norm: transformer,
        post_norms: gemma,
        query_key_norm: gemma.then_some(QueryKeyNorm::EachHead),
        activation: if llama { Activation::Silu } else { Activation::GeluTanh },
        gated: llama,
        rotaries: if llama { vec![Rotary::new(1e4, 2)] } else { Vec::new() },
        layers: vec![layer; layers],
        ..DecoderConfig::transformer(family, extents, NormKind::Layer { epsilon: 1e-5 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vene_test_support::Fixture;

    /// The traits on which the table depends are those of real models of the family.
    #[test]
    fn archetypes_have_the_traits_of_their_family() {
        for (family, model) in [
            ("gpt2", "gpt2-plain"),
            ("llama", "llama-gqa"),
            ("gemma3", "gemma3-plain"),
            ("qwen2_moe", "qwen2_moe-dense"),
            ("mlp", "mlp-plain"),
            ("gru", "gru-plain"),
        ] {
            let fixture = Fixture::new(model).outline().unwrap();
            let traits = |config: &DecoderConfig| {
                let norms = (config.final_norm, config.post_norms, config.query_key_norm);
                let experts = config.experts().map(|experts| experts.d_shared.is_some());
                (config.only_kind(), norms, config.gated, config.rotaries.is_empty(), experts)
            };
            assert_eq!(traits(&archetype(family, 2)), traits(fixture.config()), "{family}");
        }
    }
}
