//! What a sweep found, and its table.

use vene_table::Table;

use super::{Cell, Sweep, control};
use crate::engine::PlanOutcome;
use crate::error::{RunError, SweepError};
use crate::plan::{Outcome, Receipt};

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct SweepOutcome {
    sweep: Sweep,
    base: Numbers,
    sources: Vec<Numbers>,
    cells: Vec<CellOutcome>,
    noise: Option<Noise>,
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

/// The noise floor: for each target the root mean square of what the controls' probabilities differ
/// from the base's.
type Noise = Vec<f64>;

/// What one plan of a sweep showed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    numbers: Numbers,
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

impl SweepOutcome {
    pub(super) fn new(
        sweep: Sweep,
        runs: Vec<Found>,
        controls: Vec<Found>,
        cells: Vec<Found>,
    ) -> Result<Self, SweepError> {
        let mut runs = runs.into_iter().map(|found| found.numbers);
        let base = runs.next().ok_or(RunError::Stopped)?;
        let noise = (!controls.is_empty()).then(|| {
            let square = |control: &Found, target: usize| {
                (control.numbers.probabilities[target] - base.probabilities[target]).powi(2)
            };
            let mean = |target: usize| {
                let sum: f64 = controls.iter().map(|control| square(control, target)).sum();
                (sum / controls.len() as f64).sqrt()
            };
            (0..base.probabilities.len()).map(mean).collect()
        });
        let cell = |found: Found| {
            let Numbers { probabilities, logits } = found.numbers;
            Some(CellOutcome { probabilities, logits, receipt: found.receipt? })
        };
        let cells = cells.into_iter().map(cell).collect::<Option<_>>().ok_or(RunError::Stopped)?;
        Ok(Self { sources: runs.collect(), base, sweep, cells, noise })
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// The base's own numbers.
    pub fn base(&self) -> &Numbers {
        &self.base
    }

    /// The first source's own numbers.
    pub fn source(&self) -> Option<&Numbers> {
        self.sources.first()
    }

    /// All sources' own numbers.
    pub fn sources(&self) -> &[Numbers] {
        &self.sources
    }

    /// The cells with what they showed.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (&Cell, &CellOutcome)> {
        self.sweep.cells.iter().zip(&self.cells)
    }

    /// For each target the root mean square of what the controls' probabilities differ from the
    /// base's; `None` where the sweep has no place for a control.
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
        let is_resolved = (cell.probabilities[target] - base).abs() >= control::RESOLVED * floor;
        (!is_resolved).then_some("unresolved")
    }

    /// The tidy table: a row for each cell and target, with the columns `component`, `layer`,
    /// `position`, `head`, `token`, `token_id`, `probability`, `logit`, `base_probability`,
    /// `source_probability` and `note`. Layer, position, head and source probability are missing
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
