//! MPT (MosaicML 2023): as GPT-2 without biases, with scores that fall with the distance in place of learned positions.

use serde_json::json;

use super::{alibi, gpt2, llama};
use crate::config::{Activation, Alibi};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{NormParts, Projections, Slots};
use crate::family::table::{
    Activates, Biases, ExtentKeys, Gguf, Norm, Positions, Transformer, USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "mpt",
    model_type: "mpt",
    gguf: Gguf::of("mpt"),
    about: "as gpt2 without biases, with ALiBi in place of positions",
    keys: ExtentKeys {
        d_model: "d_model",
        layers: "n_layers",
        heads: "n_heads",
        key_value_heads: None,
        head_dim: None,
        d_mlp: None,
        context: "max_seq_len",
        ..USUAL_KEYS
    },
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Always(Activation::GeluExact, Activation::GeluTanh),
    positions: Positions::Special,
    slots: SLOTS,
    biases: Biases::NONE,
    ties: true,
    special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    positions: None,
    blocks: "blocks",
    final_norm: "norm_f",
    buffers: &[],
    attention_norm: Some("norm_1"),
    projections: Projections::Stacked("attn.Wqkv"),
    attention_output: "attn.out_proj",
    mlp_norm: Some("norm_2"),
    up: "ffn.up_proj",
    down: "ffn.down_proj",
    norm_parts: NormParts::Weight,
    transposed: false,
    ..gpt2::SLOTS
};

/// What the first slope's power of two ends at; transformers reads no other.
const LARGEST: f64 = 8.0;

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    let largest = if from.is_hugging_face() {
        // transformers' MLP is four times as wide whatever this says.
        keys.only("expansion_ratio", json!(4))?;
        let clip = keys.optional_number("attn_config.clip_qkv")?.filter(|clip| *clip != 0.0);
        config.projection_clip = clip.map(|_| keys.positive("attn_config.clip_qkv")).transpose()?;
        if let Some(scale) = keys.optional_positive("attn_config.softmax_scale")? {
            config.layers.iter_mut().for_each(|layer| layer.score_scale = scale);
        }
        LARGEST
    } else {
        config.projection_clip = keys.positive_or_off("attention.clamp_kqv")?;
        keys.positive("attention.max_alibi_bias")?
    };
    let slopes = match from.is_hugging_face() {
        true => slopes(config.heads, largest),
        false => alibi::slopes(config.heads, largest),
    };
    config.alibi = Some(Alibi { slopes, rounded: None });
    Ok(())
}

/// Where heads are no power of two, every second slope of the next one's, and then the others.
fn slopes(heads: usize, largest: f64) -> Vec<f32> {
    let power = heads.next_power_of_two();
    let all = alibi::slopes(power, largest);
    if power == heads {
        return all;
    }
    let every_second = |first: usize| all.iter().copied().skip(first).step_by(2);
    every_second(1).chain(every_second(0)).take(heads).collect()
}
