//! What a sweep found, and its table.

use vene_table::Table;

use super::{Cell, Sweep, noise};
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
    noise: Option<Vec<f64>>,
}

/// What is read behind the last position of a run: for each target its probability and its logit.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// For each target its probability.
    pub probabilities: Vec<f64>,
    /// For each target its logit.
    pub logits: Vec<f64>,
}

/// What one cell's edited run showed.
#[derive(Clone, Debug)]
pub struct CellOutcome {
    /// For each target its probability behind the last position.
    pub probabilities: Vec<f64>,
    /// For each target its logit.
    pub logits: Vec<f64>,
    /// What the edit did.
    pub receipt: Receipt,
}

/// What one plan of a sweep showed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) numbers: Numbers,
    receipt: Option<Receipt>,
}

impl Found {
    /// `None` where the outcome lacks what the sweep's plans ask for.
    pub(super) fn of(outcome: PlanOutcome) -> Option<Self> {
        let reading = outcome.examples.first()?.readings.first()?;
        let numbers =
            Numbers { probabilities: reading.probabilities()?, logits: reading.logits().to_vec() };
        Some(Self { numbers, receipt: outcome.receipts.into_iter().next() })
    }
}

/// The mean of sources' numbers, the same bits in whatever order they stand.
fn mean(sources: &[Numbers]) -> Option<Numbers> {
    let count = sources.len() as f64;
    let of = |values: fn(&Numbers) -> &[f64]| -> Vec<f64> {
        let targets = sources.first().map_or(0, |first| values(first).len());
        let mean = |target: usize| {
            let mut each: Vec<f64> = sources.iter().map(|source| values(source)[target]).collect();
            each.sort_unstable_by(f64::total_cmp);
            each.iter().sum::<f64>() / count
        };
        (0..targets).map(mean).collect()
    };
    (!sources.is_empty()).then(|| Numbers {
        probabilities: of(|numbers| &numbers.probabilities),
        logits: of(|numbers| &numbers.logits),
    })
}

impl SweepOutcome {
    pub(super) fn new(
        sweep: Sweep,
        runs: Vec<Found>,
        cells: Vec<Found>,
        noise: Option<Vec<f64>>,
    ) -> Result<Self, SweepError> {
        let mut runs = runs.into_iter().map(|found| found.numbers);
        let base = runs.next().ok_or(RunError::Stopped)?;
        let sources: Vec<Numbers> = runs.collect();
        let source = match sweep.method.read(&sources) {
            [] => mean(&sources),
            read => mean(read),
        };
        let cell = |found: Found| {
            let Numbers { probabilities, logits } = found.numbers;
            Some(CellOutcome { probabilities, logits, receipt: found.receipt? })
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
        self.noise.as_deref()
    }

    /// What a number of the table has to be taken with: an effect of nothing at all, or one that
    /// is not resolved: it is below five times the noise floor, or below five times the spacing of
    /// 32-bit floats at the base's probability, whichever is more.
    fn note(&self, cell: &CellOutcome, target: usize) -> Option<&'static str> {
        match cell.receipt.outcome {
            Outcome::SharedPrefix => return Some("unchanged: shared prefix"),
            Outcome::SameValues => return Some("unchanged: same values"),
            Outcome::NotEdited => return Some("unchanged: not edited"),
            Outcome::Changed(_) => {}
        }
        let base = self.base.probabilities[target];
        let floor = self.noise.as_ref().map_or(0.0, |noise| noise[target]);
        let floor = floor.max(f64::from(f32::EPSILON) * base);
        let is_resolved = (cell.probabilities[target] - base).abs() >= noise::RESOLVED * floor;
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
                    .map(|(_, outcome, index, _)| self.note(outcome, index))
                    .collect::<Vec<Option<&str>>>(),
            )
            .metadata("intervention", self.sweep.method.name())
            .build();
        match table {
            Ok(table) => table,
            // Every column is made from the same rows.
            Err(error) => unreachable!("{error}"),
        }
    }
}
