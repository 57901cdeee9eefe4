//! Command R7B and A (Cohere 2024): as Command R, with a sliding window on most layers; those without one have no rotary encoding.

use super::{cohere, llama, windows};
use crate::config::Residual;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Bias, Biases, Gguf, GgufHead, Norm, Positions, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "cohere2",
    model_type: "cohere2",
    gguf: Some(Gguf {
        architecture: "cohere2",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: true,
    }),
    about: "as cohere, with sliding windows, and no positions in layers without one",
    norm: Norm::Layer("layer_norm_eps"),
    positions: Positions::Rotary(cohere::TURNING),
    residual: Residual::Parallel,
    slots: cohere::SLOTS,
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    ties: true,
    special,
    ..llama::FAMILY
};

/// Every so many layers one attends to everything.
const PERIOD: usize = 4;

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    let layers = config.layers.len();
    let slides = if from.is_hugging_face() {
        config.logit_scale = keys.optional_positive("logit_scale")?;
        let period = keys.optional_count("sliding_window_pattern")?.unwrap_or(PERIOD);
        let slides = windows::sliding(from, layers, |layer| (layer + 1) % period != 0)?;
        windows::set(config, &slides, windows::width(from)?);
        slides
    } else {
        config.logit_scale = Some(keys.positive("logit_scale")?);
        let slides = windows::in_gguf(from, layers, PERIOD)?;
        windows::set(config, &slides, Some(keys.count("attention.sliding_window")?));
        slides
    };
    for (layer, slides) in config.layers.iter_mut().zip(slides) {
        layer.rotary = layer.rotary.filter(|_| slides);
    }
    Ok(())
}
