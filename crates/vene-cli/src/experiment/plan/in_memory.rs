//! A plan over rows, or the evaluation of a trained one, with a model that is loaded already.

use serde_json::Value;
use vene::plan_file::ExperimentKind;
use vene::plan_sweep::{Collected, PlanSweep};
use vene::{Outline, Table};
use vene_report::Figure;

use super::super::in_memory::{InMemory, Progress, Warned};
use super::{Checked, account_of_plan, check};
use crate::data_set::DataSource;
use crate::{executor, plan_sweep};

/// What a plan over rows gave.
pub struct PlanRan {
    /// A row for each row of the data set, run of the grid and metric.
    pub examples: Table,
    /// Means with intervals, where something was measured.
    pub summary: Option<Table>,
    /// What every edit did in every row.
    pub receipts: Table,
    /// Which row of a collected tensor is which row of the data set.
    pub rows: Table,
    /// What the plans collect.
    pub collected: Collected,
    /// Of an evaluation, each plan's loss and accuracy as a training tells them.
    pub evaluation: Option<Value>,
    sweep: PlanSweep,
    data: DataSource,
    /// The rows in which effects were looked for, where others show them.
    discovery: Option<Vec<usize>>,
}

/// Runs a plan over the rows of a data set.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it; failures of the computation; that it was
/// stopped.
pub fn run_in_memory(asked: InMemory<'_>) -> anyhow::Result<Warned<PlanRan>> {
    asked.run(ExperimentKind::Plan, |experiment, asked| {
        account_of_plan(&experiment);
        let model = asked.model;
        let (name, memory) = experiment.executor();
        let Checked { sweep, summary, data, also } = check(&experiment, model, memory)?;
        plan_sweep::warn(model, &sweep, data.rows);
        let executor = executor::on(name, model, memory);
        let all = sweep.runs();
        let ran = sweep.run_with_progress(model, &*executor, &mut |done| {
            (asked.progress)(Progress { done, all, says: None })
        })?;
        let discovery = summary.discovery.clone();
        let summary = match ran.examples.rows() {
            0 => None,
            _ => Some(summary.of(&ran.examples)?),
        };
        let evaluation = also.map(|also| also(model)).transpose()?.map(|(told, _)| told);
        let rows = plan_sweep::rows_table(model, &sweep, &(0..sweep.rows().len()))?;
        Ok(PlanRan {
            examples: ran.examples,
            summary,
            receipts: ran.receipts,
            rows,
            collected: ran.collected,
            evaluation,
            sweep,
            data,
            discovery,
        })
    })
}

impl PlanRan {
    /// The figures that the command draws of it, by name.
    pub fn figures(&self, outline: &Outline) -> Vec<(String, Figure)> {
        let Some(summary) = &self.summary else { return Vec::new() };
        plan_sweep::draw(
            &self.examples,
            summary,
            &self.sweep,
            outline,
            (&self.data, self.discovery.as_deref()),
        )
        .0
    }
}
