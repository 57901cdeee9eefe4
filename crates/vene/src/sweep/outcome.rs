//! What a sweep found, and its table.

use vene_table::Table;

use super::noise::{Noise, RESOLVED};
use super::{Cell, Sweep};
use crate::engine::PlanOutcome;
use crate::error::{RunError, SweepError};
use crate::plan::{Outcome, Receipt};

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct SweepOutcome {
    sweep: Sweep,
    base: Numbers,
    sources: Vec<Numbers>,
    source: Option<Numbers>,
    cells: Vec<CellOutcome>,
    noise: Option<Noise>,
}

/// What is read of a run: of each target after the last position, and of each metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// For each target its probability.
    pub probabilities: Vec<f64>,
    /// For each target its logit.
    pub logits: Vec<f64>,
    /// For each metric its value.
    pub metrics: Vec<f64>,
}

/// What one cell's edited run showed.
#[derive(Clone, Debug)]
pub struct CellOutcome {
    /// For each target its probability behind the last position.
    pub probabilities: Vec<f64>,
    /// For each target its logit.
    pub logits: Vec<f64>,
    /// For each metric its value.
    pub metrics: Vec<f64>,
    /// What the edit did.
    pub receipt: Receipt,
}

/// What one plan of a sweep showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) numbers: Numbers,
    receipt: Option<Receipt>,
}

impl Found {
    /// Reads the tokens, if there are any, and the receipt.
    pub(super) fn read(&mut self, outcome: PlanOutcome) {
        if let Some(reading) = outcome.examples.first().and_then(|showed| showed.readings.first()) {
            self.numbers.probabilities = reading.probabilities().unwrap_or_default();
            self.numbers.logits = reading.logits().to_vec();
        }
        self.receipt = outcome.receipts.into_iter().next();
    }
}

/// The mean of sources' numbers, the same bits in whatever order they stand.
fn mean(sources: &[Numbers]) -> Option<Numbers> {
    let count = sources.len() as f64;
    let of = |values: fn(&Numbers) -> &[f64]| -> Vec<f64> {
        let count_of = sources.first().map_or(0, |first| values(first).len());
        let mean = |index: usize| {
            let mut each: Vec<f64> = sources.iter().map(|source| values(source)[index]).collect();
            each.sort_unstable_by(f64::total_cmp);
            each.iter().sum::<f64>() / count
        };
        (0..count_of).map(mean).collect()
    };
    (!sources.is_empty()).then(|| Numbers {
        probabilities: of(|numbers| &numbers.probabilities),
        logits: of(|numbers| &numbers.logits),
        metrics: of(|numbers| &numbers.metrics),
    })
}

impl SweepOutcome {
    pub(super) fn new(
        sweep: Sweep,
        runs: Vec<Found>,
        cells: Vec<Found>,
        noise: Option<Noise>,
    ) -> Result<Self, SweepError> {
        let mut runs = runs.into_iter().map(|found| found.numbers);
        let base = runs.next().ok_or(RunError::Stopped)?;
        let sources: Vec<Numbers> = runs.collect();
        let source = match sweep.method.read(&sources) {
            [] => mean(&sources),
            read => mean(read),
        };
        let cell = |found: Found| {
            let Numbers { probabilities, logits, metrics } = found.numbers;
            Some(CellOutcome { probabilities, logits, metrics, receipt: found.receipt? })
        };
        let cells = cells.into_iter().map(cell).collect::<Option<_>>().ok_or(RunError::Stopped)?;
        Ok(Self { sources, source, base, sweep, cells, noise })
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// The base's own numbers.
    pub fn base(&self) -> &Numbers {
        &self.base
    }

    /// The sources' own numbers: the mean over those that the intervention reads, or over all where it
    /// reads none; `None` where there is no source.
    pub fn source(&self) -> Option<&Numbers> {
        self.source.as_ref()
    }

    /// All sources' own numbers.
    pub fn sources(&self) -> &[Numbers] {
        &self.sources
    }

    /// The cells with what they showed.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (&Cell, &CellOutcome)> {
        self.sweep.cells.iter().zip(&self.cells)
    }

    /// The noise of the computation: for each target the root mean square of what effects on its
    /// probability differ in, where they are computed by the sweep's executor and, at
    /// [`Sweep::noise_places`], by its twin; `None` where nothing can change, and for executors without
    /// a twin.
    pub fn noise_floor(&self) -> Option<&[f64]> {
        self.noise.as_ref().map(|noise| noise.probabilities.as_slice())
    }

