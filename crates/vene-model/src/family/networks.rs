//! Networks that are no transformers, as pyvene 0.1.8 defines and saves them: a multilayer perceptron
//! (`model_type` `mlp`, `MLPForClassification`) and gated recurrent units in a row (`gru`,
//! `GRUForClassification` and `GRULMHeadModel`).
//!
//! They read vectors. A checkpoint with `include_emb` has a table of them (`wte`), others are given one
//! ([`Outline::with_inputs`](crate::Outline::with_inputs)). The position embedding that is saved with it
//! (`wpe`) is used by pyvene only where the caller passes `position_ids`, which nothing does unless
//! told; it is left out here.

use serde_json::json;

use super::keys::Keys;
use super::names::Names;
use super::{Family, Weights};
use crate::config::{Activation, BlockKind, DecoderConfig, Extents, LayerConfig, NormKind};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, GateTensors, GatedRecurrentTensors, HostTensor, OuterTensors};

/// Their names, and what they are.
pub(super) const FAMILIES: [(&str, &str); 2] = [
    ("mlp", "a multilayer perceptron that classifies vectors (pyvene's MLPForClassification)"),
    ("gru", "a gated recurrent network (pyvene's GRUForClassification, GRULMHeadModel)"),
];

pub(super) struct Network {
    config: DecoderConfig,
    /// Of the blocks' projections.
    bias: bool,
    /// Where the logits come from, and whether it has a bias.
    head: (&'static str, bool),
}

impl Network {
    pub(super) fn mlp(keys: &Keys<'_>) -> Result<Self, ModelError> {
        let name = keys.optional_text("activation_function")?;
        let activation = match name {
            Some(name) => super::activation::named("activation_function", &name)?,
            None => Activation::GeluExact,
        };
        // It only says in which shape pyvene returns logits.
        keys.flag_or("squeeze_output", true)?;
        let classes = keys.optional_count("num_classes")?.unwrap_or(2);
        let bias = keys.flag_or("include_bias", true)?;
        let config = config(keys, "mlp", BlockKind::Feedforward, activation, classes)?;
        Ok(Self { config, bias, head: ("score", bias) })
    }

    pub(super) fn gru(keys: &Keys<'_>, names: &Names) -> Result<Self, ModelError> {
        let classes = keys.optional_count("n_labels")?.unwrap_or(2);
        let is_language_model = names.contains("lm_head.weight");
        let (classes, head) = match is_language_model {
            true => (keys.count("vocab_size")?, "lm_head"),
            false => (classes, "score"),
        };
        let bias = keys.flag_or("include_bias", true)?;
        // The cell's own functions are fixed; the configuration's is that of no block.
        let config = config(keys, "gru", BlockKind::GatedRecurrent, Activation::Tanh, classes)?;
        Ok(Self { config, bias, head: (head, false) })
    }

    fn prefix(&self) -> &'static str {
        self.config.family
    }
}

fn config(
    keys: &Keys<'_>,
    family: &'static str,
    kind: BlockKind,
    activation: Activation,
    classes: usize,
) -> Result<DecoderConfig, ModelError> {
    keys.only("is_encoder_decoder", json!(false))?;
    keys.only("add_cross_attention", json!(false))?;
    // Nothing is tied: a language model's head is in its file.
    keys.flag_or("tie_word_embeddings", true)?;
    let d_model = keys.count("h_dim")?;
    // Without an embedding it is written all the same, and says nothing.
    let entries = keys.optional_count("vocab_size")?;
    let inputs = match keys.flag_or("include_emb", false)? {
        true => entries.map_or_else(|| keys.count("vocab_size"), Ok)?,
        false => 0,
    };
    let layers = super::reading::layer_count(keys, "n_layer")?;
    let extents = Extents {
        d_model,
        heads: 0,
        key_value_heads: 0,
        head_dim: 0,
        d_mlp: if kind == BlockKind::Feedforward { d_model } else { 0 },
        vocabulary: classes,
        context: keys.optional_count("max_position_embeddings")?.unwrap_or(512),
        layers,
    };
    Ok(DecoderConfig {
        inputs,
        final_norm: false,
        activation,
        layers: vec![LayerConfig::without_attention(kind); layers],
        ..DecoderConfig::transformer(family, extents, NormKind::Layer { epsilon: 0.0 })
    })
}

impl Family for Network {
    fn config(&self) -> &DecoderConfig {
        &self.config
    }

    fn outer(&self, weights: &Weights<'_>) -> Result<OuterTensors, ModelError> {
        let DecoderConfig { d_model, inputs, vocabulary, .. } = self.config;
        let embedding = match inputs {
            0 => HostTensor { data: Vec::new(), shape: vec![0, d_model] }.into(),
            _ => weights.matrix(&format!("{}.wte.weight", self.prefix()), &[inputs, d_model])?,
        };
        let (head, bias) = self.head;
        Ok(OuterTensors {
            embedding,
            position_embedding: None,
            embedding_norm: None,
            final_norm: None,
            unembedding: Some(weights.linear(head, [vocabulary, d_model], bias)?),
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError> {
        let d_model = self.config.d_model;
        if self.config.layers[layer].kind == BlockKind::Feedforward {
            let stem = format!("mlp.h.{layer}.ff1");
            return Ok(BlockTensors::Feedforward(weights.linear(
                &stem,
                [d_model, d_model],
                self.bias,
            )?));
        }
        // The three gates' projections stand one after the other.
        let gates = |stem: &str| {
            let stem = format!("gru.cells.{layer}.{stem}");
            let joined = weights.linear(&stem, [3 * d_model, d_model], self.bias)?;
            let part = |index: usize| joined.rows(index * d_model, d_model);
            Ok::<_, ModelError>(GateTensors { reset: part(0), update: part(1), new: part(2) })
        };
        let (input, state) = (gates("x2h")?, gates("h2h")?);
        Ok(BlockTensors::GatedRecurrent(Box::new(GatedRecurrentTensors { input, state })))
    }

    fn is_leftover(&self, name: &str) -> bool {
        self.config.inputs > 0 && name == format!("{}.wpe.weight", self.prefix())
    }
}
