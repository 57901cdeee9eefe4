//! Sweeps: the same intervention at every one of many places, over one pair of prompts or over the rows of a data set.
//!
//! One prompt pair is an anecdote; a pair is a data set of one row. A [`Sweep`] is declared by [`Sweep::builder`],
//! checked as a whole before anything runs, and costed by [`Sweep::forecast`]. It intervenes at every place in every
//! row, and ends as tidy tables: the [examples'](SweepOutcome::examples), with a row for each example, place and metric;
//! of a pair the [tokens'](SweepOutcome::tokens), with a row for each place and token whose probability is read; and a
//! [`Summary`] over the examples. Rows go through the model together, a batch at a time, as forks of few passes; each
//! batch is a table of its own, so that a long sweep can be written as it goes and resumed.
//!
//! ```
//! use vene::data::Row;
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let pair = |base: &str, source: &str, target: &str, foil: &str| {
//!     Row::new(format!("The capital of {base} is"), format!("The capital of {source} is"))
//!         .target(format!(" {target}"))
//!         .foil(format!(" {foil}"))
//!         .span("subject", base, source)
//! };
//! let rows = [
//!     pair("Spain", "Italy", "Madrid", "Rome"),
//!     pair("Japan", "Peru", "Tokyo", "Lima"),
//! ];
//! let sweep = Sweep::builder(&model)
//!     .rows(&rows)
//!     .components([Component::BlockOutput])
//!     .roles(["subject_last".parse()?, "last".parse()?])
//!     .build()?;
//! let outcome = sweep.run(&model)?;
//! assert_eq!(outcome.examples().rows(), rows.len() * 2 * model.config().layers.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A metric at each place of one pair:
//!
//! ```
//! use vene::metric::LOGIT_DIFFERENCE;
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let outcome = Sweep::builder(&model)
//!     .base("The capital of Spain is")
//!     .source("The capital of Italy is")
//!     .target(" Madrid")
//!     .foil(" Rome")
//!     .metrics([std::sync::Arc::new(LOGIT_DIFFERENCE) as _])
//!     .components([Component::BlockOutput])
//!     .build()?
//!     .run(&model)?;
//! let effects = outcome.examples().floats("effect")?;
//! assert_eq!(effects.len(), 5 * model.config().layers.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod builder;
mod cells;
mod check;
mod edits;
mod error;
mod examples;
mod forecast;
mod match_norm;
mod means;
mod method;
mod noise;
mod options;
mod outcome;
mod pair;
mod pair_noise;
mod partners;
mod places;
mod positions;
mod preflight;
mod rows;
mod summary;
mod table;
mod tokens;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_model::{Component, InputError, Model, Outline, Prompt};

pub use builder::SweepBuilder;
pub use error::SweepError;
pub use forecast::{Forecast, ForecastOf};
pub use means::Means;
pub use method::Method;
pub use options::{Control, Direction, EffectType, NoiseSize, SweepUnit};
pub use outcome::{CellOutcome, Numbers, SweepOutcome};
pub use positions::{NamedPositions, SweepPositions};
pub use preflight::{Agreement, Preflight};
pub use summary::Summary;
pub(crate) use table::{PARAMETERS, PLACES, with_noise};
pub use table::{SETTINGS, join, noise_floor, place_columns};
pub use vene_data::AnswerTokens;

use crate::effort;
use crate::metric::{Meter, Metric};
use vene_data::{LeftOut, PreparedRow, Role};
use vene_engine::plan::ResolvedPlan;
use vene_engine::{Executor, Forked};
use vene_engine::{RunError, Whose};

/// A checked sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    rows: Vec<PreparedRow>,
    left_out: Vec<LeftOut>,
    /// For each position that is visited the word that was asked for.
    words: Vec<Option<String>>,
    roles: Vec<Role>,
    cells: Vec<Cell>,
    unit: SweepUnit,
    method: Method,
    directions: Vec<Direction>,
    window: usize,
    effect: EffectType,
    meter: Meter,
    targets: Vec<Target>,
    controls: Vec<Control>,
    seed: u64,
    first_tokens: bool,
    distinct_roles: bool,
    /// Of a pair, for each direction the cells, by index, at which noise is measured.
    noise_cells: Option<Vec<Vec<usize>>>,
    /// How large the model is ([`effort::weights`]).
    weights: usize,
}

/// A token whose probability is read.
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
    /// In which layer, the middle one of a window; `None` for components that a model has once.
    pub layer: Option<usize>,
    /// Which of the sweep's positions ([`Sweep::positions_of`]); `None` where all are edited.
    pub position: Option<usize>,
    /// In which head; `None` where all are edited.
    pub head: Option<usize>,
}

/// Interventions that a batch makes at most, if it has more than one row: enough for full matrix
/// products, and few enough for little to be lost when a sweep is stopped.
const BATCH: usize = 4096;

/// Interventions of the first batch, if it has more than one row: a sweep that is stopped early loses little.
const FIRST: usize = 256;

