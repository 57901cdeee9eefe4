//! GPT-2 (Radford et al. 2019): learned positions, layer norms with bias, a plain GELU MLP.
//!
//! Published weights are `Conv1D`, `[in, out]`, with query, key and value side by side.

use crate::config::{Activation, Residual};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Gate, LLAMA, NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Gguf, GgufHead, Norm, Positions, Transformer,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gpt2",
    model_type: "gpt2",
    gguf: Some(Gguf {
        architecture: "gpt2",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "learned positions, layer norms, plain GELU MLP",
    keys: KEYS,
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Said("activation_function", Activation::GeluTanh),
    positions: Positions::Learned,
    residual: Residual::Sequential,
    slots: SLOTS,
    biases: Biases::all(Bias::Always),
    ties: true,
    special,
};

pub(super) const KEYS: ExtentKeys = ExtentKeys {
    d_model: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    key_value_heads: None,
    head_dim: None,
    d_mlp: Some("n_inner"),
    d_mlp_is_optional: true,
    context: "n_positions",
    usual_context: None,
};

pub(super) const SLOTS: Slots = Slots {
    prefix: "transformer.",
    embedding: "wte",
    positions: Some("wpe"),
    blocks: "h",
    final_norm: "ln_f",
    beside: &["position_ids"],
    // Causal masks and positions that old checkpoints store.
    buffers: &[".attn.bias", ".attn.masked_bias", ".position_ids"],
    attention_norm: Some("ln_1"),
    projections: Projections::Stacked("attn.c_attn"),
    attention_output: "attn.c_proj",
    mlp_norm: Some("ln_2"),
    gate: Gate::None,
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    norm_parts: NormParts::WeightAndBias,
    transposed: true,
    ..LLAMA
};

/// Scores may be scaled by the layer, or not at all.
fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    if !from.is_hugging_face() {
        return Ok(());
    }
    let is_scaled = from.keys.flag_or("scale_attn_weights", true)?;
    let is_scaled_by_layer = from.keys.flag_or("scale_attn_by_inverse_layer_idx", false)?;
    for (index, layer) in told.config.layers.iter_mut().enumerate() {
        if !is_scaled {
            layer.score_scale = 1.0;
        }
        if is_scaled_by_layer {
            layer.score_scale /= (index + 1) as f64;
        }
    }
    Ok(())
}
