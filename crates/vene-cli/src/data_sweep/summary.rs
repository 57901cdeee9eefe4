//! A sweep over a data set in a few lines: the places with the largest mean effects.

use std::fmt::Write;

use vene::Sweep;
use vene_table::Table;

use super::preflight::FEW_CLUSTERS;
use crate::terminal::{self, duration, percent};

/// How many places are listed for each metric and direction.
const STRONGEST: usize = 8;

/// The summary, as text for a terminal.
pub fn text(summary: &Table, sweep: &Sweep, seconds: f64) -> anyhow::Result<String> {
    let mut text = format!(
        "{}: {} interventions in {} rows, in {}\n",
        sweep.method().name(),
        sweep.interventions(),
        sweep.rows().len(),
        duration(seconds),
    );
    let rows = Rows::read(summary)?;
    let clusters = summary.integers("clusters")?.iter().filter(|&&clusters| clusters > 0).min();
    if let Some(clusters) = clusters.filter(|&&clusters| clusters < FEW_CLUSTERS as i64) {
        let _ = writeln!(
            text,
            "few clusters: intervals rest on {clusters}, whatever the number of rows, and hold less than they say"
        );
    }
    for metric in sweep.metrics() {
        for direction in sweep.directions() {
            let here = |split: &str| -> Vec<usize> {
                let of = |row: &usize| {
                    rows.metric[*row] == metric.name()
                        && rows.direction[*row] == direction.name()
                        && rows.control[*row] == "none"
                        && rows.split[*row] == split
                };
                (0..summary.rows()).filter(of).collect()
            };
            let all = here("all");
            let _ = writeln!(
                text,
                "\nLargest mean effects on {} ({}): mean [95 % interval], share of the whole effect",
                metric.name(),
                direction.name(),
            );
            if all.is_empty() {
                // What was found in one half is shown by the other.
                let shown = here("evaluation");
                for row in rows.strongest(here("discovery")) {
                    let twin = shown.iter().copied().find(|&other| rows.same_place(row, other));
                    let twin = twin.map_or(String::new(), |twin| rows.numbers(twin));
                    let _ = writeln!(
                        text,
                        "  {:<32} {} on discovery; {twin} on evaluation",
                        rows.place(row),
                        rows.numbers(row),
                    );
                }
                continue;
            }
            for row in rows.strongest(all) {
                let _ = writeln!(text, "  {:<32} {}", rows.place(row), rows.numbers(row));
            }
        }
    }
    Ok(text)
}

/// The summary's columns.
struct Rows<'a> {
    component: Vec<&'a str>,
    layer: Vec<Option<i64>>,
    role: Vec<Option<&'a str>>,
    head: Vec<Option<i64>>,
    metric: Vec<&'a str>,
    direction: Vec<&'a str>,
    control: Vec<&'a str>,
    split: Vec<&'a str>,
    mean: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    high: Vec<Option<f64>>,
    normalised: Vec<Option<f64>>,
}

impl<'a> Rows<'a> {
    fn read(table: &'a Table) -> anyhow::Result<Self> {
        Ok(Self {
            component: table.text("component")?,
            layer: table.optional_integers("layer")?,
            role: table.optional_text("role")?,
            head: table.optional_integers("head")?,
            metric: table.text("metric")?,
            direction: table.text("direction")?,
            control: table.text("control")?,
            split: table.text("split")?,
            mean: table.optional_floats("mean")?,
            low: table.optional_floats("low")?,
            high: table.optional_floats("high")?,
            normalised: table.optional_floats("normalised")?,
        })
    }

    /// Those with the largest means, largest first.
    fn strongest(&self, mut rows: Vec<usize>) -> Vec<usize> {
        let size = |row: &usize| self.mean[*row].map_or(0.0, f64::abs);
        rows.retain(|row| size(row) > 0.0);
        rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
        rows.truncate(STRONGEST);
        rows
    }

    fn same_place(&self, row: usize, other: usize) -> bool {
        self.component[row] == self.component[other]
            && self.layer[row] == self.layer[other]
            && self.role[row] == self.role[other]
            && self.head[row] == self.head[other]
    }

    fn place(&self, row: usize) -> String {
        let mut place = self.component[row].to_owned();
        if let Some(layer) = self.layer[row] {
            let _ = write!(place, " {layer}");
        }
        if let Some(head) = self.head[row] {
            let _ = write!(place, ".{head}");
        }
        if let Some(role) = self.role[row] {
            let _ = write!(place, ", {role}");
        }
        place
    }

    fn numbers(&self, row: usize) -> String {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), terminal::number);
        let mut text = number(self.mean[row]);
        if let (Some(_), Some(_)) = (self.low[row], self.high[row]) {
            let _ = write!(text, " [{}, {}]", number(self.low[row]), number(self.high[row]));
        }
        if let Some(share) = self.normalised[row] {
            let _ = write!(text, ", {}", percent(share));
        }
        text
    }
}
