//! How much of what a model does circuits of growing size do by themselves.

use std::fmt::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::circuit::{CIRCUIT_SETTINGS, CircuitRole, CircuitRows, Faithfulness, FaithfulnessCurve};
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_report::{Along, Facets, Figure, Profile};
use vene_table::{Table, TableSource};

use super::measure::{Measure, caption, stem};
use super::number;
use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::record::Kind;
use crate::terminal::duration;

impl Measure for Faithfulness {
    fn kind(&self) -> Kind {
        Kind::Faithfulness
    }

    fn rows(&self) -> &CircuitRows {
        self.circuits().rows()
    }

    fn options(&self) -> Value {
        let rows = self.circuits().rows();
        let circuits = |(share, edges): (f64, usize)| json!({ "share": share, "edges": edges });
        json!({
            "circuits": self.sizes().into_iter().map(circuits).collect::<Vec<_>>(),
            "ablation": self.circuits().ablated_by().name(),
            "graph": rows.graph().keys().name(),
            "metrics": rows.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        })
    }

    fn per_row(&self) -> usize {
        self.runs_per_row()
    }

    fn unit(&self) -> &'static str {
        "circuits"
    }

    fn forecast(&self) -> String {
        let rows = self.circuits().rows();
        let mut text = format!("Circuits of the {} graph:\n", rows.graph().keys());
        for (share, edges) in self.sizes() {
            let _ = writeln!(text, "  {:<8} {edges} edges", number::share(share));
        }
        let (each, rows) = (self.runs_per_row(), rows.prepared().len());
        let _ = writeln!(
            text,
            "With their controls {each} runs a row, in {rows} rows: {}",
            each * rows
        );
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
        &CIRCUIT_SETTINGS
    }

    fn tables(&self) -> Vec<&'static str> {
        vec!["faithfulness", "areas"]
    }

    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>> {
        let found = FaithfulnessCurve::of(&examples, bootstrap)?;
        Ok(vec![found.curve, found.areas])
    }

    fn draw(&self, summaries: &[Table], data: &DataSource, outline: &Outline) -> Drawn {
        let rows = self.circuits().rows();
        let mut drawn = Drawn::default();
        if self.sizes().len() < 2 {
            return drawn;
        }
        for (index, metric) in rows.metrics().iter().enumerate() {
            let what = format!("faithfulness of circuits on {}", metric.name());
            let caption = caption(&what, rows, data, outline)
                .note("patched", self.circuits().ablated_by().name());
            let profile = Profile {
                caption,
                metric: Some(metric.name().to_owned()),
                value: "faithfulness".to_owned(),
                value_title: Some("faithfulness".to_owned()),
                along: Along::Numbers {
                    column: "logarithm".to_owned(),
                    title: "share of the edges (log10)".to_owned(),
                },
                lines: "line".to_owned(),
                facets: Facets::by("metric"),
                ..Profile::default()
            };
            let figure = drawn_lines(&summaries[0]).and_then(|table| {
                let figure: Figure = profile.draw(&table)?;
                Ok(figure)
            });
            drawn.take(stem("faithfulness", rows, index), figure);
        }
        drawn
    }

    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String> {
        let rows = self.circuits().rows();
        let mut text = format!(
            "{} circuits, with their controls {} runs a row, in {} rows, in {}\n",
            self.sizes().len(),
            self.runs_per_row(),
            rows.prepared().len(),
            duration(seconds),
        );
        for metric in rows.metrics() {
            text += &curve(&summaries[0], metric.name())?;
            text += &areas(&summaries[1], metric.name())?;
        }
        Ok(text)
    }
}

