//! A sweep with a model that is loaded already, whose tables stay in memory.

use std::time::Instant;

use vene::plan_file::ExperimentKind;
use vene::sweep::Summary;
use vene::{Outline, Sweep, SweepOutcome, Table};
use vene_report::Figure;

use super::super::in_memory::{InMemory, Progress, Warned};
use super::{READ_BY, method, mode, over_data, pair};
use crate::data_set::DataSource;
use crate::{data_sweep, executor, rows, sweep};

/// What a sweep gave.
pub struct Swept {
    /// A row for each example, place and metric (of a pair without metrics none); of a pair the probabilities of the tokens
    /// that were followed as well.
    pub outcome: SweepOutcome,
    /// Over a data set, means with intervals.
    pub summary: Option<Table>,
    /// How long the engine took, in seconds: what the command writes as `sweep_seconds`.
    pub seconds: f64,
    sweep: Sweep,
    rows: Option<Rows>,
}

/// The rows of a data set, as figures need them.
struct Rows {
    data: DataSource,
    /// The examples in which effects were looked for, where others show them.
    discovery: Option<Vec<usize>>,
}

/// Runs a sweep.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it; failures of the computation; that it was
/// stopped.
pub fn sweep_in_memory(asked: InMemory<'_>) -> anyhow::Result<Warned<Swept>> {
    asked.run(ExperimentKind::Sweep, |experiment, asked| {
        let model = asked.model;
        let (name, memory) = experiment.executor();
        let over_rows = experiment.has_rows();
        let (sweep, rows): (Sweep, Option<(Summary, DataSource)>) = if over_rows {
            let data = experiment.rows(model)?;
            let sweep = over_data::data_sweep(&experiment, model, &data)?;
            let summary = experiment.summary(sweep.rows(), sweep.method().reads_source())?;
            data_sweep::warn(model, &sweep);
            rows::warn_of_left_out(sweep.left_out(), data.rows.len());
            (sweep, Some((summary, data.into_source())))
        } else {
            let sweep = pair(&experiment, model, method(&experiment)?)?;
            sweep::warn(model, &sweep)?;
            (sweep, None)
        };
        let over = if over_rows { "a data set" } else { "one pair of prompts" };
        experiment.given.check(mode(&experiment, over, sweep.unit()), READ_BY)?;
        if let Some(memory) = memory {
            sweep.fits(model, memory)?;
        }
        let all = sweep.interventions_per_row() * sweep.rows().len();
        let start = Instant::now();
        let executor = executor::on(name, model, memory);
        let outcome = sweep.run_with_progress(model, &*executor, &mut |done| {
            (asked.progress)(Progress { done, all, says: None })
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let (summary, rows) = match rows {
            Some((summary, data)) => {
                let table = summary.of(outcome.examples())?;
                (Some(table), Some(Rows { data, discovery: summary.discovery }))
            }
            None => (None, None),
        };
        Ok(Swept { outcome, summary, seconds, sweep, rows })
    })
}

impl Swept {
    /// The figures that the command draws of it, by name.
    pub fn figures(&self, outline: &Outline) -> Vec<(String, Figure)> {
        let drawn = match (&self.rows, &self.summary) {
            (Some(rows), Some(summary)) => {
                let of = (&rows.data, rows.discovery.as_deref());
                data_sweep::draw(self.outcome.examples(), summary, &self.sweep, outline, of)
            }
            _ => sweep::draw(&self.sweep, outline, &self.outcome),
        };
        drawn.0
    }
}
