//! Qwen 1.5 and 2 with experts (Qwen Team 2024): as Qwen 2, with a mixture of experts in some layers, one of which every token
//! has.

use super::{mixture, qwen2, windows};
use crate::config::Experts;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{ExpertSlots, LLAMA, SharedSlots, Slots};
use crate::family::table::{Bias, Biases, Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "qwen2_moe",
    model_type: "qwen2_moe",
    gguf: Gguf::of("qwen2moe"),
    about: "as qwen2, with a mixture of experts and one that every token has (Qwen1.5-MoE)",
    slots: Slots {
        experts: Some(ExpertSlots {
            shared: Some(SharedSlots {
                gate: "mlp.shared_expert.gate_proj",
                up: "mlp.shared_expert.up_proj",
                down: "mlp.shared_expert.down_proj",
                own_gate: Some("mlp.shared_expert_gate"),
            }),
            ..mixture::QWEN
        }),
        ..LLAMA
    },
    biases: Biases { projections: Bias::Said("qkv_bias"), ..Biases::NONE },
    special,
    ..qwen2::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    windows::off(from)?;
    let routing = mixture::softmax_then_choose(from, false)?;
    let d_expert = mixture::d_expert(from)?;
    let experts = mixture::experts(from, "num_experts", d_expert, routing)?;
    let key =
        from.naming.pick("shared_expert_intermediate_size", "expert_shared_feed_forward_length");
    let d_shared = Some(from.keys.extent(key)?);
    mixture::set_in_sparse_layers(from, told, Experts { d_shared, ..experts })
}
