//! Falcon (Almazrouei et al. 2023): as GPT-NeoX without biases, with one head of keys and values (7B) or a few (40B, 180B); the RW models
//! have scores that fall with the distance in place of a rotary encoding.

use super::{alibi, gpt_neox};
use crate::config::{Activation, Alibi, Residual};
use crate::error::ModelError;
use crate::family::keys::wrong;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Gguf, Norm, Positions, Transformer, USUAL_KEYS,
    WHOLE_HEADS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "falcon",
    model_type: "falcon",
    gguf: Gguf::of("falcon"),
    about: "attention and MLP side by side, layer norms, few heads of keys and values, rotary positions or ALiBi",
    keys: ExtentKeys {
        key_value_heads: Some("num_kv_heads"),
        head_dim: None,
        d_mlp: Some("ffn_hidden_size"),
        d_mlp_is_optional: true,
        ..USUAL_KEYS
    },
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Said("activation", Activation::GeluTanh),
    positions: Positions::Special,
    residual: Residual::Parallel,
    slots: SLOTS,
    biases: Biases::all(Bias::Said("bias")),
    ties: true,
    special,
};

const SLOTS: Slots = Slots {
    prefix: "transformer.",
    embedding: "word_embeddings",
    blocks: "h",
    final_norm: "ln_f",
    head: "lm_head",
    projections: Projections::ByHead("self_attention.query_key_value"),
    attention_output: "self_attention.dense",
    mlp_norm: gpt_neox::SLOTS.attention_norm,
    ..gpt_neox::SLOTS
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let slots = &mut told.slots;
    if !from.is_hugging_face() {
        const SECOND: &str = "attn_norm_2";
        if from.names.contains(&format!("blk.0.{SECOND}.weight")) {
            slots.attention_norm = Some(SECOND);
        }
        return from.turn_all(&mut told.config, &WHOLE_HEADS);
    }
    let (keys, config) = (from.keys, &mut told.config);
    let is_new = keys.flag_or("new_decoder_architecture", false)?;
    let is_parallel = keys.flag_or("parallel_attn", true)?;
    config.key_value_heads = match (is_new, keys.flag_or("multi_query", true)?) {
        (true, _) => config.key_value_heads,
        (false, true) => 1,
        (false, false) => config.heads,
    };
    const NORMS: &str = "num_ln_in_parallel_attn";
    let norms = keys.optional_count(NORMS)?.unwrap_or(if is_new { 2 } else { 1 });
    match (is_new, is_parallel, norms) {
        (true, true, 2) => {
            (slots.attention_norm, slots.mlp_norm) = (Some("ln_attn"), Some("ln_mlp"));
        }
        (_, true, 1) => {}
        (false, false, _) => {
            config.residual = Residual::Sequential;
            slots.mlp_norm = Some("post_attention_layernorm");
        }
        _ => {
            let expected = "1, or 2 with new_decoder_architecture and parallel_attn";
            return Err(wrong(NORMS, &norms.into(), expected));
        }
    }
    if !keys.flag_or("alibi", false)? {
        return from.turn_all(config, &WHOLE_HEADS);
    }
    keys.ignore(&["rope_theta", "rope_scaling", "rope_parameters"]);
    // Unlike in other families, scores are scaled after they fell.
    let of_scores = config.layers.first().map_or(1.0, |layer| layer.score_scale);
    config.alibi = Some(Alibi::rounded(alibi::slopes(config.heads, 8.0), of_scores));
    Ok(())
}
