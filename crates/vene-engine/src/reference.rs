//! The reference executor: what is right.
//!
//! One full forward pass of the sources, whose runs are kept at the sites that are read, and one
//! of the base with the edits at their sites. Nothing is shared, skipped or reused.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use vene_model::{Decoder, DecoderConfig, Model, Operations, Recorded, Site};

use super::apply::Application;
use super::distribution::Distribution;
use super::executor::{ExampleOutcome, Executor, PlanOutcome, embeddings, run_one};
use super::forked::Forked;
use super::sequences::{Rows, Sequences, StepRuns, Visitor};
use super::stages::in_stages;
use super::trace::{Trace, Wanted};
use super::unit;
use crate::error::RunError;
use crate::plan::{Outcome, Receipt, ResolvedPlan, Tally, unchanged};

/// Runs plans one full forward pass each.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    model: &'a Model,
    fused: bool,
}

impl<'a> Reference<'a> {
    /// An executor for this model, in the precision in which its weights were loaded.
    pub fn new(model: &'a Model) -> Self {
        Self { model, fused: false }
    }

    /// The same runs with the products and norms of the fused operations, whose weights it shares, where
    /// the model has them. It is not what defines what is right, but takes no memory for weights.
    #[must_use]
    pub(super) fn fused(self) -> Self {
        Self { fused: true, ..self }
    }

    /// Runs a plan: the sources, then the base with its edits.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub fn run(&self, plan: &ResolvedPlan) -> Result<PlanOutcome, RunError> {
        run_one(self, plan)
    }
}

/// Plans each of which is one run of base and sources.
fn run_plans<O: Operations<Tensor = Tensor>>(
    decoder: &Decoder<O>,
    plans: &[ResolvedPlan],
    block: Option<usize>,
    each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
) -> Result<(), RunError> {
    // Plans of the same examples stand together as a rule; their sources are run once.
    let mut next = 0;
    for group in plans.chunk_by(|a, b| Arc::ptr_eq(&a.examples, &b.examples)) {
        let sources = trace_sources(decoder, group)?;
        for plan in group {
            if each(next, run_base(decoder, plan, &sources, block)?).is_break() {
                return Err(RunError::Stopped);
            }
            next += 1;
        }
    }
    Ok(())
}

/// What edits of these plans (of the same examples) read of unedited runs.
fn trace_sources<O: Operations<Tensor = Tensor>>(
    decoder: &Decoder<O>,
    plans: &[ResolvedPlan],
) -> Result<Trace, RunError> {
    let Some(first) = plans.first() else { return Ok(Trace::default()) };
    let all = plans.iter().map(|plan| (plan, 0..plan.examples.len()));
    let wanted = Wanted::of(all, |_, _| true);
    Trace::of(decoder, first.examples(), &wanted)
}

/// Runs the base with its edits against sources that were traced before.
fn run_base<O: Operations<Tensor = Tensor>>(
    decoder: &Decoder<O>,
    plan: &ResolvedPlan,
    sources: &Trace,
    block: Option<usize>,
) -> Result<PlanOutcome, RunError> {
    let mut editor = Editor::new(plan, sources, decoder.config());
    let tokens: Vec<u32> =
        plan.examples.iter().flat_map(|example| example.base.tokens().iter().copied()).collect();
    let lengths = plan.examples.iter().map(|example| example.base.len());
    let mut pass = Sequences::new(decoder.config(), lengths, &mut editor).in_blocks(block);
    let logits = decoder.forward(&tokens, &mut pass)?;
    editor.finish(logits.whole.as_ref())
}

/// Queries of a run whose attention is computed at once over fused operations, so that a long prompt's
/// pattern does not fill the memory.
const QUERIES: usize = 256;

impl Executor for Reference<'_> {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let fused = if self.fused { self.model.fused()? } else { None };
        let fused = fused.map(|decoder| decoder.over(Recorded));
        in_stages(self.model.key(), self.model.config(), plans, each, &mut |plans, each| {
            match &fused {
                Some(decoder) => run_plans(decoder, plans, Some(QUERIES), each),
                None => run_plans(self.model.plain()?, plans, None, each),
            }
        })
    }

    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError> {
        match if self.fused { self.model.fused()? } else { None } {
            Some(decoder) => embeddings(decoder, tokens),
            None => embeddings(self.model.plain()?, tokens),
        }
    }

    /// Forks, over the same weights.
    fn twin(&self) -> Option<Box<dyn Executor + '_>> {
        let forked = Forked::new(self.model);
        Some(Box::new(if self.fused { forked } else { forked.plain() }))
    }
}

