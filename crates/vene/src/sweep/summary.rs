//! From the examples' table to one row a cell: means with intervals, and what they are worth.
//!
//! A summary is made of the table alone, whoever wrote it: of one run, of a run that was taken up
//! again, or of several that were joined. The table is passed over twice, in chunks: once for its examples, once for
//! the sums of its cells ([`cells`](super::cells)).

use std::collections::HashMap;

use vene_statistics::{
    self, Bootstrap, ClusterSums, Correction, Estimate, Interval, Ratio, RatioSums,
};
use vene_table::{Column, Kind, Table, TableSource};

use super::cells::{CellSums, Cells, Key};
use super::examples::{Examples, Half};
use super::table::{self, SETTINGS};
use crate::sweep::SweepError;

/// How examples are summarised.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
    /// How p-values are adjusted for the number of cells of a map.
    pub correction: Correction,
    /// The data set's rows that are for discovery; all others are for evaluation, and each half has a
    /// summary of its own. One summary of all rows where there is no split.
    pub discovery: Option<Vec<usize>>,
}

/// Mean effects smaller than so many times the noise floor, or than the spacing of 32-bit floats of the
/// metric's size, are marked.
const RESOLVED: f64 = 5.0;

impl Summary {
    /// The summary's table: a row for each cell and metric of each map, direction and split.
    ///
    /// Memory: 36 bytes for each cell and cluster (group, or example without one), and 64 bytes for each example, however
    /// long the table is.
    ///
    /// # Errors
    /// Where the table is no examples' table, an example is twice in a cell, or the bootstrap's options are none.
    pub fn of(&self, examples: &impl TableSource) -> Result<Table, SweepError> {
        let read = Examples::read(examples)?;
        let halves = match &self.discovery {
            None => vec![read.half("all", |_| true)],
            Some(discovery) => {
                let found: std::collections::HashSet<i64> =
                    discovery.iter().map(|&row| row as i64).collect();
                vec![
                    read.half("discovery", |example| found.contains(&example)),
                    read.half("evaluation", |example| !found.contains(&example)),
                ]
            }
        };
        let cells = Cells::read(examples, &read, &halves)?;
        let mut lines = Vec::new();
        for (number, half) in halves.iter().enumerate() {
            lines.extend(self.lines(&cells, number, half)?);
        }
        Ok(self.table(&lines, &cells, examples)?)
    }

