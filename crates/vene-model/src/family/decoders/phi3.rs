//! Phi 3, 3.5 and 4 (Abdin et al. 2024): as Llama, with one matrix for queries, keys and values, one for gate and up, and a
//! sliding window.

use super::{llama, mistral};
use crate::config::Pairing;
use crate::family::slots::{Gate, LLAMA, Projections, Slots};
use crate::family::table::{Biases, Gguf, Positions, Share, Transformer, Turning};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "phi3",
    model_type: "phi3",
    gguf: Gguf::of("phi3"),
    about: "as llama, with joined projections and a sliding window (Phi 3, 3.5, 4)",
    positions: Positions::Rotary(Turning {
        base: Some("rope_theta"),
        share: Share::Factor("partial_rotary_factor"),
        pairing: Pairing::Halves,
    }),
    slots: SLOTS,
    biases: Biases::NONE,
    special: mistral::special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    projections: Projections::Stacked("self_attn.qkv_proj"),
    gate: Gate::BeforeUp,
    up: "mlp.gate_up_proj",
    ..LLAMA
};
