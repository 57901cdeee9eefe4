//! BLOOM (Scao et al. 2022): as GPT-NeoX one after the other, with scores that fall with the distance in place of a rotary encoding,
//! and a norm of the embeddings.

use super::{alibi, llama};
use crate::config::{Activation, Alibi};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Gate, LLAMA, NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Gguf, Norm, Positions, Transformer, USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "bloom",
    model_type: "bloom",
    gguf: Gguf::of("bloom"),
    about: "layer norms, plain GELU MLP, ALiBi in place of positions, normed embeddings",
    keys: ExtentKeys {
        layers: "n_layer",
        heads: "n_head",
        key_value_heads: None,
        head_dim: None,
        d_mlp: None,
        context: "seq_length",
        usual_context: Some(2048),
        ..USUAL_KEYS
    },
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Always(Activation::GeluTanh, Activation::GeluTanh),
    positions: Positions::Special,
    slots: SLOTS,
    biases: Biases::all(Bias::Always),
    ties: true,
    special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    prefix: "transformer.",
    embedding: "word_embeddings",
    embedding_norm: Some("word_embeddings_layernorm"),
    blocks: "h",
    final_norm: "ln_f",
    projections: Projections::ByHead("self_attention.query_key_value"),
    attention_output: "self_attention.dense",
    gate: Gate::None,
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    norm_parts: NormParts::WeightAndBias,
    ..LLAMA
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let largest = match from.is_hugging_face() {
        true => 8.0,
        // llama.cpp takes this for what is not said.
        false => from.keys.optional_positive("attention.max_alibi_bias")?.unwrap_or(8.0),
    };
    let slopes = alibi::slopes(told.config.heads, largest);
    told.config.alibi = Some(Alibi { slopes, rounded: None });
    Ok(())
}
