//! Plans over data sets: whatever a plan does, in every row, with what came of it.
//!
//! A sweep visits places; a plan says itself what is edited, in as many steps as it likes. A [`PlanSweep`] runs a plan, or
//! each plan of a file's grid ([`PlanGrid`]), over the rows of a data set: metrics of the edited and the unedited run,
//! the probabilities that the plan reads, what it collects, and a receipt for every edit. The examples' table has the
//! columns of a [`Sweep`](crate::Sweep)'s, the grid's variables in place of component, layer and position, so that
//! the same [`Summary`](crate::sweep::Summary) tells means with intervals.
//!
//! In a plan over rows source 0 is the row's source; source 1 is the base once more, for plans that edit it before it is
//! read (path patching by hand).
//!
//! ```
//! use vene::data::Row;
//! use vene::sweep::Summary;
//! use vene::plan_sweep::PlanSweep;
//! use vene::{Component, Edit, Model, Plan, Positions};
//!
//! let model = Model::load("embedded")?;
//! let row = |base: &str, source: &str, target: &str, foil: &str| {
//!     Row::new(format!("The capital of {base} is"), format!("The capital of {source} is"))
//!         .target(format!(" {target}"))
//!         .foil(format!(" {foil}"))
//!         .span("subject", base, source)
//! };
//! let rows = [row("Spain", "Italy", "Madrid", "Rome"), row("Japan", "Peru", "Tokyo", "Lima")];
//! let at = Positions::Role("subject_last".parse()?);
//! let plan = Plan::new().edit(Edit::interchange(Component::BlockOutput, 0).at(at));
//! let run = PlanSweep::builder(&model).plan(plan).rows(&rows).build()?.run(&model)?;
//! assert_eq!(run.examples.rows(), 2);
//! let summary = Summary::default().of(&run.examples)?;
//! assert!(summary.optional_floats("mean")?[0].unwrap() < -1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod builder;
mod collected;
mod error;
mod noise;
mod reads;
mod table;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_model::{DecoderConfig, Model, Outline};
use vene_table::Table;

pub use builder::PlanSweepBuilder;
pub use collected::{Collected, CollectedSite, Shape};
pub use error::PlanSweepError;
pub use table::join;

use crate::effort;
use crate::metric::{Meter, Metric};
use crate::plan_file::PlanGrid;
use reads::TokenRead;
use vene_data::{LeftOut, PreparedRow, Role};
use vene_engine::plan::Plan;
use vene_engine::{Executor, Forked};

/// A checked plan, or grid of plans, over a data set.
#[derive(Clone, Debug)]
pub struct PlanSweep {
    rows: Vec<PreparedRow>,
    left_out: Vec<LeftOut>,
    grid: PlanGrid,
    /// The roles that plans name, whose positions each row has.
    roles: Vec<Role>,
    meter: Meter,
    reads: Vec<TokenRead>,
    first_tokens: bool,
    /// Whether plans read the base as a source that they edit.
    has_copy: bool,
    seed: u64,
    /// Whether rows of unequal numbers of collected positions are taken.
    padded: bool,
    /// Which runs of the grid are made; the others are somebody else's.
    own_runs: Range<usize>,
}

/// What a batch of rows came to.
#[derive(Clone, Debug)]
pub struct PlanBatch {
    /// A row for each row of the data set, run of the grid and metric.
    pub examples: Table,
    /// A row for each row of the data set, run of the grid and edit.
    pub receipts: Table,
    /// What the plans collect.
    pub collected: Collected,
}

/// Runs of a batch at most, if it has more than one row.
const BATCH: usize = 4096;

/// Rows of a batch at most where whole distributions are read.
const DISTRIBUTIONS: usize = 32;

/// Rows of the first batch: a run that is stopped early loses little.
const FIRST: usize = 8;

/// Values that a batch collects at most, if it has more than one row.
const COLLECTED: usize = 2 << 20;