/// Rows of a batch at most where whole distributions are read: those of the unedited runs are kept.
const DISTRIBUTIONS: usize = 32;

impl Sweep {
    /// Declares a sweep on a model, or on its outline.
    pub fn builder(outline: &Outline) -> SweepBuilder<'_> {
        SweepBuilder::new(outline)
    }

    /// The rows that are used; of a pair the one that it is.
    pub fn rows(&self) -> &[PreparedRow] {
        &self.rows
    }

    /// The rows that are not, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether it is over one pair of prompts, rather than over the rows of a data set.
    pub fn is_pair(&self) -> bool {
        self.noise_cells.is_some()
    }

    /// The base of the pair, or of the first row.
    pub fn base(&self) -> &Prompt {
        &self.rows[0].base
    }

    /// The sources of the pair, or of the first row.
    pub fn sources(&self) -> Vec<&Prompt> {
        self.rows[0].sources().collect()
    }

    /// Those of [`Sweep::sources`] that the method reads: all of them, the first, or none.
    pub fn read_sources(&self) -> Vec<&Prompt> {
        self.method.read(&self.sources()).to_vec()
    }

    /// The roles whose positions are visited; none of a pair whose positions are named in another way.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The places, in the table's order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The positions of a cell in a row's base; none where all are edited.
    pub fn positions_of<'r>(&self, cell: &Cell, row: &'r PreparedRow) -> &'r [usize] {
        let positions = cell.position.and_then(|position| row.base_positions.get(position));
        positions.map_or(&[], Vec::as_slice)
    }

    /// The positions of a cell in each of a row's sources that is read; none where all are.
    pub fn source_positions_of<'r>(&self, cell: &Cell, row: &'r PreparedRow) -> Vec<&'r [usize]> {
        let further = row.further.iter().map(|further| &further.positions);
        let each = std::iter::once(&row.source_positions).chain(further);
        let here = |positions: &'r Vec<Vec<usize>>| Some(positions.get(cell.position?)?.as_slice());
        each.filter_map(here).collect()
    }

    /// What each cell edits at once.
    pub fn unit(&self) -> SweepUnit {
        self.unit
    }

    /// What is done at each place.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Which runs are edited.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// How many adjacent layers are edited at once.
    pub fn window(&self) -> usize {
        self.window
    }

    /// What effects go through.
    pub fn effect(&self) -> EffectType {
        self.effect
    }

    /// The maps beside the first.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// Whether an answer's first token stands for it.
    pub fn first_tokens(&self) -> bool {
        self.first_tokens
    }

    /// Whether rows are left out in which two of the roles are the same token.
    pub fn distinct_roles(&self) -> bool {
        self.distinct_roles
    }

    /// What random draws depend on.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The tokens whose probabilities are read.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What is measured beside the tokens.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        self.meter.metrics()
    }

    /// Of a pair the cells, by index, whose effects are computed in two ways to find the noise of the
    /// computation ([`SweepOutcome::noise_floor`]), in the first direction.
    pub fn noise_places(&self) -> &[usize] {
        self.noise_cells.iter().flatten().next().map_or(&[], Vec::as_slice)
    }

    /// Everything that is run for the first batch, nothing known yet of means and distributions: of each direction the
    /// unedited runs, then a plan for each cell and draw of each map.
    ///
    /// # Errors
    /// A cell that cannot be planned.
    pub fn plans(&self, outline: &Outline) -> Result<Vec<ResolvedPlan>, SweepError> {
        let first = self.batches().into_iter().next().unwrap_or(0..0);
        let plans = batch::first_plans(self, outline, first)?;
        Ok(plans.into_iter().map(|(_, plan)| plan).collect())
    }

    /// Of a pair how many cells change nothing since base and source are the same up to their position.
    ///
    /// # Errors
    /// As [`Sweep::plans`].
    pub fn shared_prefix_cells(&self, outline: &Outline) -> Result<usize, SweepError> {
        batch::shared_prefix_cells(self, outline)
    }

    /// The layers that a cell edits in a model of so many: a window around its own, cut at the model's ends; an
    /// even one has one layer more before the cell's than after it (as in the code of Meng et al. 2022).
    fn window_of(&self, cell: Cell, layers: usize) -> Vec<Option<usize>> {
        let Some(layer) = cell.layer else { return vec![None] };
        let before = self.window / 2;
        let end = layer.saturating_add(self.window - before).min(layers);
        (layer.saturating_sub(before)..end).map(Some).collect()
    }

    /// Interventions that are made for each row.
    pub fn interventions_per_row(&self) -> usize {
        let maps = 1 + self.controls.len();
        self.cells.len() * self.method.draws() * maps * self.directions.len()
    }

    /// All interventions.
    pub fn interventions(&self) -> usize {
        self.interventions_per_row() * self.rows.len()
    }

    /// Refuses another model than the one that the sweep was built on.
    fn expect(&self, outline: &Outline) -> Result<(), RunError> {
        let first = self.rows.first();
        Ok(first.map_or(Ok(()), |row| outline.expect("the sweep", row.base.model()))?)
    }

    /// The same sweep for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from its own: without it a sweep runs on no model but the one that it was built on.
    ///
    /// # Errors
    /// Another shape or tokenizer; a prompt that is longer than the other model's context.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, SweepError> {
        let rows = self.rows.iter().map(|row| row.for_another_model(outline));
        let rows = rows.collect::<Result<_, InputError>>();
        let whose = Whose::Other(if self.is_pair() { "the pair" } else { "a row" });
        let rows = rows.map_err(|error| SweepError::Input { whose, error: Box::new(error) })?;
        Ok(Self { rows, ..self.clone() })
    }

    /// The rows, by index among those used, in the batches in which they are run: the first ones small. The
    /// same sweep has the same batches everywhere.
    pub fn batches(&self) -> Vec<Range<usize>> {
        self.batches_in(0..self.rows.len())
    }

    /// The same of a stretch of the rows.
    pub fn batches_in(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let of_distributions = if self.meter.whole() { DISTRIBUTIONS } else { BATCH };
        let each = self.interventions_per_row().max(1);
        let [first, any] = effort::rows(&self.rows, self.weights, each);
        let most = of_distributions.min(BATCH / each).min(any);
        vene_data::batches(rows, first.min(FIRST / each), most)
    }

    /// What has to be known before the first batch: where a mean over the data set is written,
    /// that mean; where noise is measured by embeddings, how much they vary.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn means(&self, outline: &Outline, executor: &dyn Executor) -> Result<Means, SweepError> {
        self.expect(outline)?;
        means::of(self, outline, executor)
    }

    /// Runs one batch. `progress` is told how many interventions are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, of an intervention or of a metric;
    /// [`RunError::Stopped`] where `progress` broke off;
    /// [`SweepError::NoBatch`] where the range is empty or reaches past the rows.
    pub fn run_batch(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
        means: &Means,
        batch: Range<usize>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<SweepOutcome, SweepError> {
        if batch.is_empty() || batch.end > self.rows.len() {
            return Err(SweepError::NoBatch { range: batch, rows: self.rows.len() });
        }
        self.expect(outline)?;
        means.expect(outline)?;
        batch::Batch { sweep: self, outline, executor, means, range: batch }.run(progress)
    }

    /// Runs everything, by the forked executor: a pair in one forward pass, or as few as the memory allows.
    ///
    /// # Errors
    /// As [`Sweep::run_batch`].
    pub fn run(&self, model: &Model) -> Result<SweepOutcome, SweepError> {
        self.run_with(model, &Forked::new(model))
    }

    /// Runs everything, by any executor.
    ///
    /// # Errors
    /// As [`Sweep::run_batch`].
    pub fn run_with(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<SweepOutcome, SweepError> {
        self.run_with_progress(outline, executor, &mut |_| ControlFlow::Continue(()))
    }

    /// The same, where `progress` is told how many interventions of all are done, and may break off.
    ///
    /// # Errors
    /// As [`Sweep::run_batch`].
    pub fn run_with_progress(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<SweepOutcome, SweepError> {
        let means = self.means(outline, executor)?;
        let run = |batch: Range<usize>| {
            let before = batch.start * self.interventions_per_row();
            let mut progress = |done| progress(before + done);
            self.run_batch(outline, executor, &means, batch, &mut progress)
        };
        let parts = self.batches().into_iter().map(run).collect::<Result<Vec<_>, _>>()?;
        SweepOutcome::joined(parts)
    }

    /// What the model says to bases and sources as they are: before any sweep.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn preflight(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<Preflight, SweepError> {
        self.expect(outline)?;
        preflight::of(self, outline, executor)
    }

    /// Refuses memory of forked runs ([`Forked::memory`](crate::Forked::memory)) that does not hold one intervention
    /// in the longest row.
    ///
    /// # Errors
    /// As [`Forked::fits`](crate::Forked::fits).
    pub fn fits(&self, outline: &Outline, memory: usize) -> Result<(), SweepError> {
        self.expect(outline)?;
        let length =
            |row: &PreparedRow| row.base.len() + row.sources().map(Prompt::len).sum::<usize>();
        let longest = (0..self.rows.len()).max_by_key(|&row| length(&self.rows[row]));
        if let Some(row) = longest {
            let plans = batch::first_plans(self, outline, row..row + 1)?.into_iter();
            let plans: Vec<_> = plans.map(|(_, plan)| plan).collect();
            crate::Forked::fits(outline, &plans, memory)?;
        }
        Ok(())
    }

    /// What the sweep will cost, found without reading a weight.
    ///
    /// # Errors
    /// Failures of the computation that is timed; another model than the sweep's.
    pub fn forecast(&self, outline: &Outline, of: ForecastOf) -> Result<Forecast, SweepError> {
        self.expect(outline)?;
        forecast::of(self, outline, of)
    }
}
