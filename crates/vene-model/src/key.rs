//! Which model something was resolved for.
//!
//! A token id, a layer and a position mean something in one model only. Whatever was resolved for a
//! model (a prompt, and with it each plan, sweep and prepared row) carries that model's key, and
//! whoever runs it compares. A key is made once for each [`Outline`](crate::Outline): two things of
//! one outline are compared by a pointer. Only for things of two outlines are the tokenizer and the
//! weights looked at, and each once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use vene_checkpoint::{BeginningOfSequence, Checkpoint, Tokenizer};

use crate::config::{BlockKind, DecoderConfig};
use crate::family;
use crate::tensors::HostTensor;

/// A text in which tokenizers with one vocabulary and other rules differ.
const PROBE: &str = "Hello, world!  The year 2024's caf\u{e9}, 1234567 na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} \u{1f642}\r\n\n\tfoo_bar(x)=3.14; DON'T";

/// Which model something was resolved for. Cheap to clone.
#[derive(Clone)]
pub struct ModelKey(Arc<Facts>);

struct Facts {
    shape: String,
    checkpoint: Arc<Checkpoint>,
    /// How many tokens a prompt may be made of.
    inputs: usize,
    /// A hash of inputs other than the checkpoint's.
    other_inputs: Option<String>,
    tokenizer: OnceLock<String>,
    weights: OnceLock<String>,
}

/// Something that was resolved for one model is given to another: what, both models, how they differ, and
/// what to do.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AnotherModel(Box<str>);

vene_named::debug_as_sentence!(AnotherModel);

impl ModelKey {
    pub(crate) fn new(
        checkpoint: &Arc<Checkpoint>,
        config: &DecoderConfig,
        other_inputs: Option<&HostTensor>,
    ) -> Self {
        let hash = |inputs: &HostTensor| {
            let mut hash = Sha256::new();
            inputs.data.iter().for_each(|value| hash.update(value.to_le_bytes()));
            hexadecimal(hash)
        };
        Self(Arc::new(Facts {
            shape: shape(config),
            checkpoint: checkpoint.clone(),
            inputs: config.inputs,
            other_inputs: other_inputs.map(hash),
            tokenizer: OnceLock::new(),
            weights: OnceLock::new(),
        }))
    }

    /// The model's name: a hub id, a path, or that of the model that ships inside.
    pub fn name(&self) -> &str {
        &self.0.checkpoint.provenance.name
    }

    /// Everything that sites, widths and token ids rest on, as one line: family, numbers of layers and
    /// heads, widths, vocabulary.
    pub fn shape(&self) -> &str {
        &self.0.shape
    }

    /// A hash of the tokenizer, as 64 hexadecimal digits: the text of each token id, and how a text of
    /// many kinds is split. The rule for the beginning of a text is no part of it, nor is the file
    /// format.
    pub fn tokenizer(&self) -> &str {
        let Facts { checkpoint, inputs, tokenizer, .. } = self.0.as_ref();
        tokenizer.get_or_init(|| tokenizer_digest(&checkpoint.tokenizer, *inputs))
    }

    /// [`Outline::identity`](crate::Outline::identity).
    pub fn weights(&self) -> &str {
        let Facts { checkpoint, weights, .. } = self.0.as_ref();
        weights.get_or_init(|| {
            let description = family::meaningful(&checkpoint.description);
            format!("vene1-{}", checkpoint.tensors.fingerprint(&description))
        })
    }

    /// Refuses what is for this model where another one is given.
    ///
    /// # Errors
    /// How the two differ.
    pub fn expect(&self, what: &'static str, given: &Self) -> Result<(), AnotherModel> {
        if Arc::ptr_eq(&self.0, &given.0) {
            return Ok(());
        }
        self.expect_alike(what, given)?;
        if self.0.other_inputs != given.0.other_inputs {
            return Err(self.differs(
                what,
                given,
                "they were given other input vectors; make it anew for this one",
            ));
        }
        if self.weights() != given.weights() {
            return Err(self.differs(
                what,
                given,
                "their weights differ; make it anew for this model, or, if it is meant for both, as for a \
                 fine-tuned copy, take it over by `for_another_model`",
            ));
        }
        Ok(())
    }

