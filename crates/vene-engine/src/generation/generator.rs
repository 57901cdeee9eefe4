//! How texts are generated, and what of it cannot be.

use std::ops::ControlFlow;

use vene_model::{DecoderConfig, Model, Outline};

use super::continuation::{Generation, NewToken};
use super::writer::Writer;
use super::{GenerationError, Sampling};
use crate::error::RunError;
use crate::plan::{ResolvedCollect, ResolvedPlan};

/// Writes text behind the bases of a plan, with the plan's edits.
///
/// What a sample says depends on its prompt, its edits, the seed and its number alone: not on the prompts
/// beside it, nor on the number of threads. (Two things are exceptions, as for executors: noise is drawn by
/// the example's number, and edited attention patterns round otherwise in another batch.)
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// How many tokens are generated at most behind each prompt.
    pub max_new_tokens: usize,
    /// The tokens that end a text; `None` stands for those that the model's own files name, and in a conversation also for
    /// that by which the chat template ends a turn.
    pub stop: Option<Vec<u32>>,
    /// Texts that end a continuation too, wherever they stand in it.
    pub stop_texts: Vec<String>,
    /// Makes tokens less likely that are in the text already, its prompt included: their logits are divided by it, or
    /// multiplied where they are below 0. Above 0; 1 changes nothing.
    pub repetition_penalty: Option<f64>,
    /// How tokens are drawn; `None` takes the likeliest, of equally likely ones that with the lower id.
    pub sampling: Option<Sampling>,
    /// Of how many of the likeliest tokens the log-probability is kept at each step.
    pub likeliest: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// How many texts are written behind each prompt, which is read once for all of them.
    pub samples: usize,
    /// About how many bytes keys, values and rows may take beside the weights: as many prompts are written behind at once as
    /// fit. Default: a quarter of what the system has free.
    pub memory: Option<usize>,
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            max_new_tokens: 64,
            stop: None,
            stop_texts: Vec::new(),
            repetition_penalty: None,
            sampling: None,
            likeliest: 0,
            seed: 0,
            samples: 1,
            memory: None,
        }
    }
}

impl Generator {
    /// Samples of each prompt at most: each keeps keys and values of its own.
    pub const MOST_SAMPLES: usize = 4096;

    /// Refuses what cannot be run, before a weight is read.
    ///
    /// # Errors
    /// What is wrong with the settings, or with the plan for them; a plan of another model.
    pub fn check(&self, outline: &Outline, plan: &ResolvedPlan) -> Result<(), GenerationError> {
        plan.expect(outline.key()).map_err(RunError::from)?;
        if self.max_new_tokens == 0 {
            return Err(GenerationError::NothingToGenerate);
        }
        match (self.samples, &self.sampling) {
            (0, _) => return Err(GenerationError::NoSamples),
            (samples, _) if samples > Self::MOST_SAMPLES => {
                return Err(GenerationError::ManySamples { samples, most: Self::MOST_SAMPLES });
            }
            (2.., None) => return Err(GenerationError::GreedySamples { samples: self.samples }),
            (_, Some(sampling)) => sampling.check()?,
            (1, None) => {}
        }
        if let Some(penalty) = self.repetition_penalty
            && !(penalty.is_finite() && penalty > 0.0)
        {
            return Err(GenerationError::RepetitionPenalty { penalty });
        }
        if self.stop_texts.iter().any(String::is_empty) {
            return Err(GenerationError::EmptyStop);
        }
        let config = outline.config();
        let (family, vocabulary) = (config.family, config.vocabulary);
        if config.inputs != vocabulary {
            return Err(GenerationError::Classifier { family, classes: vocabulary });
        }
        if let Some(layer) = (0..config.layers.len()).find(|&layer| config.recurs(layer)) {
            return Err(GenerationError::Recurrent { family, layer });
        }
        let mut stop = self.stop.iter().flatten();
        if let Some(&token) = stop.find(|&&token| token as usize >= vocabulary) {
            return Err(GenerationError::UnknownToken { token, vocabulary });
        }
        for (example, texts) in plan.examples.iter().enumerate() {
            self.refuse_other_frequencies(config, example, texts.base.len())?;
        }
        let is_pattern = |collect: &&ResolvedCollect| collect.site.component().is_pattern();
        if let Some(collect) = plan.collects.iter().find(is_pattern) {
            return Err(GenerationError::CollectsPattern { site: collect.site });
        }
        for (edit, resolved) in plan.edits.iter().enumerate() {
            let max_new_tokens = self.max_new_tokens;
            match resolved.when.last_named() {
                Some(step) if step >= max_new_tokens => {
                    let site = resolved.site;
                    return Err(GenerationError::NoSuchStep { edit, site, step, max_new_tokens });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses a text that would grow past a length at which its first tokens are turned otherwise: their
    /// keys are kept as they were.
    fn refuse_other_frequencies(
        &self,
        config: &DecoderConfig,
        example: usize,
        prompt: usize,
    ) -> Result<(), GenerationError> {
        let longest = prompt.saturating_add(self.max_new_tokens - 1).min(config.context);
        let after = config.longest_like(prompt);
        if longest <= after {
            return Ok(());
        }
        let (max_new_tokens, most) = (self.max_new_tokens, after - prompt + 1);
        Err(GenerationError::RotaryChanges { example, prompt, max_new_tokens, after, most })
    }

    /// Writes the texts. `each` is told of every token as it comes, and may break off: the texts are
    /// then given as far as they came. With each token comes what the plan collects ([`NewToken::collected`]). What the
    /// plan reads of distributions is of no concern here.
    ///
    /// # Errors
    /// As [`Generator::check`]; failures of the computation or of an intervention.
    pub fn run(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        each: &mut dyn FnMut(&NewToken<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, GenerationError> {
        self.check(model, plan)?;
        let writer = Writer::new(self, model, plan, each);
        match model.fused()? {
            Some(decoder) => writer.write(decoder),
            None => writer.write(model.plain()?),
        }
    }
}
