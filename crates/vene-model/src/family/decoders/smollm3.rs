//! SmolLM 3 (Hugging Face 2025): as Llama, with every fourth layer without a rotary encoding.

use super::{llama, windows};
use crate::error::ModelError;
use crate::family::keys::of_each_layer;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Bias, Biases, Gguf, GgufHead, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "smollm3",
    model_type: "smollm3",
    gguf: Some(Gguf {
        architecture: "smollm3",
        head: GgufHead::EmbeddingIfAbsent,
        is_permuted: true,
        reads_windows: false,
    }),
    about: "as llama, with layers that have no positions",
    biases: Biases { mlp: Bias::Said("mlp_bias"), ..Biases::all(Bias::Said("attention_bias")) },
    ties: true,
    special,
    ..llama::FAMILY
};

/// Every so many layers one has no encoding.
const INTERVAL: usize = 4;

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    let has_rotary = layers_with_rotary(from, config.layers.len())?;
    for (layer, has_rotary) in config.layers.iter_mut().zip(&has_rotary) {
        layer.rotary = layer.rotary.filter(|_| *has_rotary);
    }
    if !from.is_hugging_face() {
        return Ok(());
    }
    if !keys.flag_or("use_sliding_window", false)? {
        keys.ignore(&["sliding_window"]);
        return windows::none(from);
    }
    let slides = windows::sliding(from, has_rotary.len(), |layer| !has_rotary[layer])?;
    windows::set(config, &slides, windows::width(from)?);
    Ok(())
}

fn layers_with_rotary(from: &Reading<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    const LIST: &str = "no_rope_layers";
    if !from.is_hugging_face() {
        return Ok((0..layers).map(|layer| (layer + 1) % INTERVAL != 0).collect());
    }
    let interval = from.keys.optional_count("no_rope_layer_interval")?.unwrap_or(INTERVAL);
    // A 1 stands for a layer that has an encoding.
    match from.keys.optional_flags(LIST)? {
        Some(list) => of_each_layer(LIST, list, layers),
        None => Ok((0..layers).map(|layer| (layer + 1) % interval != 0).collect()),
    }
}
