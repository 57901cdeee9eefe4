//! Mistral (Jiang et al. 2023): as Llama, with a sliding window on all layers, or on none.
//!
//! GGUF files of it call themselves llama.

use super::{llama, windows};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Biases, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "mistral",
    model_type: "mistral",
    gguf: None,
    about: "as llama, with a sliding window",
    biases: Biases::NONE,
    special,
    ..llama::FAMILY
};

pub(super) fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    // llama.cpp reads none.
    if !from.is_hugging_face() {
        return Ok(());
    }
    let window = windows::width(from)?;
    told.config.layers.iter_mut().for_each(|layer| layer.window = window);
    Ok(())
}
