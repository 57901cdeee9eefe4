//! GPT-J (Wang and Komatsuzaki 2021): attention and MLP side by side after one layer norm, a rotary encoding of neighbouring
//! dimensions of a part of each head.

use super::{gpt2, llama};
use crate::config::{Activation, Pairing, Residual};
use crate::family::slots::{Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, Norm, Positions, Share, Transformer, Turning, nothing_special,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gptj",
    model_type: "gptj",
    gguf: None,
    about: "attention and MLP side by side after one layer norm, partly rotary heads (GPT-J)",
    keys: gpt2::KEYS,
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Said("activation_function", Activation::GeluTanh),
    positions: Positions::Rotary(Turning {
        base: None,
        share: Share::Dimensions("rotary_dim"),
        pairing: Pairing::Adjacent,
    }),
    residual: Residual::Parallel,
    slots: SLOTS,
    biases: Biases { mlp: Bias::Always, head: Bias::Always, ..Biases::NONE },
    special: nothing_special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    positions: None,
    // Causal masks and tables of sines that old checkpoints store.
    buffers: &[".attn.bias", ".attn.masked_bias", ".attn.embed_positions"],
    projections: Projections::Separate(["attn.q_proj", "attn.k_proj", "attn.v_proj"]),
    attention_output: "attn.out_proj",
    mlp_norm: gpt2::SLOTS.attention_norm,
    up: "mlp.fc_in",
    down: "mlp.fc_out",
    transposed: false,
    ..gpt2::SLOTS
};