    /// The same where other weights are meant: shape and tokenizer must be the same.
    ///
    /// # Errors
    /// How the two differ.
    pub fn expect_alike(&self, what: &'static str, given: &Self) -> Result<(), AnotherModel> {
        if Arc::ptr_eq(&self.0, &given.0) {
            return Ok(());
        }
        if self.shape() != given.shape() {
            let difference = format!(
                "the one is {}, the other {}, so that layers, positions and token ids mean something \
                 else; make it anew for this model",
                self.shape(),
                given.shape()
            );
            return Err(self.differs(what, given, difference));
        }
        if self.tokenizer() != given.tokenizer() {
            return Err(self.differs(
                what,
                given,
                "their tokenizers differ, so that token ids mean other texts; make it anew for this model",
            ));
        }
        Ok(())
    }

    fn differs(
        &self,
        what: &'static str,
        given: &Self,
        difference: impl Into<String>,
    ) -> AnotherModel {
        let (own, given, difference) = (self.name(), given.name(), difference.into());
        let message =
            format!("{what} is for the model `{own}`, and `{given}` is given: {difference}");
        AnotherModel(message.into())
    }
}

impl PartialEq for ModelKey {
    fn eq(&self, other: &Self) -> bool {
        self.expect("it", other).is_ok()
    }
}

impl Eq for ModelKey {}

impl fmt::Debug for ModelKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ModelKey").field(&self.name()).finish()
    }
}

/// Everything that sites, widths and token ids rest on.
fn shape(config: &DecoderConfig) -> String {
    let DecoderConfig { family, d_model, heads, key_value_heads, head_dim, d_mlp, .. } = *config;
    let DecoderConfig { inputs, vocabulary, gated, .. } = *config;
    let mut shape = format!("{family} with {} layers of width {d_model}", config.layers.len());
    if config.is_transformer() {
        shape +=
            &format!(", {heads} heads ({key_value_heads} of keys) of {head_dim}, MLPs of {d_mlp}");
    }
    let what = if config.is_transformer() { "tokens" } else { "inputs" };
    shape += &format!(", {inputs} {what}");
    if vocabulary != inputs {
        shape += &format!(", {vocabulary} outputs");
    }
    // What decides which components there are.
    let parts = [
        (gated && config.is_transformer(), "gated"),
        (!config.is_sequential(), "parallel modules"),
        (config.is_transformer() && !config.pre_norms, "no norms before modules"),
        (config.post_norms, "post-norms"),
        (config.residual_scale.is_some(), "scaled contributions"),
        (config.query_key_norm.is_some(), "query and key norms"),
        (config.final_norm, "final norm"),
        (config.has_position_embedding(), "learned positions"),
    ];
    for (_, part) in parts.iter().filter(|(is_there, _)| *is_there) {
        shape += &format!(", {part}");
    }
    if config.only_kind().is_none() {
        let kinds = config.layers.iter().map(|layer| match layer.kind {
            BlockKind::Transformer => 't',
            BlockKind::Feedforward => 'f',
            BlockKind::GatedRecurrent => 'r',
        });
        shape += &format!(", blocks {}", kinds.collect::<String>());
    }
    shape
}

/// Of the tokens that a prompt may be made of, and of how a text is split.
fn tokenizer_digest(tokenizer: &Tokenizer, inputs: usize) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for id in 0..tokenizer.vocabulary_size().min(inputs) {
        add(tokenizer.token_text(id as u32).unwrap_or_default().as_bytes());
    }
    let probe = tokenizer.encode_with(PROBE, BeginningOfSequence::Never);
    for id in probe.map(|encoding| encoding.ids).unwrap_or_default() {
        add(&id.to_le_bytes());
    }
    hexadecimal(hash)
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
