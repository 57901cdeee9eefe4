//! The forked executor: a sweep is one forward pass.
//!
//! Base and sources ride through the layers together, as rows of one packed batch; equal prefixes
//! are the same rows ([`trunk`]). When the pass reaches a site at which a plan edits, that plan
//! *forks* off the base's run ([`tree`]): it takes copies of the live rows of the positions that it
//! edits, and from the next attention on of all positions behind them ([`rows`]); from then
//! on they ride in the same batch ([`pass`]). Layers before the fork are never recomputed, and
//! neither are positions before the first edit: attention is causal, so their keys and values are
//! the base's, read in place ([`attention`]). A source that is read at the site at which it is
//! written is not stored: its row is there at the same moment ([`edits`]). Edits whose every read
//! row is their write row are not run at all. Plans that begin alike share a fork. In the last
//! layer only rows that somebody reads go through queries and MLP, and of the vocabulary only what
//! somebody reads is computed ([`readout`]).
//!
//! Recurrent networks are left to the reference executor: their state goes from row to row, so that
//! there is little to share behind a fork.
//!
//! None of this depends on what it is computed with: fused operations on 32-bit floats, or plain
//! ones of any type.

mod attention;
mod chunks;
mod edits;
mod outcome;
mod pass;
mod readout;
mod rows;
mod tree;
pub(super) mod trunk;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use vene_model::{Component, Decoder, Model, Operations, Outline, Site, Work};

use super::counted_runs::work_of_reference;
use super::executor::{Executor, PlanOutcome, embeddings, run_one};
use super::reference::Reference;
use super::stages::in_stages;
use super::trace::{Trace, Wanted};
use crate::error::RunError;
use crate::plan::{Example, ResolvedCollect, ResolvedPlan};
use outcome::{Outcomes, showed};
use pass::ForkedPass;
use tree::{Job, Tree};

/// Activations of unedited runs, by run of the trunk.
type Kept = HashMap<(usize, Site), Tensor>;

/// Runs many plans in one forward pass.
#[derive(Clone, Copy)]
pub struct Forked<'a> {
    model: &'a Model,
    memory: usize,
    plain: bool,
}

impl<'a> Forked<'a> {
    /// An executor for this model, in the precision in which its weights were loaded.
    pub fn new(model: &'a Model) -> Self {
        Self { model, memory: chunks::memory(), plain: false }
    }

