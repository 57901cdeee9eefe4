//! The forked executor: a sweep is one forward pass.
//!
//! Base and sources are computed together, as rows of one packed batch; equal prefixes
//! are the same rows ([`trunk`]). When the pass reaches a site at which a plan edits, that plan
//! *forks* off the base's run ([`tree`]): it takes copies of the live rows of the positions that it
//! edits, and from the next attention on of all positions after them ([`rows`]); from then
//! on they are computed in the same batch ([`pass`]). Layers before the fork are never recomputed, and
//! neither are positions before the first edit: attention is causal, so their keys and values are
//! the base's, read in place ([`attention`]). A source that is read at the site at which it is
//! written is not stored: its row is there at the same moment ([`editor`]). Edits whose every read
//! row is their write row are not run at all. Plans that begin alike share a fork. A row of the trunk is
//! computed in those blocks alone in which somebody needs it ([`presence`]); in the last
//! layer only rows that somebody reads go through queries and MLP ([`needed`]), and of the vocabulary only what
//! somebody reads is computed ([`readout`]).
//!
//! Where the unedited runs are kept ([`cache`]), a pass begins where its forks do.
//!
//! A recurrent block goes on from the state of the row before ([`recurrence`]).
//!
//! None of this depends on what it is computed with: fused operations on 32-bit floats, or plain
//! ones of any type.

mod attention;
mod cache;
mod chunks;
mod decode;
mod editor;
mod identity;
mod needed;
mod outcome;
mod pass;
mod prefixes;
mod presence;
mod readout;
mod recurrence;
mod rows;
mod runner;
mod schedule;
mod session;
mod sources;
mod stage;
mod train_run;
mod tree;
pub(super) mod trunk;

use std::ops::ControlFlow;

use vene_model::{Model, Outline, Work};

use super::executor::{Executor, PlanOutcome, embeddings, run_one};
use super::reference::Reference;
use crate::error::RunError;
use crate::plan::ResolvedPlan;
pub(crate) use chunks::Budget;
pub(crate) use decode::{Decode, Sequence, Showed};
use runner::{check, count_once, run_once};
pub use session::Session;
pub use train_run::TrainRun;

/// Runs many plans in one forward pass.
#[derive(Clone, Copy)]
pub struct Forked<'a> {
    model: &'a Model,
    budget: Budget,
    plain: bool,
}

impl<'a> Forked<'a> {
    /// An executor for this model, in the precision in which its weights were loaded.
    pub fn new(model: &'a Model) -> Self {
        Self { model, budget: Budget::of(None), plain: false }
    }

    /// About how many bytes the rows of one pass may take beside the weights; what needs more is run in several, and an example
    /// that needs more by itself is refused. Default: an eighth of what the system has free, and 128 MiB at most (more is no
    /// faster), or as much as one example takes.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.budget = Budget::of(Some(bytes));
        self
    }

    /// On plain operations, whatever others there are.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Runs one plan.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub fn run(&self, plan: &ResolvedPlan) -> Result<PlanOutcome, RunError> {
        run_one(self, plan)
    }

    /// Refuses memory ([`Forked::memory`]) into which one of these plans' examples does not fit.
    ///
    /// # Errors
    /// [`RunError::Memory`], with the least that would do; a plan of another model.
    pub fn fits(outline: &Outline, plans: &[ResolvedPlan], memory: usize) -> Result<(), RunError> {
        plans.iter().try_for_each(|plan| plan.expect(outline.key()))?;
        Budget::of(Some(memory)).holds(runner::least(outline.config(), plans))
    }

    /// What running plans takes; nothing is computed.
    ///
    /// # Errors
    /// A plan of another model, or that needs more memory than there may be.
    pub fn work(&self, plans: &[ResolvedPlan]) -> Result<Work, RunError> {
        plans.iter().try_for_each(|plan| plan.expect(self.model.key()))?;
        count_once(&self.model.counted(), plans, self.budget)
    }

    /// The same before a weight is read: the passes are gone through with tensors that have no
    /// values. `memory` is what [`Forked::memory`] is given, if anything.
    ///
    /// # Errors
    /// As [`Forked::work`].
    pub fn work_of(
        outline: &Outline,
        plans: &[ResolvedPlan],
        memory: Option<usize>,
    ) -> Result<Work, RunError> {
        plans.iter().try_for_each(|plan| plan.expect(outline.key()))?;
        count_once(&outline.counted(), plans, Budget::of(memory))
    }
}

impl Executor for Forked<'_> {
    fn name(&self) -> &'static str {
        "forked"
    }

    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        check(plans, self.model.key())?;
        match self.model.fused()?.filter(|_| !self.plain) {
            Some(decoder) => run_once(decoder, plans, self.budget, each),
            None => run_once(self.model.plain()?, plans, self.budget, each),
        }
    }

    /// Whole runs, over the same weights: none are read a second time.
    fn twin(&self) -> Option<Box<dyn Executor + '_>> {
        let reference = Reference::new(self.model);
        let is_plain = self.plain || self.model.config().is_recurrent();
        Some(Box::new(if is_plain { reference } else { reference.fused() }))
    }

    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError> {
        match self.model.fused()?.filter(|_| !self.plain) {
            Some(decoder) => embeddings(decoder, tokens),
            None => embeddings(self.model.plain()?, tokens),
        }
    }
}
