//! Gemma 3, text models (Gemma Team 2025): Llama's parts, with a norm on both sides of each
//! module, norms on queries and keys, and sliding windows on most layers.
//!
//! Norm weights are published as their difference from 1; GGUF files hold the sum.

use serde_json::json;
use vene_checkpoint::Tensors;

use super::keys::Keys;
use super::{Family, Naming, Weights, rope};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind, Rotary};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, NormTensors, OuterTensors, TransformerTensors};

/// Where no metadata says so: every sixth layer attends globally.
const PATTERN: usize = 6;

/// Indices into the decoder's rotary encodings.
const GLOBAL: usize = 0;
const LOCAL: usize = 1;

pub(super) struct Gemma3 {
    config: DecoderConfig,
    naming: Naming,
    tied: bool,
    attention_bias: bool,
}

impl Gemma3 {
    pub(super) fn new(
        keys: &Keys<'_>,
        naming: Naming,
        tensors: &Tensors,
    ) -> Result<Self, ModelError> {
        if keys.optional_object("text_config").is_ok_and(|object| object.is_some()) {
            return Err(ModelError::NotUnderstood {
                key: "text_config".into(),
                value: "a multimodal model".into(),
                understood: "text models (model_type gemma3_text)".into(),
            });
        }
        let d_model = keys.count(naming.pick("hidden_size", "embedding_length"))?;
        let heads = keys.count(naming.pick("num_attention_heads", "attention.head_count"))?;
        let key_value_heads =
            keys.count(naming.pick("num_key_value_heads", "attention.head_count_kv"))?;
        super::divided("attention heads (by key-value heads)", heads, key_value_heads)?;
        let layers = super::layer_count(keys, naming.pick("num_hidden_layers", "block_count"))?;
        let head_dim =
            keys.optional_count(naming.pick("head_dim", "attention.key_length"))?.unwrap_or(256);
        super::even("head_dim", head_dim)?;
        let window =
            keys.optional_count(naming.pick("sliding_window", "attention.sliding_window"))?;
        let theta = keys.optional_positive(naming.pick("rope_theta", "rope.freq_base"))?;
        let global = Rotary::new(theta.unwrap_or(1_000_000.0), head_dim);
        let local_theta =
            keys.optional_positive(naming.pick("rope_local_base_freq", "rope.freq_base_swa"))?;
        let local = Rotary::new(local_theta.unwrap_or(10_000.0), head_dim);

        let mut activation = Activation::GeluTanh;
        let (global, scale, slides, tied, attention_bias) = match naming {
            Naming::HuggingFace => {
                if let Some(name) = keys.optional_text("hidden_activation")? {
                    activation = super::activation("hidden_activation", &name)?;
                }
                keys.only("use_bidirectional_attention", false.into())?;
                let scaling = keys.optional_object("rope_scaling")?;
                (
                    rope::scaled(global, scaling.as_ref())?,
                    keys.optional_positive("query_pre_attn_scalar")?.unwrap_or(256.0),
                    sliding_layers(keys, layers)?,
                    keys.flag_or("tie_word_embeddings", true)?,
                    keys.flag_or("attention_bias", false)?,
                )
            }
            Naming::Gguf => {
                keys.ignore(&["vocab_size", "rope.scaling.finetuned"]);
                for (key, value) in
                    [("rope.dimension_count", head_dim), ("attention.value_length", head_dim)]
                {
                    keys.only(key, json!(value))?;
                }
                let pattern =
                    keys.optional_count("attention.sliding_window_pattern")?.unwrap_or(PATTERN);
                (
                    super::gguf_scaled(keys, tensors, global)?,
                    head_dim as f64,
                    (0..layers).map(|layer| (layer + 1) % pattern != 0).collect(),
                    tensors.shape("output.weight").is_none(),
                    false,
                )
            }
        };
        let embedding = naming.pick("model.embed_tokens.weight", "token_embd.weight");
        let vocabulary = super::vocabulary(keys, naming, tensors, embedding)?;
        let epsilon = naming.pick("rms_norm_eps", "attention.layer_norm_rms_epsilon");
        let layers = slides
            .into_iter()
            .map(|slides| LayerConfig {
                kind: BlockKind::Transformer,
                score_scale: scale.sqrt().recip(),
                window: window.filter(|_| slides),
                rotary: Some(if slides { LOCAL } else { GLOBAL }),
            })
            .collect();
        let config = DecoderConfig {
            family: "gemma3",
            d_model,
            heads,
            key_value_heads,
            head_dim,
            d_mlp: keys.count(naming.pick("intermediate_size", "feed_forward_length"))?,
            inputs: vocabulary,
            vocabulary,
            context: keys.count(naming.pick("max_position_embeddings", "context_length"))?,
            norm: NormKind::RootMeanSquare {
                epsilon: keys.optional_positive(epsilon)?.unwrap_or(1e-6),
                unit_offset: naming == Naming::HuggingFace,
            },
            final_norm: true,
            post_norms: true,
            query_key_norm: true,
            activation,
            gated: true,
            embedding_scale: Some((d_model as f64).sqrt()),
            score_soft_cap: keys.optional_positive("attn_logit_softcapping")?,
            logit_soft_cap: keys.optional_positive("final_logit_softcapping")?,
            rotaries: vec![global, local],
            layers,
        };
        Ok(Self { config, naming, tied, attention_bias })
    }

