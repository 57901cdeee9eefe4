//! Qwen 2 and 2.5 (Qwen Team 2024): as Llama, with biases on queries, keys and values.

use super::{llama, windows};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Bias, Biases, Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "qwen2",
    model_type: "qwen2",
    gguf: Gguf::of("qwen2"),
    about: "as llama, with biases on queries, keys and values (Qwen 2 and 2.5)",
    biases: Biases { projections: Bias::Always, head: Bias::ThereInGguf, ..Biases::NONE },
    special,
    ..llama::FAMILY
};

/// The last layers have a window, where windows are switched on.
pub(super) fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    if !from.is_hugging_face() {
        return Ok(());
    }
    let keys = from.keys;
    if !keys.flag_or("use_sliding_window", false)? {
        keys.ignore(&["sliding_window", "max_window_layers"]);
        return windows::none(from);
    }
    // 0 is a number of layers, too.
    let first = keys.optional_number("max_window_layers")?.unwrap_or(0.0);
    let slides = windows::sliding(from, told.config.layers.len(), |layer| layer as f64 >= first)?;
    windows::set(&mut told.config, &slides, windows::width(from)?);
    Ok(())
}