/// Applies a plan's edits, and keeps what it collects, as the base's runs pass by.
pub(super) struct Editor<'a> {
    pub(super) plan: &'a ResolvedPlan,
    sources: &'a Trace,
    pub(super) config: &'a DecoderConfig,
    /// The positions whose logits are needed: those read, edited and collected.
    logit_positions: Vec<Vec<usize>>,
    /// Sites at which something is to be done.
    wanted: BTreeSet<Site>,
    /// What edits read of their own run, by edit and example.
    current: HashMap<(usize, usize), Tensor>,
    collected: HashMap<(usize, usize), Tensor>,
    /// By example which edits are sure to change nothing: runs of another length round otherwise, so that the source's values
    /// would differ by noise.
    is_unchanged: Vec<Vec<bool>>,
    /// What edits inside recurrent blocks changed so far, by edit and example.
    tallies: HashMap<(usize, usize), Tally>,
    receipts: Vec<Receipt>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(
        plan: &'a ResolvedPlan,
        sources: &'a Trace,
        config: &'a DecoderConfig,
    ) -> Self {
        let logit_positions =
            (0..plan.examples.len()).map(|example| plan.logit_positions(example)).collect();
        let mut wanted = BTreeSet::new();
        for edit in &plan.edits {
            wanted.insert(edit.site);
            wanted.extend(edit.reads_current());
        }
        wanted.extend(plan.collects.iter().map(|collect| collect.site));
        let examples = plan.examples.iter().enumerate();
        let is_unchanged =
            examples.map(|(index, example)| unchanged(&plan.edits, index, example)).collect();
        Self {
            is_unchanged,
            plan,
            sources,
            config,
            logit_positions,
            wanted,
            current: HashMap::new(),
            collected: HashMap::new(),
            tallies: HashMap::new(),
            receipts: Vec::new(),
        }
    }

    fn finish(mut self, logits: Option<&Tensor>) -> Result<PlanOutcome, RunError> {
        let rows = Rows::Logits(self.logit_positions.iter().map(Vec::as_slice).collect());
        let mut examples = Vec::with_capacity(self.plan.examples.len());
        for (example, read) in self.plan.read.iter().enumerate() {
            let mut outcome = ExampleOutcome::default();
            let rows = rows.of(example, read).unwrap_or_default().into_iter();
            for ((read, row), logits) in rows.enumerate().zip(logits.into_iter().cycle()) {
                let distribution = Distribution::of_row(logits, row, example)?;
                outcome.take(&self.plan.outputs, example, read, distribution)?;
            }
            for collect in 0..self.plan.collects.len() {
                outcome.collected.extend(self.collected.remove(&(collect, example)));
            }
            examples.push(outcome);
        }
        self.receipts.sort_by_key(|receipt| (receipt.example, receipt.edit));
        let collected = self.plan.collects.iter().map(|collect| collect.site).collect();
        let receipts = self.receipts;
        Ok(PlanOutcome { examples, collected, receipts, ..PlanOutcome::default() })
    }

    fn application(&self, index: usize, example: usize) -> Application<'a> {
        Application::new(&self.plan.edits, &self.plan.examples, index, example)
    }

    /// What comes of an edit that need not be applied.
    fn left_out(&self, index: usize, example: usize) -> Option<Outcome> {
        if self.plan.edits[index].units[example].is_empty() {
            Some(Outcome::NotEdited)
        } else {
            self.is_unchanged[example][index].then_some(Outcome::SharedPrefix)
        }
    }

    fn tell(&mut self, application: Application<'_>, outcome: Outcome) {
        self.receipts.push(application.receipt(outcome));
    }

    /// The values that an edit reads, each in the shape of the values that it writes.
    pub(super) fn read(
        &self,
        application: Application<'_>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let current = self.current.get(&(application.index, application.example));
        application.read(self.config, self.sources, current, before)
    }
}