    /// About how many bytes the rows of one pass may take; what needs more is run in several. Unless
    /// told, an eighth of what the system has free, and 128 MiB at most: more is no faster.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// How many bytes the rows of one pass take at most unless told.
    pub fn default_memory() -> usize {
        chunks::memory()
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

    /// What running plans takes; nothing is computed.
    pub fn work(&self, plans: &[ResolvedPlan]) -> Work {
        Self::work_of(self.model, plans, self.memory)
    }

    /// The same before a weight is read: the passes are gone through with tensors that have no
    /// values.
    pub fn work_of(outline: &Outline, plans: &[ResolvedPlan], memory: usize) -> Work {
        if outline.config().is_recurrent() {
            return work_of_reference(outline, plans);
        }
        let decoder = outline.counted();
        let jobs = jobs(plans);
        for chunk in chunks::of(&jobs, decoder.config(), memory) {
            let chunk: Vec<Job<'_>> = chunk.iter().map(|&job| jobs[job].1).collect();
            let tree = Tree::new(decoder.config(), &chunk);
            // Nothing is computed, so nothing fails.
            let kept = Self::keep(&decoder, &tree, &chunk).unwrap_or_default();
            let mut pass = ForkedPass::new(decoder.config(), &tree, &kept);
            let _ = decoder.forward(tree.trunk.tokens(), &mut pass);
            decoder.operations().count_pass();
        }
        decoder.operations().work()
    }

    /// Plans each of which is one run of base and sources. Those that edit and collect attention
    /// patterns are left to the reference executor: a fork has only some of its run's queries.
    fn run_plans(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let collects_patterns = |plan: &ResolvedPlan| {
            !plan.edits.is_empty()
                && plan.collects.iter().any(|collect| collect.site.component().is_pattern())
        };
        let (others, forked): (Vec<_>, Vec<_>) =
            plans.iter().enumerate().partition(|(_, plan)| collects_patterns(plan));
        for (index, plan) in others {
            if each(index, Reference::new(self.model).run(plan)?).is_break() {
                return Err(RunError::Stopped);
            }
        }
        match self.model.fused()?.filter(|_| !self.plain) {
            Some(decoder) => self.run_on(decoder, &forked, each),
            None => self.run_on(self.model.plain()?, &forked, each),
        }
    }

    fn run_on<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        plans: &[(usize, &ResolvedPlan)],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let jobs = jobs(plans.iter().map(|(_, plan)| *plan));
        let mut outcomes = Outcomes::new(plans);
        for chunk in chunks::of(&jobs, decoder.config(), self.memory) {
            let chunk: Vec<(usize, Job<'_>)> = chunk.iter().map(|&job| jobs[job]).collect();
            let only: Vec<Job<'_>> = chunk.iter().map(|(_, job)| *job).collect();
            let tree = Tree::new(decoder.config(), &only);
            let kept = Self::keep(decoder, &tree, &only)?;
            let mut pass = ForkedPass::new(decoder.config(), &tree, &kept);
            let logits = decoder.forward(tree.trunk.tokens(), &mut pass)?;
            let mut found = pass.found;
            for (index, (place, job)) in chunk.iter().enumerate() {
                let (showed, receipts) =
                    showed(decoder.operations(), &tree, index, &mut found, &logits)?;
                if let Some((index, outcome)) = outcomes.add(*place, job.example, showed, receipts)
                    && each(index, outcome).is_break()
                {
                    return Err(RunError::Stopped);
                }
            }
        }
        Ok(())
    }

    /// What edits read of unedited runs where no row of theirs is at hand: at other sites than
    /// those at which they write, and attention patterns.
    fn keep<O: Operations>(
        decoder: &Decoder<O>,
        tree: &Tree<'_>,
        jobs: &[Job<'_>],
    ) -> Result<Kept, RunError> {
        let mut kept = Kept::new();
        let same = |a: &Job<'_>, b: &Job<'_>| Arc::ptr_eq(&a.plan.examples, &b.plan.examples);
        for group in jobs.chunk_by(same) {
            let plan = group[0].plan;
            let here = group.iter().map(|job| (job.plan, [job.example]));
            let wanted = Wanted::of(here, |read, written| {
                read != written
                    || read.component().is_pattern()
                    || read.component() == Component::Logits
            });
            let trace = trace(decoder, &plan.examples, &wanted)?;
            for &(example, run) in &wanted.runs {
                for &site in &wanted.sites {
                    if let Some(values) = trace.get(example, run, site) {
                        kept.insert((tree.run(plan, example, run), site), values.clone());
                    }
                }
            }
        }
        Ok(kept)
    }
}

/// Every plan in every example, with the plan's place.
fn jobs<'p>(plans: impl IntoIterator<Item = &'p ResolvedPlan>) -> Vec<(usize, Job<'p>)> {
    let of_plan = |(place, plan): (usize, &'p ResolvedPlan)| {
        (0..plan.examples.len()).map(move |example| (place, Job { plan, example }))
    };
    plans.into_iter().enumerate().flat_map(of_plan).collect()
}

/// Runs, unedited and whole, at some sites.
pub(super) fn trace<O: Operations>(
    decoder: &Decoder<O>,
    examples: &[Example],
    wanted: &Wanted,
) -> Result<Trace, RunError> {
    let mut trace = Trace::default();
    if wanted.runs.is_empty() {
        return Ok(trace);
    }
    let prompts = wanted.runs.iter().map(|&(example, run)| examples[example].prompt(run));
    let prompts: Arc<[Example]> = prompts.map(|prompt| Example::new(prompt.clone())).collect();
    let all = |example: &Example| (0..example.base.len()).collect();
    let positions: Vec<Vec<usize>> = prompts.iter().map(all).collect();
    let collect = |&site: &Site| ResolvedCollect { site, positions: positions.clone() };
    let read = vec![Vec::new(); prompts.len()];
    let collects = wanted.sites.iter().map(collect).collect();
    let plan = ResolvedPlan {
        collects,
        ..ResolvedPlan::reading(prompts, read, crate::plan::Outputs::Distributions)
    };
    let jobs: Vec<Job<'_>> =
        (0..plan.examples.len()).map(|example| Job { plan: &plan, example }).collect();
    let (tree, kept) = (Tree::new(decoder.config(), &jobs), Kept::new());
    let mut pass = ForkedPass::new(decoder.config(), &tree, &kept);
    decoder.forward(tree.trunk.tokens(), &mut pass)?;
    for ((leaf, collect), values) in pass.found.collected {
        let (example, run) = wanted.runs[leaf];
        trace.keep(example, run, plan.collects[collect].site, values);
    }
    Ok(trace)
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
        // A fork has only some of its run's rows, and a state goes through all of them.
        if self.model.config().is_recurrent() {
            return Reference::new(self.model).run_all(plans, each);
        }
        in_stages(self.model.config(), plans, each, &mut |plans, each| self.run_plans(plans, each))
    }

    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError> {
        match self.model.fused()?.filter(|_| !self.plain) {
            Some(decoder) => embeddings(decoder, tokens),
            None => embeddings(self.model.plain()?, tokens),
        }
    }
}
