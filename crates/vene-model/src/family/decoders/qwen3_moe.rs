//! Qwen 3 with experts (Qwen Team 2025): as Qwen 3, with a mixture of experts in some layers.

use super::{mixture, qwen3, windows};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, QUERY_KEY_NORMS, Slots};
use crate::family::table::{Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "qwen3_moe",
    model_type: "qwen3_moe",
    gguf: Gguf::of("qwen3moe"),
    about: "as qwen3, with a mixture of experts (Qwen3-30B-A3B)",
    slots: Slots { query_key_norms: QUERY_KEY_NORMS, experts: Some(mixture::QWEN), ..LLAMA },
    special,
    ..qwen3::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    windows::off(from)?;
    let routing = mixture::softmax_then_choose(from, true)?;
    let d_expert = mixture::d_expert(from)?;
    // Newer versions of transformers write another name.
    let is_newer = from.keys.is_said("num_local_experts") && !from.keys.is_said("num_experts");
    let count = if is_newer { "num_local_experts" } else { "num_experts" };
    let experts = mixture::experts(from, count, d_expert, routing)?;
    mixture::set_in_sparse_layers(from, told, experts)
}
