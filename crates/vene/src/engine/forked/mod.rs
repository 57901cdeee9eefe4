//! The forked executor: a sweep is one forward pass.
//!
//! Base and sources ride through the layers together, as rows of one packed batch; equal prefixes
//! are the same rows ([`trunk`]). When the pass reaches the first site at which a plan edits, that
//! plan *forks* off the base's run ([`fork`]): it takes a copy of the live rows there, from its
//! first edited position on, applies its edit, and from then on rides in the same batch
//! ([`pass`]). Layers before the fork are never recomputed, and neither are positions before the
//! first edit: attention is causal, so their keys and values are the base's, read in place. A
//! source that is read at the site at which it is written is not stored: its row is there at the
//! same moment. Plans whose every read row is their write row are not run at all.

mod fork;
mod pass;
mod trunk;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use vene_model::{Component, Model, Prompt, Site};

use super::distribution::Distribution;
use super::executor::Executor;
use super::reference::{ExampleOutcome, PlanOutcome, Reference};
use super::trace::Trace;
use crate::error::RunError;
use crate::plan::{ResolvedEdit, ResolvedPlan, ResolvedSource};
use pass::ForkedPass;

/// Bytes that the rows of one pass may take unless told.
const MEMORY: usize = 1 << 30;

/// Runs many plans in one forward pass.
#[derive(Clone, Copy)]
pub struct Forked<'a> {
    model: &'a Model,
    memory: usize,
}

impl<'a> Forked<'a> {
    /// An executor for this model, in the precision in which its weights were loaded.
    pub fn new(model: &'a Model) -> Self {
        Self { model, memory: MEMORY }
    }

    /// About how many bytes the rows of one pass may take; what needs more is run in several.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Plans in chunks, each of which fits the memory.
    fn chunks<'p>(&self, plans: &'p [ResolvedPlan]) -> Vec<Vec<(usize, &'p ResolvedPlan)>> {
        let config = self.model.config();
        let row = 4 * (8 * config.d_model + 4 * config.d_mlp + 6 * config.heads * config.head_dim);
        let logits = 4 * 3 * config.vocabulary;
        let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (index, plan) in plans.iter().enumerate() {
            let cost: usize = (0..plan.examples.len())
                .map(|example| {
                    let rows =
                        plan.examples[example].base.len() - fork::first_position(plan, example);
                    rows * row + plan.read[example].len() * logits
                })
                .sum();
            if bytes + cost > self.memory && !chunk.is_empty() {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes += cost;
            chunk.push((index, plan));
        }
        chunks.push(chunk);
        chunks
    }

    /// The sources' activations that no row of the pass has at the moment at which they are read.
    fn trace(&self, plans: &[(usize, &ResolvedPlan)]) -> Result<Trace, RunError> {
        let Some((_, first)) = plans.first() else { return Ok(Trace::default()) };
        let sites: BTreeSet<Site> = plans
            .iter()
            .flat_map(|(_, plan)| &plan.edits)
            .filter(|edit| !reads_in_passing(edit))
            .filter_map(|edit| match &edit.source {
                Some(ResolvedSource::Runs { site, .. }) => Some(*site),
                _ => None,
            })
            .collect();
        let prompts: Vec<&Prompt> =
            first.examples.iter().flat_map(|example| &example.sources).collect();
        Trace::of(self.model, &prompts, &sites)
    }

    fn run_chunk(
        &self,
        plans: &[(usize, &ResolvedPlan)],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let trace = self.trace(plans)?;
        let only: Vec<&ResolvedPlan> = plans.iter().map(|(_, plan)| *plan).collect();
        let mut pass = ForkedPass::new(self.model.config(), &only, &trace);
        let tokens = pass.tokens().to_vec();
        let logits = self.model.decoder().forward(&tokens, &mut pass)?;
        let mut finished = pass.finish();
        for (place, (index, plan)) in plans.iter().enumerate() {
            let mut outcome = PlanOutcome { examples: Vec::new(), receipts: Vec::new() };
            for example in 0..plan.examples.len() {
                let mut showed = ExampleOutcome::default();
                for row in finished.read_rows(place, example) {
                    showed.distributions.push(Distribution::of_row(&logits, row, example)?);
                }
                showed.collected = finished.collected(place, example)?;
                outcome.examples.push(showed);
            }
            outcome.receipts = finished.receipts(place);
            if each(*index, outcome).is_break() {
                return Err(RunError::Stopped);
            }
        }
        Ok(())
    }
}

/// Whether an edit's source is a row of the pass at the very site at which it is written.
fn reads_in_passing(edit: &ResolvedEdit) -> bool {
    let component = edit.site.component();
    matches!(&edit.source, Some(ResolvedSource::Runs { site, .. }) if *site == edit.site)
        && !component.is_pattern()
        && component != Component::Logits
}

impl Executor for Forked<'_> {
    fn name(&self) -> &'static str {
        "forked"
    }

    /// Plans that collect whole attention patterns are left to the reference executor: a fork has
    /// only the queries from its first edited position on.
    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let collects_patterns = |plan: &ResolvedPlan| {
            plan.collects.iter().any(|collect| collect.site.component().is_pattern())
        };
        if plans.iter().any(collects_patterns) {
            return Reference::new(self.model).run_all(plans, each);
        }
        self.chunks(plans).iter().try_for_each(|chunk| self.run_chunk(chunk, each))
    }
}
