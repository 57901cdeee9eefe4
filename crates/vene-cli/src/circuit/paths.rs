//! Paths from sets of senders to receivers.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::circuit::{self, CircuitRows, EDGE_SETTINGS, PatchPlace, PathEffects, Sender};
use vene::statistics::Bootstrap;
use vene::{Model, Outline};
use vene_report::{Axis, Facets, Figure, HeatMap};
use vene_table::{Table, TableSource};

use super::edges::strongest;
use super::measure::{Measure, caption, stem};
use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::record::Kind;
use crate::terminal::duration;

/// How many paths are listed for each metric.
const STRONGEST: usize = 12;

impl Measure for PathEffects {
    fn kind(&self) -> Kind {
        Kind::Paths
    }

    fn rows(&self) -> &CircuitRows {
        self.rows()
    }

    fn options(&self) -> Value {
        let rows = self.rows();
        json!({
            "senders": self.sets().iter().map(|set| set.name.as_str()).collect::<Vec<_>>(),
            "receivers": self.receivers().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "graph": rows.graph().keys().name(),
            "positions": rows.places().iter().map(PatchPlace::name).collect::<Vec<_>>(),
            "metrics": rows.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        })
    }

    fn per_row(&self) -> usize {
        self.paths_per_row()
    }

    fn unit(&self) -> &'static str {
        "paths"
    }

    fn forecast(&self) -> String {
        let rows = self.rows().prepared().len();
        format!(
            "{} sets of senders to {} receivers, in {rows} rows: {} runs in all\n",
            self.sets().len(),
            self.receivers().len(),
            self.paths_per_row() * rows,
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
        vec!["paths"]
    }

    fn summaries(
        &self,
        examples: &dyn TableSource,
        bootstrap: &Bootstrap,
    ) -> anyhow::Result<Vec<Table>> {
        Ok(vec![circuit::summary(&examples, bootstrap)?])
    }

    fn draw(&self, summaries: &[Table], data: &DataSource, outline: &Outline) -> Drawn {
        let rows = self.rows();
        let mut drawn = Drawn::default();
        let heads =
            self.sets().iter().filter(|set| matches!(set.senders[..], [Sender::Head { .. }]));
        if heads.count() < 2 {
            return drawn;
        }
        let receivers: Vec<String> = self.receivers().iter().map(ToString::to_string).collect();
        for (index, metric) in rows.metrics().iter().enumerate() {
            let what = format!("effects on {} of paths from heads", metric.name());
            let caption = caption(&what, rows, data, outline).note("to", receivers.join(", "));
            let figure = with_heads(&summaries[0], "sender", metric.name()).and_then(|table| {
                let map = HeatMap::means(Axis::Head, Facets::by("position"));
                let figure: Figure = HeatMap { caption, ..map }.draw(&table)?;
                Ok(figure)
            });
            drawn.take(stem("paths", rows, index), figure);
        }
        drawn
    }

    fn text(&self, summaries: &[Table], seconds: f64) -> anyhow::Result<String> {
        let rows = self.rows();
        let text = format!(
            "{} sets of senders in {} rows, in {}\n",
            self.sets().len(),
            rows.prepared().len(),
            duration(seconds),
        );
        Ok(text + &strongest(&summaries[0], rows, STRONGEST)?)
    }
}

/// The lines that are about single heads, which a column names, with their layers and heads.
pub(super) fn with_heads(paths: &Table, column: &str, metric: &str) -> anyhow::Result<Table> {
    let (senders, metrics) = (paths.text(column)?, paths.text("metric")?);
    let head = |row: usize| match senders[row].parse() {
        Ok(Sender::Head { layer, head }) => Some((layer, head)),
        _ => None,
    };
    let rows: Vec<usize> =
        (0..paths.rows()).filter(|&row| metrics[row] == metric && head(row).is_some()).collect();
    let here = paths.filter(|row| rows.contains(&row));
    let of: Vec<(usize, usize)> = rows.iter().filter_map(|&row| head(row)).collect();
    let here = here
        .with_column("component", vec!["attention_output".to_owned(); of.len()])?
        .with_column("layer", of.iter().map(|(layer, _)| *layer as i64).collect::<Vec<_>>())?;
    Ok(here.with_column("head", of.iter().map(|(_, head)| *head as i64).collect::<Vec<_>>())?)
}
