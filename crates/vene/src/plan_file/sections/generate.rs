//! `[generate]`: how a text is gone on with under a plan.

use serde::{Deserialize, Serialize};
use vene_engine::generation::{Generator, Sampling};
use vene_model::{CheckpointError, Outline};

/// `[generate]`: how a text is gone on with under a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateSection {
    /// The text to go on with, in place of the data's base.
    pub prompt: Option<String>,
    /// At most so many new tokens.
    pub tokens: Option<usize>,
    /// Whether what the model's `generation_config.json` asks for goes for whatever is not said here.
    pub as_configured: Option<bool>,
    /// Sharpens or flattens what tokens are drawn from; the likeliest token is taken where nothing is said
    /// of temperature, cuts, seed and samples.
    pub temperature: Option<f64>,
    /// Only so many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that make up this probability together are drawn from.
    pub top_p: Option<f64>,
    /// Only tokens are drawn from that have this share of the likeliest one's probability.
    pub min_p: Option<f64>,
    /// Makes tokens that are in the text already less likely, above 1.
    pub repetition_penalty: Option<f64>,
    /// What is drawn depends on it.
    pub seed: Option<u64>,
    /// How many texts are drawn.
    pub samples: Option<usize>,
    /// Texts at which generation ends, beside the tokens at which the model ends it.
    pub stop: Vec<String>,
    /// Of how many of the likeliest tokens the log-probability is told at each step.
    pub top_logprobs: Option<usize>,
}

impl GenerateSection {
    /// The generator that the section describes; what it does not say is as in [`Generator::default`].
    ///
    /// # Errors
    /// What the model's files ask for cannot be.
    pub fn generator(&self, outline: &Outline) -> Result<Generator, CheckpointError> {
        let usual = Generator::default();
        let configured = match self.as_configured {
            Some(true) => outline.tokenizer().generation().followed()?,
            _ => Default::default(),
        };
        let draws = configured.draws
            || self.temperature.is_some()
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some()
            || self.seed.is_some()
            || self.samples.is_some();
        let mut stop_texts =
            if self.stop.is_empty() { configured.stop_strings } else { self.stop.clone() };
        // A text that is named a thousand times is looked for once.
        stop_texts.sort();
        stop_texts.dedup();
        Ok(Generator {
            max_new_tokens: self
                .tokens
                .or(configured.max_new_tokens)
                .unwrap_or(usual.max_new_tokens),
            stop: usual.stop,
            stop_texts,
            repetition_penalty: self.repetition_penalty.or(configured.repetition_penalty),
            sampling: draws.then(|| Sampling {
                temperature: self.temperature.or(configured.temperature).unwrap_or(1.0),
                top_k: self.top_k.or(configured.top_k),
                top_p: self.top_p.or(configured.top_p),
                min_p: self.min_p.or(configured.min_p),
            }),
            likeliest: self.top_logprobs.unwrap_or(usual.likeliest),
            seed: self.seed.unwrap_or(usual.seed),
            samples: self.samples.unwrap_or(usual.samples),
            memory: usual.memory,
        })
    }

    /// What the model's files ask for and this section does not follow, in a sentence; `None` where that is nothing.
    pub fn disregarded(&self, outline: &Outline) -> Option<String> {
        let draws = self.temperature.is_some()
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some();
        let said = [
            ("do_sample", draws || self.seed.is_some() || self.samples.is_some()),
            ("temperature", self.temperature.is_some()),
            ("top_k", self.top_k.is_some()),
            ("top_p", self.top_p.is_some()),
            ("min_p", self.min_p.is_some()),
            ("repetition_penalty", self.repetition_penalty.is_some()),
            ("max_new_tokens", self.tokens.is_some()),
            ("stop_strings", !self.stop.is_empty()),
        ];
        let said: Vec<&str> =
            said.into_iter().filter_map(|(key, is_said)| is_said.then_some(key)).collect();
        outline.tokenizer().generation().disregarded(&said, self.as_configured == Some(true))
    }
}
