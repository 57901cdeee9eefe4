//! GPT-2 (Radford et al. 2019): learned positions, layer norms with bias, a plain GELU MLP.
//!
//! Published weights are `Conv1D`, `[in, out]`, with query, key and value side by side.

use super::keys::Keys;
use super::names::{Names, Scheme};
use super::{Family, Head, Naming, Weights, activation};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, LinearTensors, OuterTensors, TransformerTensors};

pub(super) const SCHEME: Scheme =
    Scheme { prefix: "transformer.", beginnings: &["wte", "wpe", "h", "ln_f", "position_ids"] };

pub(super) struct Gpt2 {
    config: DecoderConfig,
    naming: Naming,
    head: Head,
}

impl Gpt2 {
    pub(super) fn new(
        keys: &Keys<'_>,
        naming: Naming,
        names: &mut Names,
    ) -> Result<Self, ModelError> {
        let d_model = keys.extent(naming.pick("n_embd", "embedding_length"))?;
        let heads = keys.extent(naming.pick("n_head", "attention.head_count"))?;
        let layers = super::layer_count(keys, naming.pick("n_layer", "block_count"))?;
        let head_dim = super::divided(naming.pick("n_embd", "embedding_length"), d_model, heads)?;
        let d_mlp = keys.optional_extent(naming.pick("n_inner", "feed_forward_length"))?;
        let epsilon = naming.pick("layer_norm_epsilon", "attention.layer_norm_epsilon");

        let (mut activation, mut scaled, mut scaled_by_layer) = (Activation::GeluTanh, true, false);
        if naming == Naming::HuggingFace {
            activation =
                activation::named("activation_function", &keys.text("activation_function")?)?;
            scaled = keys.flag_or("scale_attn_weights", true)?;
            scaled_by_layer = keys.flag_or("scale_attn_by_inverse_layer_idx", false)?;
        } else {
            // The heads of GPT-2 are all of one kind.
            keys.only("attention.head_count_kv", heads.into())?;
        }
        let embedding = naming.pick("transformer.wte.weight", "token_embd.weight");
        let head = Head::of(keys, naming, names, embedding, true)?;
        let vocabulary = super::vocabulary(keys, naming, names, embedding)?;
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
            context: keys.extent(naming.pick("n_positions", "context_length"))?,
            norm: NormKind::Layer { epsilon: keys.positive(epsilon)? },
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
        Ok(Self { config, naming, head })
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
        let config = &self.config;
        let name = |hugging_face, gguf| self.naming.pick(hugging_face, gguf);
        let table = [config.vocabulary, config.d_model];
        let embedding_name = name("transformer.wte.weight", "token_embd.weight");
        let embedding = weights.tensor(embedding_name, &table)?;
        let unembedding = self.head.read(weights, self.naming, (embedding_name, &embedding))?;
        Ok(OuterTensors {
            embedding,
            position_embedding: Some(weights.tensor(
                name("transformer.wpe.weight", "position_embd.weight"),
                &[config.context, config.d_model],
            )?),
            final_norm: Some(weights.norm(
                name("transformer.ln_f", "output_norm"),
                config.d_model,
                true,
            )?),
            unembedding,
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError> {
        let (d_model, d_mlp) = (self.config.d_model, self.config.d_mlp);
        let name = |hugging_face: &str, gguf: &str| {
            self.naming.pick(
                format!("transformer.h.{layer}.{hugging_face}"),
                format!("blk.{layer}.{gguf}"),
            )
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
        // Causal masks and positions that old checkpoints store as buffers.
        name.ends_with(".attn.bias")
            || name.ends_with(".attn.masked_bias")
            || name == "transformer.position_ids"
    }
}
