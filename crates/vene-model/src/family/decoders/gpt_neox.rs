//! GPT-NeoX (Black et al. 2022), of which Pythia (Biderman et al. 2023) is one: attention and MLP side by side, layer norms, a
//! rotary encoding of a part of each head.
//!
//! Query, key and value of each head stand together in one matrix.

use super::llama;
use crate::config::{Activation, Pairing, Residual};
use crate::error::ModelError;
use crate::family::keys::missing;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Gate, LLAMA, NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Gguf, GgufHead, Norm, Positions, Share, Transformer,
    Turning, USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gpt_neox",
    model_type: "gpt_neox",
    gguf: Some(Gguf {
        architecture: "gptneox",
        head: GgufHead::Own,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "attention and MLP side by side, layer norms, partly rotary heads (Pythia)",
    keys: ExtentKeys { key_value_heads: None, head_dim: None, ..USUAL_KEYS },
    norm: Norm::Layer("layer_norm_eps"),
    activation: Activates::Said("hidden_act", Activation::GeluTanh),
    positions: Positions::Rotary(Turning {
        base: Some("rotary_emb_base"),
        share: Share::Factor("rotary_pct"),
        pairing: Pairing::Halves,
    }),
    slots: SLOTS,
    biases: Biases { mlp: Bias::Always, ..Biases::all(Bias::SaidOrInGguf("attention_bias")) },
    special,
    ..llama::FAMILY
};

pub(super) const SLOTS: Slots = Slots {
    prefix: "gpt_neox.",
    embedding: "embed_in",
    final_norm: "final_layer_norm",
    head: "embed_out",
    // Causal masks that old checkpoints store.
    buffers: &[".attention.bias", ".attention.masked_bias"],
    projections: Projections::ByHead("attention.query_key_value"),
    attention_output: "attention.dense",
    gate: Gate::None,
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    norm_parts: NormParts::WeightAndBias,
    ..LLAMA
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    const PARALLEL: &str = "use_parallel_residual";
    if !from.is_hugging_face() && !from.keys.is_said(PARALLEL) {
        return Err(missing(PARALLEL, "true or false"));
    }
    if from.keys.flag_or(PARALLEL, true)? {
        told.config.residual = Residual::Parallel;
    }
    Ok(())
}
