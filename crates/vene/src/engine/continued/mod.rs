//! Runs that go on: each pass is over the rows that are new, be they a prompt's or one token's.
//!
//! What a run has behind it is there as keys and values ([`cache`]), as they were edited: attention
//! is causal, so that a new token sees nothing else of it. Runs of any lengths ride through the
//! decoder together ([`pass`]); those that begin alike share the rows of their beginning. Edits are applied
//! by the reference's own lines ([`edits`]), of a prompt's plan to its positions and of a new token's to its
//! one row ([`stage`]). None of this depends on what it is computed with.

mod attention;
mod cache;
mod edits;
mod pass;
mod stage;

use std::ops::Range;

use vene_model::{Decoder, Model, Operations};

use super::distribution::Distribution;
use super::executor::Executor;
use super::forked::{self, Forked};
use super::stages::given_sources;
use super::trace::{Trace, Wanted};
use crate::error::RunError;
use crate::plan::{Receipt, ResolvedPlan, When};
use cache::Cache;
use edits::Edits;
use pass::NewRows;
use stage::Stage;

/// About how many new rows ride in one pass, so that what lives between two layers stays small.
const ROWS: usize = 1024;

/// A run that can go on: where the keys and values of its positions are.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    example: usize,
    is_edited: bool,
    /// The cache's row of each position.
    rows: Vec<u32>,
}

impl Sequence {
    /// An example's base before anything of it was read; with the plan's edits, or as it is.
    pub(crate) fn new(example: usize, is_edited: bool) -> Self {
        Self { example, is_edited, rows: Vec::new() }
    }
}

/// What a step showed.
#[derive(Default)]
pub(crate) struct Showed {
    /// The next-token distribution of each sequence.
    pub(crate) distributions: Vec<Distribution>,
    /// What edits did, with the sequence's place among those of the step.
    pub(crate) receipts: Vec<(usize, Receipt)>,
}

/// The runs of a plan's bases, with what they have behind them.
pub(crate) struct Continued<'a, O: Operations> {
    decoder: &'a Decoder<O>,
    /// What edits read of unedited runs.
    trace: Trace,
    on_prompt: Stage,
    on_new_tokens: Stage,
    cache: Cache<O>,
}

/// The plan of the base's run alone: sources that it edits are run, and what is read of them is given. The
/// receipts are those of sources.
///
/// # Errors
/// Failures of the computation or of an intervention.
pub(crate) fn with_sources_run(
    model: &Model,
    plan: &ResolvedPlan,
) -> Result<(ResolvedPlan, Vec<Receipt>), RunError> {
    let executor = Forked::new(model);
    given_sources(model.config(), plan, &mut |plans, each| executor.run_all(plans, each))
}

impl<'a, O: Operations> Continued<'a, O> {
    /// Runs what the plan's edits read, once; no source is edited in it.
    ///
    /// # Errors
    /// Failures of the computation.
    pub(crate) fn new(decoder: &'a Decoder<O>, plan: &ResolvedPlan) -> Result<Self, RunError> {
        let wanted = Wanted::of([(plan, 0..plan.examples.len())], |_, _| true);
        Ok(Self {
            decoder,
            trace: forked::trace(decoder, &plan.examples, &wanted)?,
            on_prompt: Stage::of(plan, |when| when.covers(0)),
            on_new_tokens: Stage::of(plan, When::covers_new_tokens),
            cache: Cache::default(),
        })
    }

    /// Reads the prompts of new sequences: step 0.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(crate) fn read(&mut self, sequences: &mut [&mut Sequence]) -> Result<Showed, RunError> {
        let examples = self.on_prompt.plan.examples.clone();
        let prompt = |sequence: &&mut Sequence| examples[sequence.example].base.tokens();
        let tokens: Vec<&[u32]> = sequences.iter().map(prompt).collect();
        self.advance(0, sequences, &tokens)
    }

    /// Takes one more token in each sequence, all of them their `step`-th.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(crate) fn step(
        &mut self,
        step: usize,
        sequences: &mut [&mut Sequence],
        tokens: &[u32],
    ) -> Result<Showed, RunError> {
        self.on_new_tokens.move_to(step);
        let tokens: Vec<&[u32]> = tokens.chunks(1).collect();
        self.advance(step, sequences, &tokens)
    }

    fn advance(
        &mut self,
        step: usize,
        sequences: &mut [&mut Sequence],
        tokens: &[&[u32]],
    ) -> Result<Showed, RunError> {
        let mut showed = Showed::default();
        for chunk in chunks(tokens) {
            let start = chunk.start;
            let part = self.pass(step, &mut sequences[chunk.clone()], &tokens[chunk])?;
            showed.distributions.extend(part.distributions);
            let receipts = part.receipts.into_iter();
            showed.receipts.extend(receipts.map(|(place, receipt)| (start + place, receipt)));
        }
        Ok(showed)
    }

    fn pass(
        &mut self,
        step: usize,
        sequences: &mut [&mut Sequence],
        tokens: &[&[u32]],
    ) -> Result<Showed, RunError> {
        for (sequence, tokens) in sequences.iter_mut().zip(tokens) {
            sequence.rows.extend(self.cache.grow(tokens.len()));
        }
        let sequences: Vec<&Sequence> = sequences.iter().map(|sequence| &**sequence).collect();
        let (decoder, stage) =
            (self.decoder, if step == 0 { &self.on_prompt } else { &self.on_new_tokens });
        let edits = Edits::new(stage, step, &self.trace, decoder.config());
        let lengths = tokens.iter().map(|tokens| tokens.len());
        let mut pass = NewRows::new(decoder.config(), &mut self.cache, &sequences, lengths, edits);
        let logits = decoder.forward(&tokens.concat(), &mut pass)?;
        let rows = pass.last_logits();
        let receipts = pass.edits.into_receipts();
        let whole = logits.whole.as_ref().ok_or(RunError::Stopped)?;
        let last = decoder.operations().values(whole, &rows)?;
        let read = |(row, sequence): (usize, &&Sequence)| {
            Distribution::of_row(&last, row, sequence.example)
        };
        let distributions = sequences.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Showed { distributions, receipts })
    }
}

/// Sequences that ride in one pass together: as many as have about [`ROWS`] new rows, and one at least.
fn chunks(tokens: &[&[u32]]) -> Vec<Range<usize>> {
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut rows = 0;
    for (index, tokens) in tokens.iter().enumerate() {
        match chunks.last_mut() {
            Some(chunk) if rows + tokens.len() <= ROWS => chunk.end = index + 1,
            _ => {
                chunks.push(index..index + 1);
                rows = 0;
            }
        }
        rows += tokens.len();
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_ride_alone() {
        let tokens = [[0; 600].as_slice(), &[0; 400], &[0; 100], &[0; 2000], &[0; 1]];
        assert_eq!(chunks(&tokens), [0..2, 2..3, 3..4, 4..5]);
        assert!(chunks(&[]).is_empty());
    }
}
