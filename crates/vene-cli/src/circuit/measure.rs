//! What can be measured of a circuit in each row by itself.

use std::ops::ControlFlow;

use serde_json::Value;
use vene::circuit::CircuitRows;
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_report::Caption;
use vene_table::{Table, TableSource};

use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::model;
use crate::record::Kind;

/// Edges, paths, circuits: each gives a table a row, and tables over all rows.
pub trait Measure: Send + Sync {
    /// The kind of run that it is.
    fn kind(&self) -> Kind;

    /// The rows, and what is measured of them.
    fn rows(&self) -> &CircuitRows;

    /// All options as they were understood, defaults included.
    fn options(&self) -> Value;

    /// How many steps a row has.
    fn per_row(&self) -> usize;

    /// What is counted: `edges`.
    fn unit(&self) -> &'static str;

    /// What would run, in lines.
    fn forecast(&self) -> String;

    /// Measures a row, by its place among the rows. `progress` is told how many steps are done.
    fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> anyhow::Result<Table>;

    /// The columns in which rows' tables must be alike to stand in one.
    fn alike(&self) -> &'static [&'static str];

    /// The names of the tables over all rows.
    fn tables(&self) -> Vec<&'static str>;

    /// These tables.
    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>>;

    /// The names of all figures that may be drawn, without their endings: one for each metric, called as the first table.
    fn figures(&self) -> Vec<String> {
        let (rows, tables) = (self.rows(), self.tables());
        let of = |metric| Some(stem(tables.first()?, rows, metric));
        (0..rows.metrics().len()).filter_map(of).collect()
    }

    /// Draws them.
    fn draw(&self, summaries: &[Table], data: &DataSource, outline: &Outline) -> Drawn;

    /// What came of it, for a terminal.
    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String>;
}

/// The name of a metric's figure: the metric stands in it where there are several.
pub fn stem(name: &str, rows: &CircuitRows, metric: usize) -> String {
    match rows.metrics() {
        [_] => name.to_owned(),
        metrics => format!("{name}-{}", metrics[metric].name()),
    }
}

/// A figure's caption: the model, what is drawn, the data.
pub fn caption(what: &str, rows: &CircuitRows, data: &DataSource, outline: &Outline) -> Caption {
    Caption::new(format!("{}: {what}", model::short_name(outline)))
        .note("data", format!("{}, {} rows", data.name(), rows.prepared().len()))
}
