//! Gemma 3, text models (Gemma Team 2025): Llama's parts, with a norm on both sides of each
//! module, norms on queries and keys, and sliding windows on most layers.
//!
//! Norm weights are published as their difference from 1; GGUF files hold the sum.

use serde_json::json;

use super::keys::{Keys, shortened, wrong};
use super::names::Names;
use super::{Family, Head, Naming, Weights, activation, gguf_rope, llama, rope};
use crate::config::{Activation, BlockKind, DecoderConfig, LayerConfig, NormKind, Rotary};
use crate::error::ModelError;
use crate::tensors::{BlockTensors, NormTensors, OuterTensors, TransformerTensors};

/// A key that transformers 5 writes and does not read.
const UNREAD_PATTERN: &str = "_sliding_window_pattern";

/// Where GGUF metadata does not say it: every sixth layer attends globally.
const PATTERN: usize = 6;

/// The layers of Gemma 3 27B, which scales scores by the width of the model over its heads. GGUF metadata does
/// not say so: llama.cpp knows the model by its layers.
const LAYERS_OF_27B: usize = 62;

const LOGIT_CAP: &str = "final_logit_softcapping";
const SCORE_CAP: &str = "attn_logit_softcapping";

/// Indices into the decoder's rotary encodings.
const GLOBAL: usize = 0;
const LOCAL: usize = 1;

pub(super) struct Gemma3 {
    config: DecoderConfig,
    naming: Naming,
    head: Head,
    attention_bias: bool,
}

/// How layers attend.
struct Attending {
    /// For each layer its window; `None`: everything.
    windows: Vec<Option<usize>>,
    /// Of layers that attend to everything, and of those with a window.
    rotaries: [Rotary; 2],
    context: usize,
    /// Scores are divided by the square root of this.
    scale: f64,
}

impl Gemma3 {
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

        let mut activation = Activation::GeluTanh;
        let (attending, attention_bias) = match naming {
            Naming::HuggingFace => {
                let name = keys.text("hidden_activation")?;
                activation = activation::named("hidden_activation", &name)?;
                let bias = keys.flag_or("attention_bias", false)?;
                (Attending::in_config(keys, layers, head_dim, context)?, bias)
            }
            Naming::Gguf => {
                for key in ["rope.dimension_count", "attention.value_length"] {
                    keys.only(key, json!(head_dim))?;
                }
                // In whole numbers, as llama.cpp divides.
                let scale = if layers == LAYERS_OF_27B { d_model / heads } else { head_dim };
                (Attending::in_gguf(keys, names, layers, head_dim, context, scale)?, false)
            }
        };
        let embedding = naming.pick("model.embed_tokens.weight", "token_embd.weight");
        let head = Head::of(keys, naming, names, embedding, true)?;
        let vocabulary = super::vocabulary(keys, naming, names, embedding)?;
        let epsilon = naming.pick("rms_norm_eps", "attention.layer_norm_rms_epsilon");
        leave_out_score_cap(keys);
        let layers = attending
            .windows
            .into_iter()
            .map(|window| LayerConfig {
                kind: BlockKind::Transformer,
                score_scale: attending.scale.sqrt().recip(),
                window,
                rotary: Some(if window.is_some() { LOCAL } else { GLOBAL }),
            })
            .collect();
        let config = DecoderConfig {
            family: "gemma3",
            d_model,
            heads,
            key_value_heads,
            head_dim,
            d_mlp: keys.extent(naming.pick("intermediate_size", "feed_forward_length"))?,
            inputs: vocabulary,
            vocabulary,
            context: attending.context,
            norm: NormKind::RootMeanSquare {
                epsilon: keys.positive(epsilon)?,
                unit_offset: naming == Naming::HuggingFace,
            },
            final_norm: true,
            post_norms: true,
            query_key_norm: true,
            activation,
            gated: true,
            embedding_scale: Some((d_model as f64).sqrt()),
            score_soft_cap: None,
            logit_soft_cap: match naming {
                Naming::HuggingFace => keys.optional_positive(LOGIT_CAP)?,
                Naming::Gguf => keys.positive_or_off(LOGIT_CAP)?,
            },
            rotaries: attending.rotaries.into(),
            layers,
        };
        Ok(Self { config, naming, head, attention_bias })
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

impl Attending {
    fn in_config(
        keys: &Keys<'_>,
        layers: usize,
        head_dim: usize,
        context: usize,
    ) -> Result<Self, ModelError> {
        let slides = sliding_layers(keys, layers)?;
        let window = if slides.contains(&true) {
            Some(keys.count("sliding_window")?)
        } else {
            keys.ignore(&["sliding_window"]);
            None
        };
        let [global, local] = rope::of_layers(keys, head_dim, context)?;
        Ok(Self {
            windows: slides.into_iter().map(|slides| window.filter(|_| slides)).collect(),
            context: global.context.min(local.context),
            rotaries: [global.rotary, local.rotary],
            scale: keys.positive("query_pre_attn_scalar")?,
        })
    }

