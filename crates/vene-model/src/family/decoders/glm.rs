//! GLM 4 of 2024 (GLM Team 2024): as Llama, with a rotary encoding of neighbouring dimensions of a part of each head, and one
//! matrix for gate and up.

use super::llama;
use crate::config::Pairing;
use crate::family::slots::{Gate, LLAMA, Slots};
use crate::family::table::{
    Bias, Biases, Gguf, Positions, Share, Transformer, Turning, nothing_special,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "glm",
    model_type: "glm",
    gguf: Gguf::of("chatglm"),
    about: "as llama, with partly rotary heads (GLM-4 9B)",
    positions: Positions::Rotary(Turning {
        base: Some("rope_theta"),
        share: Share::Factor("partial_rotary_factor"),
        pairing: Pairing::Adjacent,
    }),
    slots: SLOTS,
    biases: Biases { projections: Bias::Said("attention_bias"), ..Biases::NONE },
    special: nothing_special,
    ..llama::FAMILY
};

pub(super) const SLOTS: Slots = Slots { gate: Gate::BeforeUp, up: "mlp.gate_up_proj", ..LLAMA };
