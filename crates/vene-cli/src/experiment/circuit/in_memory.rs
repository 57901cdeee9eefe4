//! Edges, paths and circuits over rows with a model that is loaded already.

use vene::plan_file::ExperimentKind;
use vene::{Outline, Table};
use vene_report::Figure;

use super::{Checked, check, expect_rows};
use crate::circuit::{self, Measure};
use crate::data_set::DataSource;
use crate::experiment::in_memory::{InMemory, Progress, Warned};

/// What was measured.
pub struct Measured {
    /// What each row gave.
    pub examples: Table,
    /// Over all rows, by name: `edges`, `paths`, `faithfulness`, `areas`, `recovered`, `claims`, `pairs`, `heads`.
    pub summaries: Vec<(&'static str, Table)>,
    measure: Box<dyn Measure>,
    data: DataSource,
}

/// Measures edges, paths or circuits in the rows of a data set, as the experiment's `kind` says.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it; failures of the computation; that it was
/// stopped.
pub fn measure_in_memory(asked: InMemory<'_>) -> anyhow::Result<Warned<Measured>> {
    asked.run(ExperimentKind::Edges, |mut experiment, asked| {
        expect_rows(&experiment)?;
        let model = asked.model;
        let Checked { measure, bootstrap, data, mode, read_by } = check(&mut experiment, model)?;
        experiment.given.check(mode, read_by)?;
        circuit::warn(model, &*measure, &data);
        let rows = measure.rows().prepared().len();
        let (all, mut done) = (rows * measure.per_row(), 0);
        let mut tables = Vec::with_capacity(rows);
        for row in 0..rows {
            let table = measure.run_row(model, row, &mut |more| {
                done += more;
                (asked.progress)(Progress { done, all, says: None })
            })?;
            tables.push(table);
        }
        let examples = Table::concatenate(&tables, measure.alike())?;
        let summaries = measure.summaries(&examples, &bootstrap)?;
        let summaries = measure.tables().into_iter().zip(summaries).collect();
        Ok(Measured { examples, summaries, measure, data })
    })
}

impl Measured {
    /// The figures that the command draws of it, by name.
    pub fn figures(&self, outline: &Outline) -> Vec<(String, Figure)> {
        let summaries: Vec<Table> = self.summaries.iter().map(|(_, table)| table.clone()).collect();
        self.measure.draw(&summaries, &self.data, outline).0
    }
}