    /// By llama.cpp's rules: without a window there is no local rotary base, either.
    fn in_gguf(
        keys: &Keys<'_>,
        names: &Names,
        layers: usize,
        head_dim: usize,
        context: usize,
        scale: usize,
    ) -> Result<Self, ModelError> {
        const PERIOD: &str = "attention.sliding_window_pattern";
        let window = match keys.optional_number("attention.sliding_window")? {
            Some(0.0) => None,
            _ => keys.optional_count("attention.sliding_window")?,
        };
        let slides: Vec<bool> = match keys.optional_flags(PERIOD)? {
            Some(slides) if slides.len() == layers => slides,
            Some(slides) => {
                let found = format!("a list of {}", slides.len());
                let expected = format!("one entry for each of the {layers} layers");
                return Err(wrong(PERIOD, &found.into(), &expected));
            }
            None if keys.optional_number(PERIOD)? == Some(0.0) => vec![true; layers],
            None => {
                let period = keys.optional_count(PERIOD)?.unwrap_or(PATTERN);
                (0..layers).map(|layer| (layer + 1) % period != 0).collect()
            }
        };
        let theta = keys.optional_positive("rope.freq_base")?.unwrap_or(10_000.0);
        let local = keys.optional_positive("rope.freq_base_swa")?.unwrap_or(10_000.0);
        Ok(Self {
            windows: slides.into_iter().map(|slides| window.filter(|_| slides)).collect(),
            rotaries: [
                gguf_rope::rotary(keys, names, theta, head_dim, context)?,
                Rotary::new(local, head_dim),
            ],
            context,
            scale: scale as f64,
        })
    }
}

/// Scores are not capped: transformers and llama.cpp read the key for this family and compute without it.
fn leave_out_score_cap(keys: &Keys<'_>) {
    if let Some(cap) = keys.said(SCORE_CAP).filter(|cap| cap.as_f64() != Some(0.0)) {
        keys.notices.add(format!(
            "`{SCORE_CAP}` = {} changes nothing: attention scores of a Gemma 3 are not capped, as in transformers and \
             llama.cpp, which do not follow it either",
            shortened(&cap)
        ));
    }
}

/// Which layers attend within a sliding window: `layer_types`, or every layer but each
/// `sliding_window_pattern`-th.
fn sliding_layers(keys: &Keys<'_>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let pattern = keys.count("sliding_window_pattern")?;
    let every = |period: usize| (0..layers).map(|layer| (layer + 1) % period != 0).collect();
    let by_pattern: Vec<bool> = every(pattern);
    let Some(types) = keys.optional_texts("layer_types")? else {
        // Newer versions write this beside the types, and read it in no case.
        let own = keys.said(UNREAD_PATTERN).and_then(|own| own.as_u64()).filter(|own| *own > 0);
        if let Some(own) = own.filter(|own| every(*own as usize) != by_pattern) {
            keys.notices.add(format!(
                "`{UNREAD_PATTERN}` = {own} is not read, as in transformers 4.52 and 5: {pattern} is used, by \
                 `sliding_window_pattern` or its default"
            ));
        }
        return Ok(by_pattern);
    };
    if types.len() != layers {
        let found = format!("a list of {}", types.len());
        let expected = format!("one entry for each of the {layers} layers");
        return Err(wrong("layer_types", &found.into(), &expected));
    }
    let slides = types.into_iter().map(|kind| match kind.as_str() {
        "sliding_attention" => Ok(true),
        "full_attention" => Ok(false),
        _ => Err(ModelError::NotUnderstood {
            key: "layer_types".into(),
            value: kind,
            understood: "sliding_attention, full_attention".into(),
        }),
    });
    let slides = slides.collect::<Result<Vec<_>, _>>()?;
    if slides != by_pattern {
        let said = if keys.is_said("sliding_window_pattern") { "" } else { " (its default)" };
        keys.notices.add(format!(
            "`layer_types` names other layers than `sliding_window_pattern` = {pattern}{said}: `layer_types` is used, as \
             transformers 5 does (transformers 4.52 uses the pattern)"
        ));
    }
    Ok(slides)
}

impl Family for Gemma3 {
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
        llama::is_leftover(name)
    }
}
