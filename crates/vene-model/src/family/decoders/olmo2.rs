//! OLMo 2 (OLMo Team 2025): norms after the modules, none before them, and norms on all queries and all keys of a position.

use super::{llama, windows};
use crate::config::{QueryKeyNorm, Rotary};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, QUERY_KEY_NORMS, Slots};
use crate::family::table::{Bias, Biases, Gguf, GgufHead, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "olmo2",
    model_type: "olmo2",
    gguf: Some(Gguf {
        architecture: "olmo2",
        head: GgufHead::Own,
        is_permuted: false,
        reads_windows: true,
    }),
    about: "as llama, with norms after the modules and on queries and keys",
    slots: SLOTS,
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    special,
    ..llama::FAMILY
};

pub(super) const SLOTS: Slots = Slots {
    attention_norm: None,
    query_key_norms: QUERY_KEY_NORMS,
    attention_post_norm: Some("post_attention_layernorm"),
    mlp_norm: None,
    mlp_post_norm: Some("post_feedforward_layernorm"),
    ..LLAMA
};

/// Every so many layers of an OLMo 3 one attends to everything.
pub(super) const PERIOD: usize = 4;

pub(super) fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let config = &mut told.config;
    config.query_key_norm = Some(QueryKeyNorm::AllHeads);
    if from.is_hugging_face() {
        return Ok(());
    }
    // A GGUF file with a window is of an OLMo 3: only layers without it have a stretched rotary encoding.
    if let Some(window) = windows::width(from)? {
        let slides = windows::in_gguf(from, config.layers.len(), PERIOD)?;
        windows::set(config, &slides, Some(window));
        let local = Rotary::new(from.base_in_gguf()?, config.head_dim);
        windows::turn_by(config, &slides, local);
    }
    Ok(())
}
