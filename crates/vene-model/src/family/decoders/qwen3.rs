//! Qwen 3 (Qwen Team 2025): as Llama, with norms on queries and keys, each head by itself.

use super::{llama, qwen2};
use crate::family::slots::{self, Slots};
use crate::family::table::{Bias, Biases, Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "qwen3",
    model_type: "qwen3",
    gguf: Gguf::of("qwen3"),
    about: "as llama, with norms on queries and keys",
    slots: Slots { query_key_norms: slots::QUERY_KEY_NORMS, ..slots::LLAMA },
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    special: qwen2::special,
    ..llama::FAMILY
};
