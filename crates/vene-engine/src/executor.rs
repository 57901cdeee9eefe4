//! What every executor can do: run many plans.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};
use vene_files::guarded;
use vene_model::{Decoder, Operations, Prompt, Site};

use super::distribution::Distribution;
use super::reading::Reading;
use crate::error::RunError;
use crate::plan::{Outputs, Receipt, ResolvedPlan};

/// What a plan's edited runs showed.
#[derive(Clone, Debug, Default)]
pub struct PlanOutcome {
    /// For each example in order.
    pub examples: Vec<ExampleOutcome>,
    /// The sites that the plan collects, in its order: those of each example's
    /// [`collected`](ExampleOutcome::collected).
    pub collected: Vec<Site>,
    /// What every edit did in every example.
    pub receipts: Vec<Receipt>,
    /// What the base's run showed without any edit, for each example in order, where the plan wants
    /// it ([`Plan::with_original`](crate::Plan::with_original)); else empty.
    pub original: Vec<ExampleOutcome>,
}

/// What one example's edited run showed.
#[derive(Clone, Debug, Default)]
pub struct ExampleOutcome {
    /// The next-token distributions at the positions that the plan reads, where it wants them whole.
    pub distributions: Vec<Distribution>,
    /// The logits of the tokens that the plan names, at the positions that it reads.
    pub readings: Vec<Reading>,
    /// What the plan's reduction made of the distributions, at the positions that it reads.
    pub reduced: Vec<Vec<f64>>,
    /// The collected activations, in the plan's order: `[positions, width]`, or
    /// `[heads, queries, keys]` for attention patterns.
    pub collected: Vec<Tensor>,
}

impl PlanOutcome {
    /// The next-token distribution of an example at the position that the plan reads as its `read`-th.
    ///
    /// # Errors
    /// No such example or position, or a plan that does not want distributions whole.
    pub fn distribution(&self, example: usize, read: usize) -> Result<&Distribution, RunError> {
        let showed = self.example(example)?;
        let there = showed.distributions.len();
        showed.distributions.get(read).ok_or(RunError::NotRead {
            what: "whole distributions",
            example,
            read,
            there,
        })
    }

    /// The logits of the tokens that the plan names, at the position that it reads as its `read`-th.
    ///
    /// # Errors
    /// No such example or position, or a plan that names no tokens.
    pub fn reading(&self, example: usize, read: usize) -> Result<&Reading, RunError> {
        let showed = self.example(example)?;
        let there = showed.readings.len();
        showed.readings.get(read).ok_or(RunError::NotRead {
            what: "logits of chosen tokens",
            example,
            read,
            there,
        })
    }

    /// What an example's run showed at a site, `[positions, width]`, or `[heads, queries, keys]` for
    /// attention patterns: of the first collect there.
    ///
    /// # Errors
    /// No such example, or a site that the plan does not collect.
    pub fn activation(&self, example: usize, site: Site) -> Result<&Tensor, RunError> {
        let showed = self.example(example)?;
        let place = self.collected.iter().position(|collected| *collected == site);
        let found = place.and_then(|place| showed.collected.get(place));
        found.ok_or_else(|| RunError::NotCollected {
            site,
            collected: match self.collected.as_slice() {
                [] => "nothing".to_owned(),
                sites => sites.iter().map(Site::to_string).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// What the plan's `edit`-th edit, counted from 0, did in an example.
    ///
    /// # Errors
    /// No such example, or no such edit.
    pub fn receipt(&self, edit: usize, example: usize) -> Result<&Receipt, RunError> {
        self.example(example)?;
        let mut receipts = self.receipts.iter();
        let found = receipts.find(|receipt| (receipt.edit, receipt.example) == (edit, example));
        found.ok_or_else(|| RunError::NoEdit {
            edit,
            edits: self.receipts.iter().map(|receipt| receipt.edit + 1).max().unwrap_or_default(),
        })
    }

    fn example(&self, example: usize) -> Result<&ExampleOutcome, RunError> {
        let examples = self.examples.len();
        self.examples.get(example).ok_or(RunError::NoExample { example, examples })
    }
}

impl ExampleOutcome {
    /// Takes the distribution at the position that the plan reads as its `read`-th.
    pub(super) fn take(
        &mut self,
        outputs: &Outputs,
        example: usize,
        read: usize,
        distribution: Distribution,
    ) -> Result<(), RunError> {
        match (outputs.chosen(example), outputs.reduction()) {
            (Some((tokens, normalised)), _) => {
                self.readings.push(Reading::of(&distribution, tokens, normalised));
            }
            (None, Some(reduce)) => {
                let reduced = guarded(|| reduce.reduce(example, read, &distribution));
                self.reduced
                    .push(reduced.map_err(|panic| RunError::panicked("a reduction", panic))?);
            }
            (None, None) => self.distributions.push(distribution),
        }
        Ok(())
    }
}

/// Who is told of outcomes, by the plan's index.
pub(super) type Each<'e> = &'e mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>;

vene_named::named! {
    /// The executors, by name.
    pub enum ExecutorName as "executor", default Forked {
        /// All interventions in one pass, each leaving the base's run where it edits.
        Forked = "forked",
        /// One full forward pass for each intervention: the definition of what is right.
        Reference = "reference",
    }
}

/// A type that runs plans.
pub trait Executor {
    /// Its name, for records.
    fn name(&self) -> &'static str;

    /// Runs plans and hands each outcome to `each` with the plan's index, in whatever order they
    /// are done. `each` may break off.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention; [`RunError::Stopped`] where `each` broke
    /// off.
    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError>;

    /// The embeddings of tokens as the model's table has them, a row `[d_model]` for each, scaled where the family
    /// scales them. Learned position embeddings are not in them.
    ///
    /// # Errors
    /// Failures of the computation.
    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError>;

    /// An executor that computes the same in another way, on the weights that are in memory: what the
    /// two differ in is the noise of the computation. `None` where there is no other way.
    fn twin(&self) -> Option<Box<dyn Executor + '_>> {
        None
    }

    /// The next-token distribution behind each prompt, nothing edited.
    ///
    /// # Errors
    /// Failures of the computation.
    fn predict(&self, prompts: &[&Prompt]) -> Result<Vec<Distribution>, RunError> {
        let plans: Vec<ResolvedPlan> =
            prompts.iter().map(|prompt| ResolvedPlan::unedited(prompt)).collect();
        let mut read = vec![None; prompts.len()];
        self.run_all(&plans, &mut |index, outcome| {
            let mut examples = outcome.examples.into_iter();
            read[index] =
                examples.next().and_then(|showed| showed.distributions.into_iter().next());
            ControlFlow::Continue(())
        })?;
        read.into_iter().collect::<Option<_>>().ok_or(RunError::Stopped)
    }
}

/// The embeddings of tokens, for [`Executor::token_embeddings`].
pub(super) fn embeddings<O: Operations>(
    decoder: &Decoder<O>,
    tokens: &[u32],
) -> Result<Vec<Vec<f64>>, RunError> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<usize> = (0..tokens.len()).collect();
    let values = decoder.operations().values(&decoder.embed_tokens(tokens)?, &rows)?;
    Ok(values.to_dtype(DType::F64)?.to_vec2()?)
}

/// One plan's outcome.
pub(super) fn run_one(
    executor: &dyn Executor,
    plan: &ResolvedPlan,
) -> Result<PlanOutcome, RunError> {
    let mut found = None;
    executor.run_all(std::slice::from_ref(plan), &mut |_, outcome| {
        found = Some(outcome);
        ControlFlow::Continue(())
    })?;
    found.ok_or(RunError::Stopped)
}
