//! Sweeps: the same intervention at every one of many places, over the same inputs.
//!
//! A sweep is declared by [`Sweep::builder`], checked as a whole before anything runs, costed by
//! [`Sweep::forecast`], and ends as a [`Table`](vene_table::Table) with a row for every cell and
//! target token.

mod builder;
mod forecast;
mod method;
mod noise;
mod outcome;
pub(crate) mod places;

use std::ops::ControlFlow;

use vene_model::{Component, Model, Outline, Prompt};

pub use builder::{SweepBuilder, SweepPositions, SweepUnit};
pub(crate) use forecast::cost;
pub use forecast::{Forecast, ForecastOf};
pub use method::Method;
pub use outcome::{CellOutcome, Numbers, SweepOutcome};

use crate::engine::{Executor, Forked};
use crate::error::{RunError, SweepError};
use crate::plan::{ResolvedPlan, taken_over};
use outcome::Found;

/// A checked sweep over one pair of base and source.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub(crate) base: Prompt,
    pub(crate) sources: Vec<Prompt>,
    pub(crate) method: Method,
    pub(crate) unit: SweepUnit,
    pub(crate) targets: Vec<Target>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) plans: Vec<ResolvedPlan>,
    /// The cells, by index, at which noise is measured.
    pub(crate) noise_places: Vec<usize>,
}

/// A token whose probability is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its text, such as ` Madrid`.
    pub text: String,
    /// Its id.
    pub id: u32,
}

/// One place of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What is edited.
    pub component: Component,
    /// In which layer; `None` for components that a model has once.
    pub layer: Option<usize>,
    /// At which position of the base; `None` where all are edited.
    pub position: Option<usize>,
    /// In which head; `None` where all are edited.
    pub head: Option<usize>,
}

impl Sweep {
    /// Declares a sweep on a model, or on its outline.
    pub fn builder(outline: &Outline) -> SweepBuilder<'_> {
        SweepBuilder::new(outline)
    }

    /// The base prompt.
    pub fn base(&self) -> &Prompt {
        &self.base
    }

    /// The source prompts that the intervention reads: all of them, the first, or none.
    pub fn read_sources(&self) -> &[Prompt] {
        self.method.read(&self.sources)
    }

    /// All source prompts.
    pub fn sources(&self) -> &[Prompt] {
        &self.sources
    }

    /// The intervention.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// What each cell edits at once.
    pub fn unit(&self) -> SweepUnit {
        self.unit
    }

    /// The tokens that are followed.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The places, in the table's order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// One plan for each cell.
    pub fn plans(&self) -> &[ResolvedPlan] {
        &self.plans
    }

    /// The cells, by index, whose effects are computed in two ways to find the noise of the
    /// computation ([`SweepOutcome::noise_floor`]).
    pub fn noise_places(&self) -> &[usize] {
        &self.noise_places
    }

    /// The same sweep for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from its own: without it a sweep runs on no model but the one that it was built on.
    ///
    /// # Errors
    /// Another shape or tokenizer; a prompt that is longer than the other model's context.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, SweepError> {
        let Some(first) = self.plans.first() else { return Ok(self.clone()) };
        // All cells share one list of examples.
        let examples = taken_over(&first.examples, outline)?;
        let example = &examples[0];
        Ok(Self {
            base: example.base.clone(),
            sources: example.sources.clone(),
            plans: self.plans.iter().map(|plan| plan.with_examples(examples.clone())).collect(),
            ..self.clone()
        })
    }

    /// How many cells change nothing since base and source are the same up to their position.
    pub fn shared_prefix_cells(&self) -> usize {
        self.plans.iter().filter(|plan| plan.is_shared_prefix()).count()
    }

    /// What the sweep will cost, found without reading a weight.
    ///
    /// # Errors
    /// Failures of the computation that is timed; another model than the sweep's.
    pub fn forecast(&self, outline: &Outline, of: ForecastOf) -> Result<Forecast, RunError> {
        outline.expect("the sweep", self.base.model())?;
        Forecast::of(self, outline, of)
    }

    /// Everything that is run: base and sources as they are, the cells.
    pub(crate) fn all_plans(&self) -> Vec<ResolvedPlan> {
        let own = std::iter::once(&self.base).chain(&self.sources);
        own.map(|prompt| self.unedited(prompt)).chain(self.plans.iter().cloned()).collect()
    }

    /// A prompt's run as it is, read as the cells are.
    fn unedited(&self, prompt: &Prompt) -> ResolvedPlan {
        let tokens = self.targets.iter().map(|target| target.id).collect();
        ResolvedPlan::unedited(prompt).probabilities_of(tokens)
    }

    /// Runs the sweep in one forward pass, or as few as the memory allows.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub fn run(&self, model: &Model) -> Result<SweepOutcome, SweepError> {
        self.run_with(&Forked::new(model), &mut |_| ControlFlow::Continue(()))
    }

    /// Runs the sweep with any executor, telling `progress` how many cells are done; it may break
    /// off. Then a few cells are run once more, by the executor's twin, to measure the noise of the
    /// computation.
    ///
    /// # Errors
    /// As [`Sweep::run`]; [`RunError::Stopped`] where `progress` broke off.
    pub fn run_with(
        &self,
        executor: &dyn Executor,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<SweepOutcome, SweepError> {
        // Base and sources are runs like any other, read where the cells are.
        let plans = self.all_plans();
        let runs = 1 + self.sources.len();
        let mut found: Vec<Option<Found>> = vec![None; plans.len()];
        let mut done = 0;
        executor.run_all(&plans, &mut |index, outcome| {
            found[index] = Found::of(outcome);
            done += usize::from(index >= runs);
            progress(done)
        })?;
        let mut found = found.into_iter().collect::<Option<Vec<_>>>().ok_or(RunError::Stopped)?;
        let cells = found.split_off(runs);
        let base = found.first().ok_or(RunError::Stopped)?;
        let noise = noise::measured(self, executor, &base.numbers, &cells)?;
        SweepOutcome::new(self.clone(), found, cells, noise)
    }
}
