//! Llama (Touvron et al. 2023; Llama 3: Dubey et al. 2024), of which SmolLM2 is one: rotary
//! positions, RMS norms, grouped-query attention, a gated MLP.

use serde_json::json;

use super::keys::Keys;
use super::names::{Names, Scheme};
use super::{Family, Head, Naming, Weights, activation, gguf_rope, rope};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, HostTensor, LinearTensors, OuterTensors, TransformerTensors};

/// Also that of Gemma 3.
pub(super) const SCHEME: Scheme = Scheme {
    prefix: "model.",
    beginnings: &["embed_tokens", "layers", "norm", "rotary_emb", "rotary_emb_local"],
};

pub(super) struct Llama {
    config: DecoderConfig,
    naming: Naming,
    head: Head,
    /// In a Hugging Face model; in a GGUF file each projection has the bias that is there.
    attention_bias: bool,
    mlp_bias: bool,
}

impl Llama {
    pub(super) fn new(
        keys: &Keys<'_>,
        naming: Naming,
        names: &mut Names,
    ) -> Result<Self, ModelError> {
        let d_model = keys.extent(naming.pick("hidden_size", "embedding_length"))?;
        let heads = keys.extent(naming.pick("num_attention_heads", "attention.head_count"))?;
        let key_value_heads = keys
            .optional_extent(naming.pick("num_key_value_heads", "attention.head_count_kv"))?
            .unwrap_or(heads);
        super::divided("attention heads (by key-value heads)", heads, key_value_heads)?;
        let layers = super::layer_count(keys, naming.pick("num_hidden_layers", "block_count"))?;
        let head_dim = super::head_dim(keys, naming, d_model, heads)?;
        let context = keys.count(naming.pick("max_position_embeddings", "context_length"))?;

        let mut activation = Activation::Silu;
        let (rotary, context, attention_bias, mlp_bias) = match naming {
            Naming::HuggingFace => {
                activation = activation::named("hidden_act", &keys.text("hidden_act")?)?;
                refuse_windows(keys)?;
                let rope::Described { rotary, context } = rope::of_model(keys, head_dim, context)?;
                let (attention_bias, mlp_bias) =
                    (keys.flag_or("attention_bias", false)?, keys.flag_or("mlp_bias", false)?);
                (rotary, context, attention_bias, mlp_bias)
            }
            Naming::Gguf => {
                for key in ["rope.dimension_count", "attention.value_length"] {
                    keys.only(key, json!(head_dim))?;
                }
                let theta = keys.optional_positive("rope.freq_base")?.unwrap_or(10_000.0);
                (gguf_rope::rotary(keys, names, theta, head_dim, context)?, context, false, false)
            }
        };
        let embedding = naming.pick("model.embed_tokens.weight", "token_embd.weight");
        let head = Head::of(keys, naming, names, embedding, false)?;
        let vocabulary = super::vocabulary(keys, naming, names, embedding)?;
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
            d_mlp: keys.extent(naming.pick("intermediate_size", "feed_forward_length"))?,
            inputs: vocabulary,
            vocabulary,
            context,
            norm: NormKind::RootMeanSquare { epsilon: keys.positive(epsilon)?, unit_offset: false },
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
        Ok(Self { config, naming, head, attention_bias, mlp_bias })
    }

    /// A projection with its bias.
    fn linear(
        &self,
        weights: &Weights<'_>,
        stem: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<LinearTensors, ModelError> {
        let bias = match self.naming {
            Naming::HuggingFace => bias,
            Naming::Gguf => weights.contains(&format!("{stem}.bias")),
        };
        weights.linear(stem, shape, bias)
    }

    /// Query or key projection. Llama GGUFs hold its rows permuted for interleaved rotary
    /// encoding: pair `i` of a head lies in rows `2i, 2i + 1`, here in rows `i, i + head_dim / 2`.
    fn rotated_linear(
        &self,
        weights: &Weights<'_>,
        stem: &str,
        shape: [usize; 2],
    ) -> Result<LinearTensors, ModelError> {
        let linear = self.linear(weights, stem, shape, self.attention_bias)?;
        Ok(match self.naming {
            Naming::HuggingFace => linear,
            Naming::Gguf => LinearTensors {
                weight: half_split(&linear.weight, self.config.head_dim),
                bias: linear.bias.map(|bias| half_split(&bias, self.config.head_dim)),
            },
        })
    }
}

/// Every layer of a Llama attends to everything.
fn refuse_windows(keys: &Keys<'_>) -> Result<(), ModelError> {
    let types = keys.optional_texts("layer_types")?.unwrap_or_default();
    match types.into_iter().find(|kind| kind != "full_attention") {
        None => Ok(()),
        Some(value) => Err(ModelError::NotUnderstood {
            key: "layer_types".into(),
            value,
            understood: "full_attention".into(),
        }),
    }
}

/// Rows of each head from interleaved order (`0, n/2, 1, n/2 + 1, …`) back to `0, 1, 2, …`.
fn half_split(tensor: &HostTensor, head_dim: usize) -> HostTensor {
    if tensor.data.is_empty() {
        return tensor.clone();
    }
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
        let name = self.naming.pick("model.embed_tokens.weight", "token_embd.weight");
        let embedding = weights.tensor(name, &table)?;
        let unembedding = self.head.read(weights, self.naming, (name, &embedding))?;
        let norm = self.naming.pick("model.norm", "output_norm");
        Ok(OuterTensors {
            embedding,
            position_embedding: None,
            final_norm: Some(weights.norm(norm, table[1], false)?),
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
        let attention = |hugging_face: &str, gguf: &str, shape| {
            self.linear(weights, &name(hugging_face, gguf), shape, self.attention_bias)
        };
        let mlp = |hugging_face: &str, gguf: &str, shape| {
            self.linear(weights, &name(hugging_face, gguf), shape, self.mlp_bias)
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
            value: attention("self_attn.v_proj", "attn_v", [key_width, d_model])?,
            query_norm: None,
            key_norm: None,
            attention_output: attention("self_attn.o_proj", "attn_output", [d_model, width])?,
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
        is_leftover(name)
    }
}

/// Tables of a rotary encoding, which are computed.
pub(super) fn is_leftover(name: &str) -> bool {
    const TABLES: [&str; 4] = ["inv_freq", "original_inv_freq", "cos_cached", "sin_cached"];
    let mut parts = name.rsplit('.');
    let (last, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    name == "rope_freqs.weight"
        || ["rotary_emb", "rotary_emb_local"].contains(&owner) && TABLES.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_rotary_encodings_are_left_over() {
        assert!(is_leftover("model.layers.0.self_attn.rotary_emb.inv_freq"));
        assert!(is_leftover("model.rotary_emb_local.original_inv_freq"));
        assert!(is_leftover("model.layers.0.self_attn.rotary_emb.cos_cached"));
        assert!(!is_leftover("model.layers.0.self_attn.inv_freq"));
        assert!(!is_leftover("model.layers.0.self_attn.rotary_emb.weight"));
    }

    #[test]
    fn rows_of_each_head_are_sorted_into_halves() {
        let rows = [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
        let tensor = HostTensor { data: rows.to_vec(), shape: vec![8, 1] };
        assert_eq!(half_split(&tensor, 4).data, [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
    }
}