/// The roles of a table's lines, by which one at a time is looked up.
fn row_of(
    table: &Table,
    role: CircuitRole,
    metric: &str,
    share: Option<f64>,
) -> anyhow::Result<Option<usize>> {
    let (roles, metrics) = (table.text("role")?, table.text("metric")?);
    let draws = table.integers("draw")?;
    let shares = if table.has("share") { Some(table.floats("share")?) } else { None };
    Ok((0..table.rows()).find(|&row| {
        roles[row] == role.name()
            && metrics[row] == metric
            && draws[row] == 0
            && shares.is_none_or(|shares| Some(shares[row]) == share)
    }))
}

fn curve(table: &Table, metric: &str) -> anyhow::Result<String> {
    let (value, low) = (table.optional_floats("faithfulness")?, table.optional_floats("low")?);
    let high = table.optional_floats("high")?;
    let (shares, edges) = (table.floats("share")?, table.integers("edges")?);
    let (roles, metrics) = (table.text("role")?, table.text("metric")?);
    let mut text = format!(
        "\nFaithfulness on {metric} [95 % interval], beside a random circuit and the complement\n"
    );
    for row in 0..table.rows() {
        if roles[row] != CircuitRole::Circuit.name() || metrics[row] != metric {
            continue;
        }
        let control = |role| -> anyhow::Result<String> {
            let row = row_of(table, role, metric, Some(shares[row]))?;
            Ok(number::part(row.and_then(|row| value[row])))
        };
        let _ = writeln!(
            text,
            "  {:<7} {:>7} edges  {:<22} {:>7} {:>7}",
            number::share(shares[row]),
            edges[row],
            number::part_with_interval(value[row], low[row], high[row]),
            control(CircuitRole::Random)?,
            control(CircuitRole::Complement)?,
        );
    }
    Ok(text)
}

fn areas(table: &Table, metric: &str) -> anyhow::Result<String> {
    let number = |name: &str, row: usize| -> anyhow::Result<Option<f64>> {
        Ok(table.optional_floats(name)?[row])
    };
    let of = |row: usize, name: &str| -> anyhow::Result<String> {
        Ok(number::part_with_interval(
            number(name, row)?,
            number(&format!("{name}_low"), row)?,
            number(&format!("{name}_high"), row)?,
        ))
    };
    let Some(row) = row_of(table, CircuitRole::Circuit, metric, None)? else {
        return Ok(String::new());
    };
    Ok(format!("  CPR {}, CMD {}\n", of(row, "cpr")?, of(row, "cmd")?))
}

/// The lines that are drawn: the circuit, its complement, and each random one.
fn drawn_lines(curve: &Table) -> anyhow::Result<Table> {
    let (roles, draws) = (curve.text("role")?, curve.integers("draw")?);
    let shares = curve.floats("share")?;
    let is_drawn = |row: &usize| roles[*row] != CircuitRole::SelfSwap.name() && shares[*row] > 0.0;
    let order = [CircuitRole::Circuit, CircuitRole::Random, CircuitRole::Complement];
    let place = |row: usize| order.iter().position(|role| role.name() == roles[row]);
    let mut rows: Vec<usize> = (0..curve.rows()).filter(is_drawn).collect();
    rows.sort_by_key(|&row| place(row));
    let name = |row: usize| match draws[row] {
        0 => roles[row].to_owned(),
        draw => format!("{} {}", roles[row], draw + 1),
    };
    let optional = |column: &str| -> anyhow::Result<Vec<Option<f64>>> {
        let values = curve.optional_floats(column)?;
        Ok(rows.iter().map(|&row| values[row]).collect())
    };
    let metrics = curve.text("metric")?;
    Ok(Table::builder()
        .column("line", rows.iter().map(|&row| name(row)).collect::<Vec<_>>())
        .column("metric", rows.iter().map(|&row| metrics[row].to_owned()).collect::<Vec<_>>())
        .column("logarithm", rows.iter().map(|&row| shares[row].log10()).collect::<Vec<_>>())
        .column("faithfulness", optional("faithfulness")?)
        .column("low", optional("low")?)
        .column("high", optional("high")?)
        .build()?)
}
