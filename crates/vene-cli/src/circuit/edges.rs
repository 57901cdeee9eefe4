//! The effect of every edge.

use std::fmt::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::circuit::{self, CircuitRows, EDGE_SETTINGS, EdgeScores, PatchPlace};
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_report::CircuitGraph;
use vene_table::{Table, TableSource};

use super::measure::{Measure, caption, stem};
use super::number;
use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::record::Kind;
use crate::terminal::duration;

/// How many edges are listed for each metric.
const STRONGEST: usize = 12;

impl Measure for EdgeScores {
    fn kind(&self) -> Kind {
        Kind::Edges
    }

    fn rows(&self) -> &CircuitRows {
        self.rows()
    }

    fn options(&self) -> Value {
        let rows = self.rows();
        let steps = match self {
            Self::Gradient(attribution) => attribution.steps(),
            Self::Exact(_) => None,
        };
        json!({
            "method": self.method().name(),
            "steps": steps,
            "check": match self {
                Self::Gradient(attribution) => attribution.check().map(|check| {
                    json!({ "share": check.share, "edges": check.sampled(rows.graph()), "largest": check.largest })
                }),
                Self::Exact(_) => None,
            },
            "graph": rows.graph().keys().name(),
            "positions": rows.places().iter().map(PatchPlace::name).collect::<Vec<_>>(),
            "metrics": rows.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
            "edges": self.edges_per_row(),
        })
    }

    fn per_row(&self) -> usize {
        self.edges_per_row()
    }

    fn unit(&self) -> &'static str {
        "edges"
    }

    fn forecast(&self) -> String {
        let rows = self.rows();
        format!(
            "{} edges of the {} graph by --method {}, in {} rows: {} in all\n",
            self.edges_per_row(),
            rows.graph().keys(),
            self.method(),
            rows.prepared().len(),
            self.edges_per_row() * rows.prepared().len(),
        )
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
        &EDGE_SETTINGS
    }

    fn tables(&self) -> Vec<&'static str> {
        match self {
            Self::Gradient(attribution) if attribution.check().is_some() => vec!["edges", "check"],
            _ => vec!["edges"],
        }
    }

    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>> {
        let check = circuit::check_summary(&examples, bootstrap)?;
        Ok([circuit::summary(&examples, bootstrap)?].into_iter().chain(check).collect())
    }

    fn draw(&self, summaries: &[Table], data: &DataSource, outline: &Outline) -> Drawn {
        let rows = self.rows();
        let mut drawn = Drawn::default();
        for (index, metric) in rows.metrics().iter().enumerate() {
            let what = format!("effects of edges on {}", metric.name());
            let caption = caption(&what, rows, data, outline).note("by", self.method().name());
            let metric = Some(metric.name().to_owned());
            let figure = CircuitGraph { caption, metric, ..CircuitGraph::default() };
            drawn.take(stem("edges", rows, index), figure.draw(&summaries[0]).map_err(Into::into));
        }
        drawn
    }

    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String> {
        let edges = &summaries[0];
        let rows = self.rows();
        let mut text = format!(
            "{} edges ({}) in {} rows, in {}\n",
            self.edges_per_row(),
            self.method(),
            rows.prepared().len(),
            duration(seconds),
        );
        text += &strongest(edges, rows, STRONGEST)?;
        if let Some(check) = summaries.get(1) {
            text += &checked(check)?;
        }
        Ok(text)
    }
}

/// How far estimates are from what patching gives.
fn checked(check: &Table) -> anyhow::Result<String> {
    let (why, metric) = (check.text("checked")?, check.text("metric")?);
    let (error, size) = (check.optional_floats("mean_error")?, check.optional_floats("mean_size")?);
    let (low, high) = (check.optional_floats("low")?, check.optional_floats("high")?);
    let (alike, edges) = (check.optional_floats("rank_correlation")?, check.integers("edges")?);
    let signs = check.floats("sign_agreement")?;
    let mut text = String::from(
        "\nChecked by patching: mean error of the estimates [95 % interval], beside the mean size\n",
    );
    for row in 0..check.rows() {
        let what = match why[row] {
            "sample" => format!("{} edges drawn", edges[row]),
            _ => format!("{} edges, largest of a row", edges[row]),
        };
        let alike = alike[row].map_or("-".to_owned(), |alike| format!("{alike:.2}"));
        let _ = writeln!(
            text,
            "  {what:<29} {}: {} of {}, rank correlation {alike}, same sign {:.0} %",
            metric[row],
            number::plain_with_interval(error[row], low[row], high[row]),
            number::plain(size[row]),
            100.0 * signs[row],
        );
    }
    Ok(text)
}

/// The largest mean effects of a summary of edges or paths.
pub fn strongest(edges: &Table, rows: &CircuitRows, most: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    let (sender, receiver) = (edges.text("sender")?, edges.text("receiver")?);
    let (position, metric) = (edges.text("position")?, edges.text("metric")?);
    let (mean, low) = (edges.optional_floats("mean")?, edges.optional_floats("low")?);
    let high = edges.optional_floats("high")?;
    for measured in rows.metrics() {
        let _ =
            writeln!(text, "\nLargest mean effects on {}: mean [95 % interval]", measured.name());
        let here = (0..edges.rows()).filter(|&row| metric[row] == measured.name());
        for row in here.take(most) {
            let edge = format!("{} -> {}", sender[row], receiver[row]);
            let at = if rows.places().len() > 1 { position[row] } else { "" };
            let mean = number::with_interval(mean[row], low[row], high[row]);
            let _ = writeln!(text, "  {edge:<22} {at:<14} {mean}");
        }
    }
    Ok(text)
}
