//! Sweeps over data sets: the same intervention at every one of many places, for every row.
//!
//! One prompt pair is an anecdote. A [`DataSweep`] takes the rows of a data set, finds the positions
//! of each by the role that its tokens play, intervenes at every place in every row, and ends as two
//! tidy tables: one with a row for each example, place and metric, and a summary over the examples.
//! Rows ride through the model together, a batch at a time, as forks of few passes; each batch is a
//! table of its own, so that a long sweep can be written as it goes and taken up again.
//!
//! ```
//! use vene::data::Row;
//! use vene::{Component, DataSweep, Model};
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
//! let sweep = DataSweep::builder(&model)
//!     .rows(&rows)
//!     .components([Component::BlockOutput])
//!     .roles(["subject_last".parse()?, "last".parse()?])
//!     .build()?;
//! let examples = sweep.run(&model)?;
//! assert_eq!(examples.rows(), rows.len() * 2 * model.config().layers.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod builder;
mod cells;
mod check;
mod edits;
mod error;
mod examples;
mod match_norm;
mod means;
mod noise;
mod options;
mod partners;
mod preflight;
mod summary;
mod table;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_model::{Component, InputError, Model, Outline};
use vene_table::Table;

pub use builder::DataSweepBuilder;
pub use error::DataSweepError;
pub use means::Means;
pub use options::{AnswerTokens, Control, Direction, EffectType, NoiseSize, Treatment};
pub use preflight::{Agreement, DataForecast, Preflight};
pub use summary::Summary;
pub(crate) use table::{PARAMETERS, PLACES, with_noise};
pub use table::{SETTINGS, join, noise_floor, place_columns};

use crate::data::{LeftOut, PreparedRow, Role};
use crate::engine::{Executor, Forked};
use crate::error::{RunError, SweepError, Whose};
use crate::metric::{Meter, Metric};
use crate::sweep::SweepUnit;

/// A checked sweep over a data set.
#[derive(Clone, Debug)]
pub struct DataSweep {
    pub(crate) rows: Vec<PreparedRow>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) roles: Vec<Role>,
    pub(crate) cells: Vec<DataCell>,
    pub(crate) unit: SweepUnit,
    pub(crate) treatment: Treatment,
    pub(crate) directions: Vec<Direction>,
    pub(crate) window: usize,
    pub(crate) effect: EffectType,
    pub(crate) meter: Meter,
    pub(crate) controls: Vec<Control>,
    pub(crate) seed: u64,
    pub(crate) first_tokens: bool,
    pub(crate) distinct_roles: bool,
}

/// One place of a sweep over a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataCell {
    /// What is edited.
    pub component: Component,
    /// In which layer, the middle one of a window; `None` for components that a model has once.
    pub layer: Option<usize>,
    /// Which of the sweep's roles; `None` where all positions are edited.
    pub role: Option<usize>,
    /// In which head; `None` where all are edited.
    pub head: Option<usize>,
}

/// Interventions that a batch makes at most, if it has more than one row: enough for full matrix
/// products, and few enough for little to be lost when a sweep is stopped.
const BATCH: usize = 4096;

/// Rows of a batch at most where whole distributions are read: those of the unedited runs are kept.
const DISTRIBUTIONS: usize = 32;

