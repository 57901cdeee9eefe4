//! Causal scrubbing: what is left of a metric where hypotheses say what may be taken from other rows.

use std::fmt::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::circuit::{self, CircuitRows, Scrubbing};
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_table::{Table, TableSource};

use super::measure::Measure;
use super::number;
use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::record::Kind;
use crate::terminal::duration;

/// Above this share of rows with which no other agrees, a claim is called hardly tested.
const HARDLY_TESTED: f64 = 0.5;

impl Measure for Scrubbing {
    fn kind(&self) -> Kind {
        Kind::Scrubbing
    }

    fn rows(&self) -> &CircuitRows {
        self.rows()
    }

    fn options(&self) -> Value {
        let metrics = self.rows().metrics();
        json!({
            "hypotheses": self.names(),
            "draws": self.draws_per_row(),
            "metrics": metrics.iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        })
    }

    fn per_row(&self) -> usize {
        self.names().len() * self.draws_per_row()
    }

    fn unit(&self) -> &'static str {
        "draws"
    }

    fn forecast(&self) -> String {
        let rows = self.rows().prepared().len();
        let mut text = format!(
            "{} hypotheses, {} draws each in {rows} rows: {} scrubbed runs in all\n",
            self.names().len(),
            self.draws_per_row(),
            self.per_row() * rows,
        );
        if let Ok(claims) = self.claims().map_err(anyhow::Error::from).and_then(|of| listed(&of)) {
            text += &claims;
        }
        text
    }

    fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> anyhow::Result<Table> {
        Ok(self.table(row, &self.run_row(model, row, progress)?)?)
    }

    fn alike(&self) -> &'static [&'static str] {
        &[]
    }

    fn tables(&self) -> Vec<&'static str> {
        vec!["recovered", "claims"]
    }

    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>> {
        Ok(vec![circuit::recovered(&examples, bootstrap)?, self.claims()?])
    }

    fn figures(&self) -> Vec<String> {
        Vec::new()
    }

    fn draw(&self, _: &[Table], _: &DataSource, _: &Outline) -> Drawn {
        Drawn::default()
    }

    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String> {
        let mut text = format!(
            "{} hypotheses, {} draws each in {} rows, in {}\n",
            self.names().len(),
            self.draws_per_row(),
            self.rows().prepared().len(),
            duration(seconds),
        );
        for metric in self.rows().metrics() {
            text += &shares(&summaries[0], metric.name())?;
        }
        Ok(text + &listed(&summaries[1])?)
    }
}

fn shares(table: &Table, metric: &str) -> anyhow::Result<String> {
    let (names, metrics) = (table.text("hypothesis")?, table.text("metric")?);
    let (value, low) = (table.optional_floats("recovered")?, table.optional_floats("low")?);
    let high = table.optional_floats("high")?;
    let (found, base) = (table.floats("mean_value")?, table.floats("mean_base_value")?);
    let baseline = table.floats("mean_baseline_value")?;
    let mut text = format!(
        "\nRecovered of {metric} [95 % interval]; scrubbed, unscrubbed, and in the baseline\n"
    );
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for row in (0..table.rows()).filter(|&row| metrics[row] == metric) {
        let _ = writeln!(
            text,
            "  {:<width$}  {:<22} {:>9} {:>9} {:>9}",
            names[row],
            number::part_with_interval(value[row], low[row], high[row]),
            number::effect(Some(found[row])),
            number::effect(Some(base[row])),
            number::effect(Some(baseline[row])),
        );
    }
    Ok(text)
}

/// The nodes, and how many rows each can be given.
fn listed(claims: &Table) -> anyhow::Result<String> {
    let (names, nodes) = (claims.text("hypothesis")?, claims.text("node")?);
    let agrees = claims.text("agrees")?;
    let (candidates, alone) = (claims.floats("candidates")?, claims.floats("alone")?);
    let mut text =
        String::from("\nRows that a node may be given for a row, on average, itself among them\n");
    let called = |row: usize| format!("{}: {}", names[row], nodes[row]);
    let width = (0..claims.rows()).map(|row| called(row).chars().count()).max().unwrap_or(0);
    for row in 0..claims.rows() {
        let by = match agrees[row] {
            "" => "any row".to_owned(),
            agrees => format!("by {agrees}"),
        };
        let _ = write!(text, "  {:<width$}  {:>8.1}  {by}", called(row), candidates[row]);
        if alone[row] == 1.0 {
            text.push_str("; always the row itself");
        } else if alone[row] > HARDLY_TESTED {
            let _ = write!(text, "; {:.0} % have no other: hardly tested", 100.0 * alone[row]);
        }
        text.push('\n');
    }
    Ok(text)
}
