//! Llama (Touvron et al. 2023; Llama 3: Dubey et al. 2024), of which SmolLM2 is one: rotary
//! positions, RMS norms, grouped-query attention, a gated MLP.

use super::windows;
use crate::config::{Activation, Residual};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots;
use crate::family::table::{
    Activates, Bias, Biases, Gguf, GgufHead, Norm, Positions, Transformer, USUAL_KEYS, WHOLE_HEADS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "llama",
    model_type: "llama",
    gguf: Some(Gguf {
        architecture: "llama",
        head: GgufHead::EmbeddingIfAbsent,
        is_permuted: true,
        reads_windows: false,
    }),
    about: "rotary positions, RMS norms, grouped-query attention, gated MLP (SmolLM2, Llama 2 and 3)",
    keys: USUAL_KEYS,
    norm: Norm::RootMeanSquare("rms_norm_eps"),
    activation: Activates::Said("hidden_act", Activation::Silu),
    positions: Positions::Rotary(WHOLE_HEADS),
    residual: Residual::Sequential,
    slots: slots::LLAMA,
    biases: Biases {
        mlp: Bias::SaidOrThere("mlp_bias"),
        ..Biases::all(Bias::SaidOrThere("attention_bias"))
    },
    ties: false,
    special,
};

/// Every layer attends to everything.
fn special(from: &Reading<'_>, _: &mut Described) -> Result<(), ModelError> {
    windows::none(from)
}
