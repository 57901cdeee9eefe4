//! Command R (Cohere 2024): attention and MLP side by side after one layer norm without a bias, a rotary encoding of neighbouring
//! dimensions, scaled logits.

use super::llama;
use crate::config::{Pairing, Residual};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, QUERY_KEY_NORMS, Slots};
use crate::family::table::{
    Bias, Biases, Gguf, GgufHead, Norm, Positions, Share, Transformer, Turning,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "cohere",
    model_type: "cohere",
    gguf: Some(Gguf {
        architecture: "command-r",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "attention and MLP side by side after one layer norm, scaled logits (Command R)",
    norm: Norm::Layer("layer_norm_eps"),
    positions: Positions::Rotary(TURNING),
    residual: Residual::Parallel,
    slots: SLOTS,
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    ties: true,
    special,
    ..llama::FAMILY
};

pub(super) const TURNING: Turning =
    Turning { base: Some("rope_theta"), share: Share::All, pairing: Pairing::Adjacent };

pub(super) const SLOTS: Slots = Slots { mlp_norm: LLAMA.attention_norm, ..LLAMA };

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    if from.is_hugging_face() {
        told.config.logit_scale = from.keys.optional_positive("logit_scale")?;
        if from.keys.flag_or("use_qk_norm", false)? {
            told.norm_each_head(QUERY_KEY_NORMS);
        }
    } else {
        told.config.logit_scale = from.keys.positive_or_off("logit_scale")?;
        told.norm_each_head_in_gguf(from);
    }
    Ok(())
}
