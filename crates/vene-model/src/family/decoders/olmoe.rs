//! OLMoE (Muennighoff et al. 2024): as Llama, with norms on all queries and all keys of a position, and a mixture of experts in every
//! layer.

use serde_json::Value;

use super::{llama, mixture};
use crate::config::QueryKeyNorm;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, QUERY_KEY_NORMS, Slots};
use crate::family::table::{Bias, Biases, Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "olmoe",
    model_type: "olmoe",
    gguf: Gguf::of("olmoe"),
    about: "as llama, with norms on queries and keys and a mixture of experts",
    slots: Slots { query_key_norms: QUERY_KEY_NORMS, experts: Some(mixture::QWEN), ..LLAMA },
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    special,
    ..llama::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    // Unlike OLMo it would clip after its norms.
    if from.is_hugging_face() {
        from.keys.only("clip_qkv", Value::Null)?;
    }
    told.config.query_key_norm = Some(QueryKeyNorm::AllHeads);
    let routing = mixture::softmax_then_choose(from, false)?;
    let experts = mixture::experts(from, "num_experts", told.config.d_mlp, routing)?;
    mixture::set_in_all(told, experts);
    Ok(())
}
