//! OPT (Zhang et al. 2022): as GPT-2, with a ReLU MLP; two rows of the position embedding stand before that of the first
//! position.

use serde_json::json;

use super::llama;
use crate::config::Activation;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Gate, LLAMA, NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Norm, Positions, Transformer, USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "opt",
    model_type: "opt",
    gguf: None,
    about: "as gpt2, with a ReLU MLP",
    keys: ExtentKeys {
        key_value_heads: None,
        head_dim: None,
        d_mlp: Some("ffn_dim"),
        ..USUAL_KEYS
    },
    norm: Norm::FixedLayer(1e-5),
    activation: Activates::Said("activation_function", Activation::Relu),
    positions: Positions::Learned,
    slots: SLOTS,
    biases: Biases::all(Bias::Said("enable_bias")),
    ties: true,
    special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    prefix: "model.decoder.",
    positions: Some("embed_positions"),
    first_position: 2,
    final_norm: "final_layer_norm",
    attention_norm: Some("self_attn_layer_norm"),
    projections: Projections::Separate([
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
    ]),
    attention_output: "self_attn.out_proj",
    mlp_norm: Some("final_layer_norm"),
    gate: Gate::None,
    up: "fc1",
    down: "fc2",
    norm_parts: NormParts::WeightAndBias,
    ..LLAMA
};

/// What only the 350M model and none that was published has is refused.
fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let keys = from.keys;
    keys.only("do_layer_norm_before", json!(true))?;
    keys.only("_remove_final_layer_norm", json!(false))?;
    keys.only("layer_norm_elementwise_affine", json!(true))?;
    keys.only("word_embed_proj_dim", json!(told.config.d_model))
}
