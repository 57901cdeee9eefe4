//! Gemma 2 (Gemma Team 2024): as Gemma, with a norm on both sides of each module, sliding windows on every second layer, and
//! caps on scores and logits.

use super::{gemma, windows};
use crate::config::{Activation, DecoderConfig, Rotary};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{self, Slots};
use crate::family::table::{Activates, Gguf, GgufHead, Transformer};

/// The layers of Gemma 2 27B, which scales scores by the width of the model over its heads. GGUF metadata does
/// not say so: llama.cpp knows the model by its layers.
const LAYERS_OF_27B: usize = 46;

/// Where GGUF metadata does not say it.
const WINDOW: usize = 4096;

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gemma2",
    model_type: "gemma2",
    gguf: Some(Gguf {
        architecture: "gemma2",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: true,
    }),
    about: "as gemma, with post-norms, sliding windows, caps on scores and logits",
    activation: Activates::Said("hidden_activation", Activation::GeluTanh),
    slots: SLOTS,
    special,
    ..gemma::FAMILY
};

pub(super) const SLOTS: Slots = Slots {
    attention_post_norm: Some("post_attention_layernorm"),
    mlp_norm: Some("pre_feedforward_layernorm"),
    mlp_post_norm: Some("post_feedforward_layernorm"),
    ..slots::LLAMA
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    let scale = match from.is_hugging_face() {
        true => keys.positive("query_pre_attn_scalar")?,
        false => scale_in_gguf(config, LAYERS_OF_27B),
    };
    config.layers.iter_mut().for_each(|layer| layer.score_scale = scale.sqrt().recip());
    let layers = config.layers.len();
    if from.is_hugging_face() {
        let slides = windows::sliding(from, layers, |layer| layer % 2 == 0)?;
        windows::set(config, &slides, windows::width(from)?);
    } else {
        let window = keys.optional_count("attention.sliding_window")?.unwrap_or(WINDOW);
        let slides = windows::in_gguf(from, layers, 2)?;
        windows::set(config, &slides, Some(window));
        if let Some(base) = keys.optional_positive("rope.freq_base_swa")? {
            let local = Rotary::new(base, config.head_dim);
            windows::turn_by(config, &slides, local);
        }
    }
    config.embedding_scale = Some((config.d_model as f64).sqrt());
    config.score_soft_cap = cap(from, "attn_logit_softcapping", 50.0)?;
    config.logit_soft_cap = cap(from, "final_logit_softcapping", 30.0)?;
    Ok(())
}

/// By whose square root llama.cpp divides scores: the width of a head, but in the model of so many layers that of the model
/// over its heads, in whole numbers.
pub(super) fn scale_in_gguf(config: &DecoderConfig, layers_of_27b: usize) -> f64 {
    let is_27b = config.layers.len() == layers_of_27b;
    (if is_27b { config.d_model / config.heads } else { config.head_dim }) as f64
}

/// A cap. Where a GGUF file says none, it has llama.cpp's default.
fn cap(from: &Reading<'_>, key: &str, default: f64) -> Result<Option<f64>, ModelError> {
    match from.is_hugging_face() {
        true => from.soft_cap(key),
        false => Ok(Some(from.keys.optional_positive(key)?.unwrap_or(default))),
    }
}