impl Editor<'_> {
    /// What one edit has to do with a site in one example: it may read there, and it may write.
    pub(super) fn edit(
        &mut self,
        index: usize,
        example: usize,
        site: Site,
        rows: &Rows<'_>,
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        let (plan, by_step) = (self.plan, site.is_by_step(self.config));
        let edit = &plan.edits[index];
        let unit = &edit.units[example];
        if edit.reads_current() == Some(site) && !unit.is_empty() && !by_step {
            let read = rows.of(example, &unit.positions).unwrap_or_default();
            let values = unit::gather(&tensor.unsqueeze(1)?, [Some(&read), None, None])?;
            self.current.insert((index, example), values.squeeze(1)?);
        }
        if edit.site != site {
            return Ok(());
        }
        let application = self.application(index, example);
        if let Some(outcome) = self.left_out(index, example) {
            self.tell(application, outcome);
            return Ok(());
        }
        if by_step {
            // All steps are done.
            let tally = self.tallies.remove(&(index, example)).unwrap_or_default();
            self.tell(application, tally.outcome());
            return Ok(());
        }
        let written = rows.of(example, &unit.positions).unwrap_or_default();
        let read = |before: &Tensor| self.read(application, before);
        let (edited, tally) = application.edit_rows(self.config, tensor, &written, &read)?;
        *tensor = edited;
        self.tell(application, tally.outcome());
        Ok(())
    }

    /// Keeps what the plan collects at a site of one example.
    pub(super) fn collect(
        &mut self,
        example: usize,
        site: Site,
        rows: &Rows<'_>,
        tensor: &Tensor,
    ) -> Result<(), RunError> {
        let plan = self.plan;
        for (index, collect) in plan.collects.iter().enumerate().filter(|(_, c)| c.site == site) {
            let read = rows.of(example, &collect.positions[example]).unwrap_or_default();
            let read = read.iter().map(|&row| row as u32).collect::<Vec<_>>();
            let values = tensor.index_select(&Tensor::new(read, tensor.device())?, 0)?;
            self.collected.insert((index, example), values);
        }
        Ok(())
    }
}

impl Visitor for Editor<'_> {
    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site)
    }

    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError> {
        let plan = self.plan;
        for example in 0..plan.examples.len() {
            for index in 0..plan.edits.len() {
                self.edit(index, example, site, rows, tensor)?;
            }
            self.collect(example, site, rows, tensor)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        site: Site,
        step: StepRuns<'_>,
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        let plan = self.plan;
        for (row, &example) in step.runs.iter().enumerate() {
            for (index, edit) in plan.edits.iter().enumerate() {
                let positions = &edit.units[example].positions;
                let part = positions.iter().position(|&position| position == step.position);
                if part.is_none() {
                    continue;
                }
                if edit.reads_current() == Some(site) {
                    self.current.insert((index, example), tensor.narrow(0, row, 1)?);
                }
                if edit.site != site || self.is_unchanged[example][index] {
                    continue;
                }
                let application = Application { part, ..self.application(index, example) };
                let read = |before: &Tensor| self.read(application, before);
                let (edited, tally) = application.edit_rows(self.config, tensor, &[row], &read)?;
                *tensor = edited;
                self.tallies.entry((index, example)).or_default().join(&tally);
            }
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        site: Site,
        run: usize,
        queries: &[usize],
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        let plan = self.plan;
        for (index, _) in plan.edits.iter().enumerate().filter(|(_, edit)| edit.site == site) {
            let application = self.application(index, run);
            if let Some(outcome) = self.left_out(index, run) {
                self.tell(application, outcome);
                continue;
            }
            let read = |before: &Tensor| self.read(application, before);
            let (edited, tally) = application.edit_pattern(self.config, tensor, queries, &read)?;
            *tensor = edited;
            self.tell(application, tally.outcome());
        }
        for (index, _) in plan.collects.iter().enumerate().filter(|(_, c)| c.site == site) {
            self.collected.insert((index, run), tensor.clone());
        }
        Ok(())
    }

    fn logit_positions(&self, run: usize) -> &[usize] {
        &self.logit_positions[run]
    }
}
