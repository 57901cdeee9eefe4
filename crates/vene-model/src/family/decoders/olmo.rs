//! OLMo (Groeneveld et al. 2024): as Llama, with layer norms that have no weights.

use super::llama;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, NormParts, Slots};
use crate::family::table::{Bias, Biases, Gguf, GgufHead, Norm, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "olmo",
    model_type: "olmo",
    gguf: Some(Gguf {
        architecture: "olmo",
        head: GgufHead::EmbeddingIfAbsent,
        is_permuted: true,
        reads_windows: false,
    }),
    about: "as llama, with layer norms that have no weights",
    norm: Norm::FixedLayer(1e-5),
    slots: Slots { norm_parts: NormParts::None, ..LLAMA },
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    special,
    ..llama::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    const CLIP: &str = "clip_qkv";
    told.config.projection_clip = match from.is_hugging_face() {
        true if from.keys.is_null(CLIP) => None,
        true => from.keys.optional_positive(CLIP)?,
        false => from.keys.positive_or_off("attention.clamp_kqv")?,
    };
    Ok(())
}