impl PlanSweep {
    /// Declares one on a model, or on its outline.
    pub fn builder(outline: &Outline) -> PlanSweepBuilder<'_> {
        PlanSweepBuilder::new(outline)
    }

    /// The rows that are used.
    pub fn rows(&self) -> &[PreparedRow] {
        &self.rows
    }

    /// The rows that are not, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The plans.
    pub fn grid(&self) -> &PlanGrid {
        &self.grid
    }

    /// The roles that the plans name.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// What is measured.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        self.meter.metrics()
    }

    /// The names of all numbers in the examples' table: metrics, then what the plans read of chosen tokens.
    pub fn measured(&self) -> Vec<String> {
        let metrics = self.metrics().iter().map(|metric| metric.name().to_owned());
        metrics.chain(self.reads.iter().map(|read| read.name.clone())).collect()
    }

    /// Whether an answer's first token stands for it.
    pub fn first_tokens(&self) -> bool {
        self.first_tokens
    }

    /// What the plans do, in words for tables: the interventions' names.
    pub fn intervention(&self) -> String {
        let mut names = Vec::new();
        for run in &self.grid.runs {
            for name in run.plan.intervention_names() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }

    /// What is collected, in each run.
    pub fn sites(&self, config: &DecoderConfig) -> Vec<CollectedSite> {
        collected::sites(self, config)
    }

    /// At how many positions of a row each of the first own run's collects ([`Plan::collect`](crate::Plan::collect)) is made.
    pub fn collected_at(&self, row: &PreparedRow) -> Vec<usize> {
        let first = self.grid.runs.get(self.own_runs.start);
        let collects = first.map_or(&[][..], |run| &run.plan.collects);
        let count = |collect: &vene_engine::plan::Collect| {
            collected::positions_in(self, row, &collect.positions)
        };
        collects.iter().map(count).collect()
    }

    /// The same, of which only a stretch of the grid's runs is made, in every row: so that several machines can share a
    /// grid over one row. What they come to, in order, is what the whole comes to.
    ///
    /// # Errors
    /// No runs, or runs that the grid does not have.
    pub fn of_runs(self, runs: Range<usize>) -> Result<Self, PlanSweepError> {
        if runs.is_empty() || runs.end > self.grid.runs.len() {
            return Err(PlanSweepError::NoRuns { range: runs, runs: self.grid.runs.len() });
        }
        Ok(Self { own_runs: runs, ..self })
    }

    /// The runs of the grid that are made, by index.
    pub fn own_runs(&self) -> Range<usize> {
        self.own_runs.clone()
    }

    /// How many runs are made of all rows together.
    pub fn runs(&self) -> usize {
        self.rows.len() * self.own_runs.len()
    }

    /// The rows, by index among those used, in the batches in which they are run: the first ones small.
    pub fn batches(&self, config: &DecoderConfig) -> Vec<Range<usize>> {
        self.batches_in(0..self.rows.len(), config)
    }

    /// The same of a stretch of the rows.
    pub fn batches_in(&self, rows: Range<usize>, config: &DecoderConfig) -> Vec<Range<usize>> {
        let of_distributions = if self.meter.whole() { DISTRIBUTIONS } else { BATCH };
        let values = self.rows.first().map_or(0, |row| collected::values_of_row(self, row, config));
        let runs = self.own_runs.len().max(1);
        let [first, any] = effort::rows(&self.rows, effort::weights(config), runs);
        let most = [of_distributions, BATCH / runs, COLLECTED / values.max(1), any];
        vene_data::batches(rows, first.min(FIRST), most.into_iter().min().unwrap_or(1))
    }

    /// Runs one batch. `progress` is told how many runs are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, of an intervention or of a metric; an empty range, or one past the rows.
    pub fn run_batch(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
        rows: Range<usize>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<PlanBatch, PlanSweepError> {
        if rows.is_empty() || rows.end > self.rows.len() {
            return Err(PlanSweepError::NoBatch { range: rows, rows: self.rows.len() });
        }
        if let Some(row) = self.rows.first() {
            outline.expect("the plan's rows", row.base.model()).map_err(crate::RunError::from)?;
        }
        batch::run(self, outline, executor, rows, progress)
    }

    /// Runs everything, by the forked executor.
    ///
    /// # Errors
    /// As [`PlanSweep::run_batch`].
    pub fn run(&self, model: &Model) -> Result<PlanBatch, PlanSweepError> {
        self.run_with(model, &Forked::new(model))
    }

    /// Runs everything, by any executor.
    ///
    /// # Errors
    /// As [`PlanSweep::run_batch`].
    pub fn run_with(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
    ) -> Result<PlanBatch, PlanSweepError> {
        self.run_with_progress(outline, executor, &mut |_| ControlFlow::Continue(()))
    }

    /// The same, where `progress` is told how many of all [runs](Self::runs) are done, and may break off.
    ///
    /// # Errors
    /// As [`PlanSweep::run_batch`].
    pub fn run_with_progress(
        &self,
        outline: &Outline,
        executor: &dyn Executor,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<PlanBatch, PlanSweepError> {
        let run = |rows: Range<usize>| {
            let before = rows.start * self.own_runs.len();
            self.run_batch(outline, executor, rows, &mut |done| progress(before + done))
        };
        let parts = self.batches(outline.config()).into_iter().map(run);
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let examples: Vec<Table> = parts.iter().map(|part| part.examples.clone()).collect();
        let receipts: Vec<Table> = parts.iter().map(|part| part.receipts.clone()).collect();
        Ok(PlanBatch {
            examples: join(&examples)?.table()?,
            receipts: Table::concatenate(&receipts, &[])?,
            collected: Collected::joined(parts.into_iter().map(|part| part.collected))?,
        })
    }

    /// Refuses memory of forked runs ([`Forked::memory`]) that does not hold the longest row.
    ///
    /// # Errors
    /// As [`Forked::fits`].
    pub fn fits(&self, outline: &Outline, memory: usize) -> Result<(), PlanSweepError> {
        let length = |row: &PreparedRow| {
            row.base.len() + row.source.as_ref().map_or(0, |source| source.len())
        };
        let longest = (0..self.rows.len()).max_by_key(|&row| length(&self.rows[row]));
        if let Some(row) = longest {
            Forked::fits(outline, &batch::plans(self, outline, row..row + 1)?, memory)?;
        }
        Ok(())
    }

    /// What running the first batch takes, and how many times as much all batches take; nothing is computed.
    ///
    /// # Errors
    /// As [`Forked::work_of`].
    pub fn work(
        &self,
        outline: &Outline,
        memory: Option<usize>,
    ) -> Result<(vene_model::Work, f64), PlanSweepError> {
        let first = self.batches(outline.config()).into_iter().next().unwrap_or(0..0);
        let times = self.rows.len() as f64 / first.len().max(1) as f64;
        let plans = batch::plans(self, outline, first)?;
        Ok((Forked::work_of(outline, &plans, memory)?, times))
    }

    /// The plan of a run, which has no roles any more.
    fn plan(&self, run: usize) -> &Plan {
        &self.grid.runs[run].plan
    }
}