    /// What a number of the table has to be taken with: an effect of nothing at all, or one that
    /// is not resolved: it is below five times the noise floor, or below five times the spacing of
    /// 32-bit floats at the base's value, whichever is more.
    fn note(&self, cell: &CellOutcome, value: f64, base: f64, floor: f64) -> Option<&'static str> {
        match cell.receipt.outcome {
            Outcome::SharedPrefix => return Some("unchanged: shared prefix"),
            Outcome::SameValues => return Some("unchanged: same values"),
            Outcome::NotEdited => return Some("unchanged: not edited"),
            Outcome::Changed(_) => {}
        }
        let floor = floor.max(f64::from(f32::EPSILON) * base.abs());
        let is_resolved = (value - base).abs() >= RESOLVED * floor;
        (!is_resolved).then_some("unresolved")
    }

    /// The tidy table: a row for each cell and target, with the columns `component`, `layer`,
    /// `position`, `head`, `token`, `token_id`, `probability`, `logit`, `base_probability`,
    /// `source_probability` (the mean over the sources that are read) and `note`. Layer, position, head and source probability are missing
    /// where there is no such thing; the note says `unchanged` where nothing was changed and why, and
    /// `unresolved` where the effect is not well above the noise of the computation.
    pub fn table(&self) -> Table {
        let targets = &self.sweep.targets;
        let rows = || {
            self.cells().flat_map(|(cell, outcome)| {
                targets
                    .iter()
                    .enumerate()
                    .map(move |(index, target)| (cell, outcome, index, target))
            })
        };
        let table = Table::builder()
            .column("component", rows().map(|(cell, ..)| cell.component.name()).collect::<Vec<_>>())
            .column("layer", rows().map(|(cell, ..)| cell.layer).collect::<Vec<_>>())
            .column("position", rows().map(|(cell, ..)| cell.position).collect::<Vec<_>>())
            .column("head", rows().map(|(cell, ..)| cell.head).collect::<Vec<_>>())
            .column("token", rows().map(|(.., target)| target.text.clone()).collect::<Vec<_>>())
            .column("token_id", rows().map(|(.., target)| i64::from(target.id)).collect::<Vec<_>>())
            .column(
                "probability",
                rows()
                    .map(|(_, outcome, index, _)| outcome.probabilities[index])
                    .collect::<Vec<_>>(),
            )
            .column(
                "logit",
                rows().map(|(_, outcome, index, _)| outcome.logits[index]).collect::<Vec<_>>(),
            )
            .column(
                "base_probability",
                rows().map(|(_, _, index, _)| self.base.probabilities[index]).collect::<Vec<_>>(),
            )
            .column(
                "source_probability",
                rows()
                    .map(|(_, _, index, _)| Some(self.source()?.probabilities[index]))
                    .collect::<Vec<Option<f64>>>(),
            )
            .column(
                "note",
                rows()
                    .map(|(_, outcome, index, _)| {
                        let (value, base) =
                            (outcome.probabilities[index], self.base.probabilities[index]);
                        let noise = self.noise.as_ref();
                        let floor = noise.map_or(0.0, |noise| noise.probabilities[index]);
                        self.note(outcome, value, base, floor)
                    })
                    .collect::<Vec<Option<&str>>>(),
            )
            .metadata("intervention", self.sweep.method.name())
            .build();
        built(table)
    }

    /// The metrics' table: a row for each cell and metric, with the columns of the examples' table of a sweep over a
    /// data set: `component`, `layer`, `position`, `head`, `metric`, `base_value` (before any edit), `source_value`
    /// (the mean over the sources that are read, unedited), `value`, `effect` = value − base_value; and `note` as in
    /// [`SweepOutcome::table`].
    pub fn metric_table(&self) -> Table {
        let metrics = self.sweep.metrics();
        let rows = || {
            let of_cell = |(cell, outcome)| (0..metrics.len()).map(move |m| (cell, outcome, m));
            self.cells().flat_map(of_cell)
        };
        let base = |metric: usize| self.base.metrics[metric];
        let note = |(_, outcome, metric): (&Cell, &CellOutcome, usize)| {
            let floor = self.noise.as_ref().map_or(0.0, |noise| noise.metrics[metric]);
            self.note(outcome, outcome.metrics[metric], base(metric), floor)
        };
        let float = |of: &dyn Fn(&CellOutcome, usize) -> f64| -> Vec<f64> {
            rows().map(|(_, outcome, metric)| of(outcome, metric)).collect()
        };
        let source = |metric: usize| self.source().map(|source| source.metrics[metric]);
        let name = |metric: usize| metrics[metric].name().to_owned();
        let table = Table::builder()
            .column("component", rows().map(|(cell, ..)| cell.component.name()).collect::<Vec<_>>())
            .column("layer", rows().map(|(cell, ..)| cell.layer).collect::<Vec<_>>())
            .column("position", rows().map(|(cell, ..)| cell.position).collect::<Vec<_>>())
            .column("head", rows().map(|(cell, ..)| cell.head).collect::<Vec<_>>())
            .column("metric", rows().map(|(.., metric)| name(metric)).collect::<Vec<_>>())
            .column("base_value", float(&|_, metric| base(metric)))
            .column("source_value", rows().map(|(.., metric)| source(metric)).collect::<Vec<_>>())
            .column("value", float(&|outcome, metric| outcome.metrics[metric]))
            .column("effect", float(&|outcome, metric| outcome.metrics[metric] - base(metric)))
            .column("note", rows().map(note).collect::<Vec<Option<&str>>>())
            .metadata("intervention", self.sweep.method.name())
            .build();
        built(table)
    }
}

/// A table every column of which is made from the same rows.
fn built(table: Result<Table, vene_table::TableError>) -> Table {
    table.unwrap_or_else(|error| unreachable!("{error}"))
}
