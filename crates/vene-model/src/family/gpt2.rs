//! GPT-2 (Radford et al. 2019): learned positions, layer norms with bias, a plain GELU MLP.
//!
//! Published weights are `Conv1D`, `[in, out]`, with query, key and value side by side; the
//! prefix `transformer.` may be absent.

use vene_checkpoint::Tensors;

use super::keys::Keys;
use super::{Family, Naming, Weights};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, LinearTensors, OuterTensors, TransformerTensors};

pub(super) struct Gpt2 {
    config: DecoderConfig,
    naming: Naming,
    tied: bool,
    prefix: &'static str,
}

impl Gpt2 {
    pub(super) fn new(
        keys: &Keys<'_>,
        naming: Naming,
        tensors: &Tensors,
    ) -> Result<Self, ModelError> {
        let d_model = keys.count(naming.pick("n_embd", "embedding_length"))?;
        let heads = keys.count(naming.pick("n_head", "attention.head_count"))?;
        let layers = super::layer_count(keys, naming.pick("n_layer", "block_count"))?;
        let head_dim = super::divided(naming.pick("n_embd", "embedding_length"), d_model, heads)?;
        let d_mlp = keys.optional_count(naming.pick("n_inner", "feed_forward_length"))?;
        let epsilon = naming.pick("layer_norm_epsilon", "attention.layer_norm_epsilon");

        let (mut activation, mut scaled, mut scaled_by_layer) = (Activation::GeluTanh, true, false);
        let (embedding, tied) = match naming {
            Naming::HuggingFace => {
                if let Some(name) = keys.optional_text("activation_function")? {
                    activation = super::activation("activation_function", &name)?;
                }
                scaled = keys.flag_or("scale_attn_weights", true)?;
                scaled_by_layer = keys.flag_or("scale_attn_by_inverse_layer_idx", false)?;
                keys.only("add_cross_attention", false.into())?;
                keys.only("is_encoder_decoder", false.into())?;
                keys.only("use_return_dict", true.into())?;
                (Self::embedding(tensors), keys.flag_or("tie_word_embeddings", true)?)
            }
            Naming::Gguf => {
                keys.ignore(&["file_type"]);
                ("token_embd.weight", tensors.shape("output.weight").is_none())
            }
        };
        let vocabulary = super::vocabulary(keys, naming, tensors, embedding)?;
        let layers = (0..layers)
            .map(|layer| {
                let scale = if scaled { (head_dim as f64).sqrt().recip() } else { 1.0 };
                let by_layer = if scaled_by_layer { (layer + 1) as f64 } else { 1.0 };
                LayerConfig {
                    kind: BlockKind::Transformer,
                    score_scale: scale / by_layer,
                    window: None,
                    rotary: None,
                }
            })
            .collect();
        let config = DecoderConfig {
            family: "gpt2",
            d_model,
            heads,
            key_value_heads: heads,
            head_dim,
            d_mlp: d_mlp.unwrap_or(4 * d_model),
            inputs: vocabulary,
            vocabulary,
            context: keys.count(naming.pick("n_positions", "context_length"))?,
            norm: NormKind::Layer { epsilon: keys.optional_positive(epsilon)?.unwrap_or(1e-5) },
            final_norm: true,
            post_norms: false,
            query_key_norm: false,
            activation,
            gated: false,
            embedding_scale: None,
            score_soft_cap: None,
            logit_soft_cap: None,
            rotaries: Vec::new(),
            layers,
        };
        let prefix = if embedding.starts_with("transformer.") { "transformer." } else { "" };
        Ok(Self { config, naming, tied, prefix })
    }

    fn embedding(tensors: &Tensors) -> &'static str {
        match tensors.shape("transformer.wte.weight") {
            Some(_) => "transformer.wte.weight",
            None => "wte.weight",
        }
    }

    /// A projection as either format stores it.
    fn linear(
        &self,
        weights: &Weights<'_>,
        stem: &str,
        shape: [usize; 2],
    ) -> Result<LinearTensors, ModelError> {
        match self.naming {
            Naming::HuggingFace => weights.transposed_linear(stem, shape, true),
            Naming::Gguf => weights.linear(stem, shape, true),
        }
    }
}

impl Family for Gpt2 {
    fn config(&self) -> &DecoderConfig {
        &self.config
    }

    fn outer(&self, weights: &Weights<'_>) -> Result<OuterTensors, ModelError> {
        let (config, prefix) = (&self.config, self.prefix);
        let name = |hugging_face: &str, gguf: &str| {
            self.naming.pick(format!("{prefix}{hugging_face}"), gguf.to_owned())
        };
        let table = [config.vocabulary, config.d_model];
        let unembedding = match self.tied {
            true => None,
            false => Some(weights.linear(self.naming.pick("lm_head", "output"), table, false)?),
        };
        Ok(OuterTensors {
            embedding: weights.tensor(&name("wte.weight", "token_embd.weight"), &table)?,
            position_embedding: Some(weights.tensor(
                &name("wpe.weight", "position_embd.weight"),
                &[config.context, config.d_model],
            )?),
            final_norm: Some(weights.norm(&name("ln_f", "output_norm"), config.d_model, true)?),
            unembedding,
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError> {
        let (d_model, d_mlp, prefix) = (self.config.d_model, self.config.d_mlp, self.prefix);
        let name = |hugging_face: &str, gguf: &str| {
            self.naming
                .pick(format!("{prefix}h.{layer}.{hugging_face}"), format!("blk.{layer}.{gguf}"))
        };
        let joined =
            self.linear(weights, &name("attn.c_attn", "attn_qkv"), [3 * d_model, d_model])?;
        let part = |index: usize| LinearTensors {
            weight: joined.weight.rows(index * d_model, d_model),
            bias: joined.bias.as_ref().map(|bias| bias.rows(index * d_model, d_model)),
        };
        let tensors = TransformerTensors {
            attention_norm: weights.norm(&name("ln_1", "attn_norm"), d_model, true)?,
            query: part(0),
            key: part(1),
            value: part(2),
            query_norm: None,
            key_norm: None,
            attention_output: self.linear(
                weights,
                &name("attn.c_proj", "attn_output"),
                [d_model, d_model],
            )?,
            attention_post_norm: None,
            mlp_norm: weights.norm(&name("ln_2", "ffn_norm"), d_model, true)?,
            gate: None,
            up: self.linear(weights, &name("mlp.c_fc", "ffn_up"), [d_mlp, d_model])?,
            down: self.linear(weights, &name("mlp.c_proj", "ffn_down"), [d_model, d_mlp])?,
            mlp_post_norm: None,
        };
        Ok(tensors.into())
    }

    fn is_leftover(&self, name: &str) -> bool {
        // Causal masks that old checkpoints store as buffers, and a copy of tied weights.
        name.ends_with(".attn.bias")
            || name.ends_with(".attn.masked_bias")
            || (self.tied && name == "lm_head.weight")
    }
}
