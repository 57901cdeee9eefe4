//! What a generation gives.

use candle_core::Tensor;
use vene_model::Outline;

use super::{GenerationError, StopStream};
use crate::Distribution;
use crate::error::RunError;
use crate::plan::{Receipt, ResolvedPlan};

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a token that ends texts; it is the last one.
    Stop,
    /// By a text that ends texts ([`Continuation::stop_text`]).
    StopText,
    /// As many tokens were generated as were asked for.
    Enough,
    /// The model's context holds no more.
    ContextFull,
    /// Whoever was told of the tokens broke off.
    BrokenOff,
}

/// A token that has just been generated.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// The example's index.
    pub prompt: usize,
    /// Which of the prompt's samples.
    pub sample: usize,
    /// Whether it belongs to the continuation without edits.
    pub is_original: bool,
    /// The step that gave it; 0 is the pass over the prompt.
    pub step: usize,
    /// It.
    pub token: u32,
    /// The model's distribution that it was taken from, before temperature and cuts.
    pub distribution: &'a Distribution,
    /// What the plan collects in the pass that gave the token, in the plan's order, each `[positions, width]`: at step 0
    /// of the prompt, at the positions that the plan names (by default the last); at later steps of the token before
    /// this one, which that pass read. The last token of a text is not read any more.
    pub collected: &'a [Tensor],
    /// Why the text ends here, where it does.
    pub end: Option<End>,
}

/// How a prompt was continued.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    /// The example's index.
    pub prompt: usize,
    /// Which of the prompt's samples.
    pub sample: usize,
    /// The new tokens, one that ended the text included.
    pub tokens: Vec<u32>,
    /// Each token's log-probability in nats, in the model's distribution before temperature and cuts.
    pub log_probabilities: Vec<f64>,
    /// For each step the likeliest tokens in that distribution, as many as were asked for; empty where none were.
    pub likeliest: Vec<Vec<LikelyToken>>,
    /// Why it ended.
    pub end: End,
    /// The text that ended it, where one did.
    pub stop_text: Option<String>,
}

/// A token that might have been next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LikelyToken {
    /// Its id.
    pub token: u32,
    /// Its log-probability, in nats.
    pub log_probability: f64,
}

impl Continuation {
    /// A text of which nothing is written yet.
    pub(super) fn new(prompt: usize, sample: usize) -> Self {
        Self {
            prompt,
            sample,
            tokens: Vec::new(),
            log_probabilities: Vec::new(),
            likeliest: Vec::new(),
            end: End::BrokenOff,
            stop_text: None,
        }
    }
}

/// What an edit did at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReceipt {
    /// The step; 0 is the pass over the prompt.
    pub step: usize,
    /// Which of the prompt's samples; 0 at step 0, which they share.
    pub sample: usize,
    /// What it did, and at which position.
    pub receipt: Receipt,
}

/// What a generation gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generation {
    /// By prompt, and of each prompt by sample.
    pub continuations: Vec<Continuation>,
    /// The same without any edit, where the plan wants it ([`Plan::with_original`](crate::Plan::with_original);
    /// pyvene's `output_original_output`). A sample draws the same random numbers here.
    pub originals: Vec<Continuation>,
    /// What every edit did at every step, in the order of steps.
    pub receipts: Vec<StepReceipt>,
}

impl Continuation {
    /// Its text: what stands behind the prompt. A token, or a text, that ended it is no part of it.
    ///
    /// # Errors
    /// The tokenizer cannot decode the tokens; a plan that has no such prompt, or another model than the
    /// plan's.
    pub fn text(&self, outline: &Outline, plan: &ResolvedPlan) -> Result<String, GenerationError> {
        let (prompt, prompts) = (self.prompt, plan.examples().len());
        let example = plan.examples().get(prompt);
        let example = example.ok_or(GenerationError::NoPrompt { prompt, prompts })?;
        plan.expect(outline.key()).map_err(RunError::from)?;
        let mut stream = StopStream::new(outline, &example.base, self.stop_text.as_slice());
        let tokens = match (self.end, self.tokens.split_last()) {
            (End::Stop, Some((_, before))) => before,
            _ => &self.tokens,
        };
        let mut text = String::new();
        for &token in tokens {
            text.push_str(&stream.push(token)?);
        }
        text.push_str(&stream.finish()?);
        Ok(text)
    }
}
