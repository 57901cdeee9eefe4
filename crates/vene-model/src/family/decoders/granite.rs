//! Granite 3 (IBM 2024): as Llama, with a factor on the embedding, on scores, on what modules add, and on logits.

use super::llama;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Gguf, GgufHead, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "granite",
    model_type: "granite",
    gguf: Some(Gguf {
        architecture: "granite",
        head: GgufHead::EmbeddingIfAbsent,
        is_permuted: true,
        reads_windows: false,
    }),
    about: "as llama, with factors on embedding, scores, contributions and logits",
    special,
    ..llama::FAMILY
};

pub(super) fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    let scale = if from.is_hugging_face() {
        config.embedding_scale = keys.optional_positive("embedding_multiplier")?;
        config.residual_scale = keys.optional_positive("residual_multiplier")?;
        config.logit_scale = keys.optional_positive("logits_scaling")?.map(f64::recip);
        Some(keys.positive("attention_multiplier")?)
    } else {
        config.embedding_scale = keys.positive_or_off("embedding_scale")?;
        config.residual_scale = keys.positive_or_off("residual_scale")?;
        config.logit_scale = Some(keys.positive("logit_scale")?.recip());
        // As llama.cpp has it: a model that was not trained with positions.
        if keys.said("rope.scaling.finetuned") == Some(false.into()) {
            config.layers.iter_mut().for_each(|layer| layer.rotary = None);
        }
        keys.positive_or_off("attention.scale")?
    };
    if let Some(scale) = scale {
        config.layers.iter_mut().for_each(|layer| layer.score_scale = scale);
    }
    Ok(())
}
