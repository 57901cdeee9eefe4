//! Llama (Touvron et al. 2023; Llama 3: Dubey et al. 2024), of which SmolLM2 is one: rotary
//! positions, RMS norms, grouped-query attention, a gated MLP.

use serde_json::json;
use vene_checkpoint::Tensors;

use super::keys::Keys;
use super::{Family, Naming, Weights, rope};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind, Rotary};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, HostTensor, LinearTensors, OuterTensors, TransformerTensors};

pub(super) struct Llama {
    config: DecoderConfig,
    naming: Naming,
    tied: bool,
    attention_bias: bool,
    mlp_bias: bool,
}

impl Llama {
    pub(super) fn new(
        keys: &Keys<'_>,
        naming: Naming,
        tensors: &Tensors,
    ) -> Result<Self, ModelError> {
        let d_model = keys.count(naming.pick("hidden_size", "embedding_length"))?;
        let heads = keys.count(naming.pick("num_attention_heads", "attention.head_count"))?;
        let key_value_heads = keys
            .optional_count(naming.pick("num_key_value_heads", "attention.head_count_kv"))?
            .unwrap_or(heads);
        super::divided("attention heads (by key-value heads)", heads, key_value_heads)?;
        let layers = super::layer_count(keys, naming.pick("num_hidden_layers", "block_count"))?;
        let head_dim = match keys.optional_count(naming.pick("head_dim", "attention.key_length"))? {
            Some(head_dim) => head_dim,
            None => super::divided("hidden size (by heads)", d_model, heads)?,
        };
        let theta = keys.optional_positive(naming.pick("rope_theta", "rope.freq_base"))?;
        let rotary = Rotary::new(theta.unwrap_or(10_000.0), super::even("head_dim", head_dim)?);

        let mut activation = Activation::Silu;
        let (rotary, embedding, tied, attention_bias, mlp_bias) = match naming {
            Naming::HuggingFace => {
                if let Some(name) = keys.optional_text("hidden_act")? {
                    activation = super::activation("hidden_act", &name)?;
                }
                keys.only("rope_interleaved", false.into())?;
                let scaling = keys.optional_object("rope_scaling")?;
                (
                    rope::scaled(rotary, scaling.as_ref())?,
                    "model.embed_tokens.weight",
                    keys.flag_or("tie_word_embeddings", false)?,
                    keys.flag_or("attention_bias", false)?,
                    keys.flag_or("mlp_bias", false)?,
                )
            }
            Naming::Gguf => {
                keys.ignore(&["vocab_size", "rope.scaling.finetuned"]);
                for (key, value) in
                    [("rope.dimension_count", head_dim), ("attention.value_length", head_dim)]
                {
                    keys.only(key, json!(value))?;
                }
                (
                    super::gguf_scaled(keys, tensors, rotary)?,
                    "token_embd.weight",
                    tensors.shape("output.weight").is_none(),
                    tensors.shape("blk.0.attn_q.bias").is_some(),
                    tensors.shape("blk.0.ffn_up.bias").is_some(),
                )
            }
        };
        let vocabulary = super::vocabulary(keys, naming, tensors, embedding)?;
        let epsilon = naming.pick("rms_norm_eps", "attention.layer_norm_rms_epsilon");
        let layer = LayerConfig {
            kind: BlockKind::Transformer,
            score_scale: (head_dim as f64).sqrt().recip(),
            window: None,
            rotary: Some(0),
        };
        let config = DecoderConfig {
            family: "llama",
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
                unit_offset: false,
            },
            final_norm: true,
            post_norms: false,
            query_key_norm: false,
            activation,
            gated: true,
            embedding_scale: None,
            score_soft_cap: None,
            logit_soft_cap: None,
            rotaries: vec![rotary],
            layers: vec![layer; layers],
        };
        Ok(Self { config, naming, tied, attention_bias, mlp_bias })
    }

    /// Query or key projection. Llama GGUFs hold its rows permuted for interleaved rotary
    /// encoding: pair `i` of a head lies in rows `2i, 2i + 1`, here in rows `i, i + head_dim / 2`.
    fn rotated_linear(
        &self,
        weights: &Weights<'_>,
        stem: &str,
        shape: [usize; 2],
    ) -> Result<LinearTensors, ModelError> {
        let linear = weights.linear(stem, shape, self.attention_bias)?;
        Ok(match self.naming {
            Naming::HuggingFace => linear,
            Naming::Gguf => LinearTensors {
                weight: half_split(&linear.weight, self.config.head_dim),
                bias: linear.bias.map(|bias| half_split(&bias, self.config.head_dim)),
            },
        })
    }
}

/// Rows of each head from interleaved order (`0, n/2, 1, n/2 + 1, …`) back to `0, 1, 2, …`.
fn half_split(tensor: &HostTensor, head_dim: usize) -> HostTensor {
    let width: usize = tensor.shape[1..].iter().product();
    let mut data = Vec::with_capacity(tensor.data.len());
    for head in tensor.data.chunks_exact(head_dim * width) {
        for half in 0..2 {
            for pair in 0..head_dim / 2 {
                let row = 2 * pair + half;
                data.extend_from_slice(&head[row * width..(row + 1) * width]);
            }
        }
    }
    HostTensor { data, shape: tensor.shape.clone() }
}

impl Family for Llama {
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
            final_norm: Some(weights.norm(
                self.naming.pick("model.norm", "output_norm"),
                table[1],
                false,
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
        let bias = self.attention_bias;
        let mlp = |hugging_face: &str, gguf: &str, shape| {
            weights.linear(&name(hugging_face, gguf), shape, self.mlp_bias)
        };
        let tensors = TransformerTensors {
            attention_norm: weights.norm(&name("input_layernorm", "attn_norm"), d_model, false)?,
            query: self.rotated_linear(
                weights,
                &name("self_attn.q_proj", "attn_q"),
                [width, d_model],
            )?,
            key: self.rotated_linear(
                weights,
                &name("self_attn.k_proj", "attn_k"),
                [key_width, d_model],
            )?,
            value: weights.linear(
                &name("self_attn.v_proj", "attn_v"),
                [key_width, d_model],
                bias,
            )?,
            query_norm: None,
            key_norm: None,
            attention_output: weights.linear(
                &name("self_attn.o_proj", "attn_output"),
                [d_model, width],
                bias,
            )?,
            attention_post_norm: None,
            mlp_norm: weights.norm(
                &name("post_attention_layernorm", "ffn_norm"),
                d_model,
                false,
            )?,
            gate: Some(mlp("mlp.gate_proj", "ffn_gate", [d_mlp, d_model])?),
            up: mlp("mlp.up_proj", "ffn_up", [d_mlp, d_model])?,
            down: mlp("mlp.down_proj", "ffn_down", [d_model, d_mlp])?,
            mlp_post_norm: None,
        };
        Ok(tensors.into())
    }

    fn is_leftover(&self, name: &str) -> bool {
        name.ends_with(".rotary_emb.inv_freq")
            || name == "rope_freqs.weight"
            || (self.tied && name == "lm_head.weight")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_each_head_are_sorted_into_halves() {
        let rows = [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
        let tensor = HostTensor { data: rows.to_vec(), shape: vec![8, 1] };
        assert_eq!(half_split(&tensor, 4).data, [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
    }
}