impl DataSweep {
    /// Declares a sweep on a model, or on its outline.
    pub fn builder(outline: &Outline) -> DataSweepBuilder<'_> {
        DataSweepBuilder::new(outline)
    }

    /// The rows that are used.
    pub fn rows(&self) -> &[PreparedRow] {
        &self.rows
    }

    /// The rows that are not, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The roles whose positions are visited.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The places, in the table's order.
    pub fn cells(&self) -> &[DataCell] {
        &self.cells
    }

    /// What each cell edits at once.
    pub fn unit(&self) -> SweepUnit {
        self.unit
    }

    /// What is done at each place.
    pub fn treatment(&self) -> &Treatment {
        &self.treatment
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

    /// What is measured.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        self.meter.metrics()
    }

    /// The layers that a cell edits in a model of so many: a window around its own, cut at the model's ends; an
    /// even one has one layer more before the cell's than after it (as in the code of Meng et al. 2022).
    pub(crate) fn window_of(&self, cell: DataCell, layers: usize) -> Vec<Option<usize>> {
        let Some(layer) = cell.layer else { return vec![None] };
        let before = self.window / 2;
        let end = layer.saturating_add(self.window - before).min(layers);
        (layer.saturating_sub(before)..end).map(Some).collect()
    }

    /// Interventions that are made for each row.
    pub fn interventions_per_row(&self) -> usize {
        let maps = 1 + self.controls.len();
        self.cells.len() * self.treatment.draws() * maps * self.directions.len()
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
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, DataSweepError> {
        let rows = self.rows.iter().map(|row| row.for_another_model(outline));
        let rows = rows.collect::<Result<_, InputError>>();
        let rows = rows.map_err(|error| SweepError::Input {
            whose: Whose::Other("a row"),
            error: Box::new(error),
        })?;
        Ok(Self { rows, ..self.clone() })
    }

    /// The rows, by index among those used, in the batches in which they are run. The same sweep
    /// has the same batches everywhere.
    pub fn batches(&self) -> Vec<Range<usize>> {
        self.batches_in(0..self.rows.len())
    }

    /// The same of a stretch of the rows.
    pub fn batches_in(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let most = if self.meter.whole() { DISTRIBUTIONS } else { BATCH };
        let size = (BATCH / self.interventions_per_row().max(1)).clamp(1, most);
        let starts = rows.clone().step_by(size);
        starts.map(|start| start..(start + size).min(rows.end)).collect()
    }

    /// What has to be known before the first batch: where a mean over the data set is written,
    /// that mean; where noise is measured by embeddings, how much they vary.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn means(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<Means, DataSweepError> {
        self.expect(outline)?;
        means::of(self, outline, executor)
    }

    /// Runs one batch: a table with a row for each of its examples, cells and metrics.
    /// `progress` is told how many interventions are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, of an intervention or of a metric;
    /// [`RunError::Stopped`] where `progress` broke off;
    /// [`DataSweepError::NoBatch`] where the range is empty or reaches past the rows.
    pub fn run_batch(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
        means: &Means,
        batch: Range<usize>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Table, DataSweepError> {
        if batch.is_empty() || batch.end > self.rows.len() {
            return Err(DataSweepError::NoBatch { range: batch, rows: self.rows.len() });
        }
        self.expect(outline)?;
        means.expect(outline)?;
        batch::Batch { sweep: self, outline, executor, means, range: batch }.run(progress)
    }

    /// Runs everything, by the forked executor.
    ///
    /// # Errors
    /// As [`DataSweep::run_batch`].
    pub fn run(&self, model: &Model) -> Result<Table, DataSweepError> {
        self.run_with(model, &Forked::new(model))
    }

    /// Runs everything, by any executor.
    ///
    /// # Errors
    /// As [`DataSweep::run_batch`].
    pub fn run_with(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<Table, DataSweepError> {
        let means = self.means(outline, executor)?;
        let run = |batch| {
            self.run_batch(outline, executor, &means, batch, &mut |_| ControlFlow::Continue(()))
        };
        let parts = self.batches().into_iter().map(run).collect::<Result<Vec<_>, _>>()?;
        Ok(join(&parts)?.table()?)
    }

    /// What the model says to bases and sources as they are: before any sweep.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn preflight(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<Preflight, DataSweepError> {
        self.expect(outline)?;
        preflight::of(self, outline, executor)
    }

    /// Refuses memory of forked runs ([`Forked::memory`](crate::Forked::memory)) that does not hold one intervention
    /// in the longest row.
    ///
    /// # Errors
    /// As [`Forked::fits`](crate::Forked::fits).
    pub fn fits(&self, outline: &Outline, memory: usize) -> Result<(), DataSweepError> {
        self.expect(outline)?;
        let length = |row: &PreparedRow| {
            row.base.len() + row.source.as_ref().map_or(0, |source| source.len())
        };
        let longest = (0..self.rows.len()).max_by_key(|&row| length(&self.rows[row]));
        if let Some(row) = longest {
            let plans = batch::first_plans(self, outline, row..row + 1)?.into_iter();
            let plans: Vec<_> = plans.map(|(_, plan)| plan).collect();
            crate::Forked::fits(outline, &plans, memory)?;
        }
        Ok(())
    }

    /// What the sweep will cost the forked executor, found without reading a weight.
    ///
    /// # Errors
    /// Failures of the computation that is timed.
    pub fn forecast(
        &self,
        outline: &Outline,
        memory: Option<usize>,
    ) -> Result<DataForecast, DataSweepError> {
        self.expect(outline)?;
        preflight::forecast(self, outline, memory)
    }
}
