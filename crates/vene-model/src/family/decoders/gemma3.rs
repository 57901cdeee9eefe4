//! Gemma 3, text models (Gemma Team 2025): Llama's parts, with a norm on both sides of each
//! module, norms on queries and keys, and sliding windows on most layers.
//!
//! Norm weights are published as their difference from 1; GGUF files hold the sum.

use super::{gemma, gemma2, windows};
use crate::config::{Activation, Rotary};
use crate::error::ModelError;
use crate::family::keys::{Keys, shortened};
use crate::family::reading::{Described, Reading, USUAL_BASE};
use crate::family::slots::{self, Slots};
use crate::family::table::{Activates, Gguf, GgufHead, Positions, Share, Transformer};
use crate::family::{gguf_rope, rope};

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

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gemma3",
    model_type: "gemma3_text",
    gguf: Some(Gguf {
        architecture: "gemma3",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: true,
    }),
    about: "as llama, with post-norms, query/key norms and sliding windows (gemma3_text)",
    activation: Activates::Said("hidden_activation", Activation::GeluTanh),
    positions: Positions::Special,
    slots: Slots { query_key_norms: slots::QUERY_KEY_NORMS, ..gemma2::SLOTS },
    special,
    ..gemma::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let config = &mut told.config;
    let (layers, context) = (config.layers.len(), config.context);
    let head_dim = from.turned(&Share::All, config.head_dim)?;
    let attending = if from.is_hugging_face() {
        Attending::in_config(from.keys, layers, head_dim, context)?
    } else {
        let scale = gemma2::scale_in_gguf(config, LAYERS_OF_27B);
        Attending::in_gguf(from, layers, head_dim, context, scale)?
    };
    leave_out_score_cap(from.keys);
    for (layer, window) in config.layers.iter_mut().zip(attending.windows) {
        layer.score_scale = attending.scale.sqrt().recip();
        layer.window = window;
        layer.rotary = Some(if window.is_some() { LOCAL } else { GLOBAL });
    }
    config.rotaries = attending.rotaries.into();
    config.context = attending.context;
    config.embedding_scale = Some((config.d_model as f64).sqrt());
    config.logit_soft_cap = from.soft_cap(LOGIT_CAP)?;
    Ok(())
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
        let [global, local] = rope::of_layers(keys, "rope_local_base_freq", head_dim, context)?;
        Ok(Self {
            windows: slides.into_iter().map(|slides| window.filter(|_| slides)).collect(),
            context: global.context.min(local.context),
            rotaries: [global.rotary, local.rotary],
            scale: keys.positive("query_pre_attn_scalar")?,
        })
    }

    /// By llama.cpp's rules: without a window there is no local rotary base, either.
    fn in_gguf(
        from: &Reading<'_>,
        layers: usize,
        head_dim: usize,
        context: usize,
        scale: f64,
    ) -> Result<Self, ModelError> {
        let keys = from.keys;
        let window = windows::width(from)?;
        let slides = windows::in_gguf(from, layers, PATTERN)?;
        let theta = from.base_in_gguf()?;
        let local = keys.optional_positive("rope.freq_base_swa")?.unwrap_or(USUAL_BASE);
        Ok(Self {
            windows: slides.into_iter().map(|slides| window.filter(|_| slides)).collect(),
            rotaries: [
                gguf_rope::rotary(keys, from.names, theta, head_dim, context)?,
                Rotary::new(local, head_dim),
            ],
            context,
            scale,
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
    let slides = windows::of_types(types, layers)?;
    if slides != by_pattern {
        let said = if keys.is_said("sliding_window_pattern") { "" } else { " (its default)" };
        keys.notices.add(format!(
            "`layer_types` names other layers than `sliding_window_pattern` = {pattern}{said}: `layer_types` is used, as \
             transformers 5 does (transformers 4.52 uses the pattern)"
        ));
    }
    Ok(slides)
}
