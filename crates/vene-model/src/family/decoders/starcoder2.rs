//! StarCoder 2 (Lozhkov et al. 2024): as Llama, with layer norms, biases, a plain GELU MLP and a sliding window.

use super::{llama, mistral};
use crate::config::Activation;
use crate::family::slots::{Gate, LLAMA, NormParts, Slots};
use crate::family::table::{Activates, Bias, Biases, Gguf, Norm, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "starcoder2",
    model_type: "starcoder2",
    gguf: Gguf::of("starcoder2"),
    about: "as llama, with layer norms, biases and a plain GELU MLP",
    norm: Norm::Layer("norm_epsilon"),
    activation: Activates::Said("hidden_act", Activation::GeluTanh),
    slots: SLOTS,
    biases: Biases::all(Bias::SaidOrInGguf("use_bias")),
    ties: true,
    special: mistral::special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    gate: Gate::None,
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    norm_parts: NormParts::WeightAndBias,
    ..LLAMA
};
