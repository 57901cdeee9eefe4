//! Pairs of heads: interactions, and shares of what all do.

use std::fmt::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::circuit::{CircuitRows, HeadPairs, PatchPlace, pair_means};
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_report::{Axis, Facets, Figure, HeatMap};
use vene_table::{Table, TableSource};

use super::measure::{Measure, caption, stem};
use super::number;
use super::paths::with_heads;
use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::record::Kind;
use crate::terminal::duration;

/// How many pairs and heads are listed for each metric.
const LISTED: usize = 10;

impl Measure for HeadPairs {
    fn kind(&self) -> Kind {
        Kind::Pairs
    }

    fn rows(&self) -> &CircuitRows {
        self.rows()
    }

    fn options(&self) -> Value {
        let rows = self.rows();
        json!({
            "heads": self.head_count(),
            "orders": self.orders(),
            "positions": rows.places().iter().map(PatchPlace::name).collect::<Vec<_>>(),
            "metrics": rows.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        })
    }

    fn per_row(&self) -> usize {
        self.runs_per_row()
    }

    fn unit(&self) -> &'static str {
        "runs"
    }

    fn forecast(&self) -> String {
        let (heads, rows) = (self.head_count(), self.rows().prepared().len());
        format!(
            "{heads} heads, {} pairs, {} orders, in {rows} rows: {} runs in all\n",
            heads * (heads - 1) / 2,
            self.orders(),
            self.runs_per_row() * rows,
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
        &["ablation"]
    }

    fn tables(&self) -> Vec<&'static str> {
        vec!["pairs", "heads"]
    }

    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>> {
        let [heads, pairs] = pair_means(&examples, bootstrap)?;
        Ok(vec![pairs, heads])
    }

    fn figures(&self) -> Vec<String> {
        let rows = self.rows();
        (0..rows.metrics().len()).map(|metric| stem("heads", rows, metric)).collect()
    }

    fn draw(&self, summaries: &[Table], data: &DataSource, outline: &Outline) -> Drawn {
        let rows = self.rows();
        let mut drawn = Drawn::default();
        let (what, value) = match self.orders() {
            0 => ("effects", "effect"),
            _ => ("Shapley values", "shapley"),
        };
        for (index, metric) in rows.metrics().iter().enumerate() {
            let caption =
                caption(&format!("{what} of heads on {}", metric.name()), rows, data, outline);
            let figure = with_heads(&summaries[1], "sender", metric.name()).and_then(|table| {
                let map = HeatMap {
                    caption,
                    value: value.to_owned(),
                    x: Axis::Head,
                    facets: Facets::by("position"),
                    ..HeatMap::default()
                };
                let figure: Figure = map.draw(&table)?;
                Ok(figure)
            });
            drawn.take(stem("heads", rows, index), figure);
        }
        drawn
    }

    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String> {
        let rows = self.rows();
        let mut text = format!(
            "{} heads, their pairs and {} orders in {} rows, in {}\n",
            self.head_count(),
            self.orders(),
            rows.prepared().len(),
            duration(seconds),
        );
        for metric in rows.metrics() {
            let _ = writeln!(
                text,
                "\nLargest interactions on {} [95 % interval], and what both do",
                metric.name()
            );
            text += &interactions(&summaries[0], metric.name(), rows.places().len() > 1)?;
            if self.orders() > 0 {
                let _ =
                    writeln!(text, "\nShapley values [95 % interval], and what each does alone");
                text += &shares(&summaries[1], metric.name(), rows.places().len() > 1)?;
            }
        }
        Ok(text)
    }
}

fn interactions(pairs: &Table, metric: &str, has_places: bool) -> anyhow::Result<String> {
    let (first, second) = (pairs.text("first")?, pairs.text("second")?);
    let (metrics, positions) = (pairs.text("metric")?, pairs.text("position")?);
    let mean = pairs.optional_floats("interaction")?;
    let (low, high) = (pairs.optional_floats("low")?, pairs.optional_floats("high")?);
    let effect = pairs.optional_floats("effect")?;
    let mut text = String::new();
    for row in (0..pairs.rows()).filter(|&row| metrics[row] == metric).take(LISTED) {
        let both = format!("{} + {}", first[row], second[row]);
        let at = if has_places { positions[row] } else { "" };
        let _ = writeln!(
            text,
            "  {both:<18} {at:<14} {:<26} {:>9}",
            number::with_interval(mean[row], low[row], high[row]),
            number::effect(effect[row]),
        );
    }
    Ok(text)
}

fn shares(heads: &Table, metric: &str, has_places: bool) -> anyhow::Result<String> {
    let (names, positions) = (heads.text("sender")?, heads.text("position")?);
    let metrics = heads.text("metric")?;
    let share = heads.optional_floats("shapley")?;
    let (low, high) =
        (heads.optional_floats("shapley_low")?, heads.optional_floats("shapley_high")?);
    let effect = heads.optional_floats("effect")?;
    let size = |row: usize| share[row].unwrap_or(0.0).abs();
    let mut order: Vec<usize> = (0..heads.rows()).filter(|&row| metrics[row] == metric).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    let mut text = String::new();
    for row in order.into_iter().take(LISTED) {
        let at = if has_places { positions[row] } else { "" };
        let _ = writeln!(
            text,
            "  {:<18} {at:<14} {:<26} {:>9}",
            names[row],
            number::with_interval(share[row], low[row], high[row]),
            number::effect(effect[row]),
        );
    }
    Ok(text)
}