    fn norm(
        &self,
        weights: &Weights<'_>,
        stem: &str,
        width: usize,
    ) -> Result<NormTensors, ModelError> {
        weights.norm(stem, width, false)
    }
}

/// Which layers attend within a sliding window: `layer_types`, or every layer but each
/// `sliding_window_pattern`-th.
fn sliding_layers(keys: &Keys<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let pattern = match keys.optional_count("sliding_window_pattern")? {
        Some(pattern) => pattern,
        None => keys.optional_count("_sliding_window_pattern")?.unwrap_or(PATTERN),
    };
    let Some(types) = keys.optional_texts("layer_types")? else {
        return Ok((0..layers).map(|layer| (layer + 1) % pattern != 0).collect());
    };
    if types.len() != layers {
        return Err(ModelError::WrongValue {
            key: "layer_types".into(),
            value: format!("a list of {}", types.len()),
            expected: format!("one entry for each of the {layers} layers"),
        });
    }
    types
        .into_iter()
        .map(|kind| match kind.as_str() {
            "sliding_attention" => Ok(true),
            "full_attention" => Ok(false),
            _ => Err(ModelError::NotUnderstood {
                key: "layer_types".into(),
                value: kind,
                understood: "sliding_attention, full_attention".into(),
            }),
        })
        .collect()
}

impl Family for Gemma3 {
    fn config(&self) -> &DecoderConfig {
        &self.config
    }

    fn outer(&self, weights: &Weights<'_>) -> Result<OuterTensors, ModelError> {
        let table = [self.config.vocabulary, self.config.d_model];
        let unembedding = match self.tied {
            true => None,
            false => Some(weights.linear(self.naming.pick("lm_head", "output"), table, false)?),
        };
        Ok(OuterTensors {
            embedding: weights.tensor(
                self.naming.pick("model.embed_tokens.weight", "token_embd.weight"),
                &table,
            )?,
            position_embedding: None,
            final_norm: Some(self.norm(
                weights,
                self.naming.pick("model.norm", "output_norm"),
                table[1],
            )?),
            unembedding,
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError> {
        let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, .. } = self.config;
        let name = |hugging_face: &str, gguf: &str| {
            self.naming
                .pick(format!("model.layers.{layer}.{hugging_face}"), format!("blk.{layer}.{gguf}"))
        };
        let (width, key_width) = (heads * head_dim, key_value_heads * head_dim);
        let norm = |hugging_face, gguf, width| self.norm(weights, &name(hugging_face, gguf), width);
        let attention = |hugging_face, gguf, shape| {
            weights.linear(&name(hugging_face, gguf), shape, self.attention_bias)
        };
        let mlp =
            |hugging_face, gguf, shape| weights.linear(&name(hugging_face, gguf), shape, false);
        let tensors = TransformerTensors {
            attention_norm: norm("input_layernorm", "attn_norm", d_model)?,
            query: attention("self_attn.q_proj", "attn_q", [width, d_model])?,
            key: attention("self_attn.k_proj", "attn_k", [key_width, d_model])?,
            value: attention("self_attn.v_proj", "attn_v", [key_width, d_model])?,
            query_norm: Some(norm("self_attn.q_norm", "attn_q_norm", head_dim)?),
            key_norm: Some(norm("self_attn.k_norm", "attn_k_norm", head_dim)?),
            attention_output: attention("self_attn.o_proj", "attn_output", [d_model, width])?,
            attention_post_norm: Some(norm(
                "post_attention_layernorm",
                "post_attention_norm",
                d_model,
            )?),
            mlp_norm: norm("pre_feedforward_layernorm", "ffn_norm", d_model)?,
            gate: Some(mlp("mlp.gate_proj", "ffn_gate", [d_mlp, d_model])?),
            up: mlp("mlp.up_proj", "ffn_up", [d_mlp, d_model])?,
            down: mlp("mlp.down_proj", "ffn_down", [d_model, d_mlp])?,
            mlp_post_norm: Some(norm("post_feedforward_layernorm", "post_ffw_norm", d_model)?),
        };
        Ok(tensors.into())
    }

    fn is_leftover(&self, name: &str) -> bool {
        self.tied && name == "lm_head.weight"
    }
}