    /// The lines of one half of the examples.
    fn lines<'c>(
        &self,
        cells: &'c Cells,
        number: usize,
        half: &Half,
    ) -> Result<Vec<Line<'c>>, SweepError> {
        let here: Vec<&CellSums> = cells.sums.iter().map(|halves| &halves[number]).collect();
        let effects: Vec<&ClusterSums> = here.iter().map(|cell| &cell.effect).collect();
        let estimates = vene_statistics::estimates(&effects, &half.clusters, &self.bootstrap)?;
        let ratios: Vec<&RatioSums> = here.iter().map(|cell| &cell.ratio).collect();
        let ratios = vene_statistics::ratios(&ratios, &half.clusters, &self.bootstrap)?;
        let adjusted = self.adjusted(&cells.keys, &estimates);
        let each = cells.keys.iter().zip(here).zip(estimates).zip(ratios).zip(adjusted);
        let line = |((((key, sums), estimate), ratio), adjusted)| Line {
            split: half.name,
            key,
            sums,
            estimate,
            ratio,
            adjusted,
        };
        Ok(each.map(line).collect())
    }

    /// p-values adjusted for the number of cells of the same map and metric.
    fn adjusted(&self, keys: &[Key], estimates: &[Estimate]) -> Vec<Option<f64>> {
        let mut families: HashMap<_, Vec<usize>> = HashMap::new();
        for (cell, key) in keys.iter().enumerate() {
            families.entry((key.direction, key.control, key.metric)).or_default().push(cell);
        }
        let mut adjusted = vec![None; estimates.len()];
        for cells in families.values() {
            let p_values: Vec<_> = cells.iter().map(|&cell| estimates[cell].p_value).collect();
            for (&cell, value) in cells.iter().zip(self.correction.adjust(&p_values)) {
                adjusted[cell] = value;
            }
        }
        adjusted
    }

    fn table(
        &self,
        lines: &[Line<'_>],
        cells: &Cells,
        examples: &impl TableSource,
    ) -> Result<Table, vene_table::TableError> {
        let float = |of: &dyn Fn(&Line<'_>) -> Option<f64>| -> Vec<Option<f64>> {
            lines.iter().map(of).collect()
        };
        let low = |of: Option<Interval>| of.map(|interval| interval.low);
        let high = |of: Option<Interval>| of.map(|interval| interval.high);
        let noise = table::noise_floor(examples);
        let note = |line: &Line<'_>| {
            let floor = noise.get(&cells.metric_of(line.key)).copied().unwrap_or_default();
            let floor = floor.max(f64::from(f32::EPSILON) * line.sums.mean_of(line.sums.size));
            let mean = line.estimate.mean?;
            (mean.abs() < RESOLVED * floor).then_some("unresolved")
        };
        let names = &cells.names;
        let text = |values: &vene_table::Distinct, of: &dyn Fn(&Key) -> u32| {
            values.column(Kind::Text, lines.iter().map(|line| of(line.key)))
        };
        let mut summary = Table::builder();
        for (place, (name, values, kind)) in names.places.iter().enumerate() {
            let kind = if *kind == Kind::Text { *kind } else { kind.optional() };
            let of_lines = lines.iter().map(|line| line.key.place[place]);
            summary = summary.column(name, values.column(kind, of_lines));
        }
        let mut summary = summary
            .column("metric", text(&names.metrics, &|key| key.metric))
            .column("mean", float(&|line| line.estimate.mean))
            .column("low", float(&|line| low(line.estimate.interval)))
            .column("high", float(&|line| high(line.estimate.interval)))
            .column("n", lines.iter().map(|line| line.estimate.n as i64).collect::<Vec<_>>())
            .column(
                "clusters",
                lines.iter().map(|line| line.estimate.clusters as i64).collect::<Vec<_>>(),
            )
            .column("sign_agreement", float(&|line| line.estimate.sign_agreement))
            .column("p_value", float(&|line| line.estimate.p_value))
            .column("adjusted_p_value", float(&|line| line.adjusted))
            .column("normalised", float(&|line| line.ratio.value()))
            .column("normalised_low", float(&|line| low(line.ratio.interval())))
            .column("normalised_high", float(&|line| high(line.ratio.interval())))
            .column("denominator", float(&|line| line.ratio.denominator.mean))
            .column("denominator_low", float(&|line| low(line.ratio.denominator.interval)))
            .column("denominator_high", float(&|line| high(line.ratio.denominator.interval)))
            .column(
                "base",
                lines.iter().map(|line| line.sums.mean_of(line.sums.base)).collect::<Vec<f64>>(),
            )
            .column(
                "change",
                lines.iter().map(|line| line.sums.mean_of(line.sums.change)).collect::<Vec<f64>>(),
            )
            .column(
                "unchanged",
                lines.iter().map(|line| line.sums.unchanged as i64).collect::<Vec<_>>(),
            )
            .column("note", lines.iter().map(note).collect::<Vec<Option<&str>>>())
            .column("split", lines.iter().map(|line| line.split).collect::<Vec<_>>())
            .column("direction", text(&names.directions, &|key| key.direction))
            .column("control", text(&names.controls, &|key| key.control));
        if let Some(places) = examples.metadata().get(table::PLACES) {
            summary = summary.metadata(table::PLACES, places.clone());
        }
        for (name, value) in SETTINGS.iter().zip(&cells.settings) {
            // The first row's value holds for all of a run.
            let first = |kind| value.column(kind, vec![0; lines.len()]);
            let is_number = matches!(value.value(0), vene_table::Value::Integer(_));
            let column: Column = first(if is_number { Kind::Integer } else { Kind::Text });
            summary = summary.column(*name, column);
        }
        let Bootstrap { resamples, level, seed } = self.bootstrap;
        summary
            .metadata("bootstrap", format!("{resamples} resamples, level {level}, seed {seed}"))
            .metadata("correction", self.correction.name())
            .build()
    }
}

/// A line of the summary.
struct Line<'c> {
    split: &'static str,
    key: &'c Key,
    sums: &'c CellSums,
    estimate: Estimate,
    ratio: Ratio,
    adjusted: Option<f64>,
}
