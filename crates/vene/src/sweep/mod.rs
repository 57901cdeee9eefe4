//! Sweeps: the same intervention at every one of many places, over the same inputs.
//!
//! A sweep is declared by [`Sweep::builder`], checked as a whole before anything runs, costed by
//! [`Sweep::forecast`], and ends as a [`Table`](vene_table::Table) with a row for every cell and
//! target token, and one with a row for every cell and metric.

mod builder;
mod forecast;
mod method;
mod metrics;
mod noise;
mod outcome;
pub(crate) mod places;

use std::ops::ControlFlow;
use std::sync::Arc;

use vene_model::{Component, Model, Outline, Prompt};

pub use builder::{SweepBuilder, SweepPositions, SweepUnit};
pub(crate) use forecast::cost;
pub use forecast::{Forecast, ForecastOf};
pub use method::Method;
pub use outcome::{CellOutcome, Numbers, SweepOutcome};

use crate::engine::{Distribution, Executor, Forked};
use crate::error::{RunError, SweepError};
use crate::metric::Metric;
use crate::plan::{Example, Outputs, ResolvedPlan, taken_over};
use metrics::PairMetrics;
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
    metrics: PairMetrics,
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

/// One of a sweep's runs.
#[derive(Clone, Copy, Debug)]
enum RunOf {
    /// A prompt's as it is: the base's, then those of the sources.
    Prompt(usize),
    /// The edited run of a cell.
    Cell(usize),
}

/// A cell's name in messages.
pub(crate) fn cell_name(
    component: Component,
    layer: Option<usize>,
    head: Option<usize>,
    position: Option<String>,
) -> String {
    let layer = layer.map(|layer| format!(" of layer {layer}")).unwrap_or_default();
    let head = head.map(|head| format!(", head {head}")).unwrap_or_default();
    let position = position.map(|position| format!(" at {position}")).unwrap_or_default();
    format!("{component}{layer}{head}{position}")
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

    /// What is measured beside the tokens.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        self.metrics.meter().metrics()
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
            metrics: self.metrics.for_another_model(outline)?,
            ..self.clone()
        })
    }

    /// How many cells change nothing since base and source are the same up to their position.
    pub fn shared_prefix_cells(&self) -> usize {
        self.plans.iter().filter(|plan| plan.is_shared_prefix()).count()
    }

    /// Refuses memory of forked runs ([`Forked::memory`](crate::Forked::memory)) that does not hold one intervention.
    ///
    /// # Errors
    /// As [`Forked::fits`](crate::Forked::fits).
    pub fn fits(&self, outline: &Outline, memory: usize) -> Result<(), RunError> {
        crate::Forked::fits(outline, &self.all_plans(), memory)
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
        self.plans_of(&self.runs(), None)
    }

    /// Base and sources as they are, then the cells.
    fn runs(&self) -> Vec<RunOf> {
        let prompts = (0..=self.sources.len()).map(RunOf::Prompt);
        prompts.chain((0..self.cells.len()).map(RunOf::Cell)).collect()
    }

    /// The plans in which the tokens of some runs are read, then those in which metrics are. `unedited` is the base's
    /// distribution, where it is known.
    fn plans_of(&self, runs: &[RunOf], unedited: Option<&Arc<Distribution>>) -> Vec<ResolvedPlan> {
        let of_tokens = |run: &RunOf| match *run {
            RunOf::Prompt(0) => self.unedited(&self.base),
            RunOf::Prompt(prompt) => self.unedited(&self.sources[prompt - 1]),
            RunOf::Cell(cell) => self.plans[cell].clone(),
        };
        let mut plans: Vec<ResolvedPlan> = runs.iter().map(of_tokens).collect();
        plans.extend(self.metrics.plans_of(runs, unedited));
        plans
    }

    /// A prompt's run as it is, its tokens read as the cells' are.
    fn unedited(&self, prompt: &Prompt) -> ResolvedPlan {
        let tokens: Vec<u32> = self.targets.iter().map(|target| target.id).collect();
        let read = if tokens.is_empty() { Vec::new() } else { vec![prompt.len() - 1] };
        let examples = [Example::new(prompt.clone())];
        ResolvedPlan::reading(examples.into(), vec![read], Outputs::Probabilities(tokens.into()))
    }

    /// How many runs each prompt and each cell has.
    fn passes_of_a_run(&self) -> usize {
        1 + self.metrics.runs()
    }

    /// How many runs are made a second time, to measure noise.
    fn noise_passes(&self) -> usize {
        self.noise_runs().len() * self.passes_of_a_run()
    }

    /// What some runs show; `progress` is told how many cells are done, and may break off.
    fn show(
        &self,
        executor: &dyn Executor,
        runs: &[RunOf],
        unedited: Option<&Arc<Distribution>>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Found>, RunError> {
        let plans = self.plans_of(runs, unedited);
        let mut found: Vec<Found> = vec![Found::default(); runs.len()];
        let mut done = 0;
        self.metrics.meter().run_all(executor, &plans, &mut |index, outcome| {
            match index.checked_sub(runs.len()) {
                None => {
                    found[index].read(outcome);
                    done += usize::from(matches!(runs[index], RunOf::Cell(_)));
                }
                Some(place) => {
                    let values =
                        self.metrics.values(runs[place], unedited, &outcome, &self.cells)?;
                    found[place].numbers.metrics = values;
                }
            }
            Ok(progress(done))
        })?;
        Ok(found)
    }

    /// Runs the sweep in one forward pass, or as few as the memory allows.
    ///
    /// # Errors
    /// Failures of the computation, of an intervention or of a metric.
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
        let unedited = self.metrics.unedited(executor, &self.base)?;
        let mut found = self.show(executor, &self.runs(), unedited.as_ref(), progress)?;
        let cells = found.split_off(1 + self.sources.len());
        let base = found.first().ok_or(RunError::Stopped)?;
        let noise = noise::measured(self, executor, unedited.as_ref(), &base.numbers, &cells)?;
        SweepOutcome::new(self.clone(), found, cells, noise)
    }
}
