//! Phi 1, 1.5 and 2 (Gunasekar et al. 2023): attention and MLP side by side after one layer norm, a rotary encoding of a part of
//! each head, biases everywhere.

use super::llama;
use crate::config::{Activation, Pairing, QueryKeyNorm, Residual};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Gate, LLAMA, NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, Gguf, GgufHead, Norm, Positions, Share, Transformer, Turning,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "phi",
    model_type: "phi",
    gguf: Some(Gguf {
        architecture: "phi2",
        head: GgufHead::Own,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "attention and MLP side by side after one layer norm, partly rotary heads (Phi 1, 1.5, 2)",
    norm: Norm::Layer("layer_norm_eps"),
    activation: Activates::Said("hidden_act", Activation::GeluTanh),
    positions: Positions::Rotary(Turning {
        base: Some("rope_theta"),
        share: Share::Factor("partial_rotary_factor"),
        pairing: Pairing::Halves,
    }),
    residual: Residual::Parallel,
    slots: SLOTS,
    biases: Biases { head: Bias::Always, ..Biases::all(Bias::Always) },
    special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    final_norm: "final_layernorm",
    projections: Projections::Separate([
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
    ]),
    attention_output: "self_attn.dense",
    mlp_norm: LLAMA.attention_norm,
    gate: Gate::None,
    up: "mlp.fc1",
    down: "mlp.fc2",
    norm_parts: NormParts::WeightAndBias,
    ..LLAMA
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    if from.is_hugging_face() && from.keys.flag_or("qk_layernorm", false)? {
        told.slots.query_key_norms = Some(["self_attn.q_layernorm", "self_attn.k_layernorm"]);
        told.config.query_key_norm = Some(QueryKeyNorm::EachHead);
    }
    Ok(())
}
