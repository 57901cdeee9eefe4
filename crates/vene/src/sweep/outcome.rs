//! What a sweep found, and its table.

use vene_table::Table;

use super::{Cell, Sweep, Target};
use crate::engine::{Distribution, PlanOutcome};
use crate::plan::Receipt;

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct SweepOutcome {
    pub(super) sweep: Sweep,
    pub(super) base: Distribution,
    pub(super) source: Option<Distribution>,
    pub(super) cells: Vec<CellOutcome>,
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

impl CellOutcome {
    pub(super) fn of(outcome: PlanOutcome, targets: &[Target]) -> Option<Self> {
        let distribution = outcome.examples.first()?.distributions.first()?;
        Some(Self {
            probabilities: targets
                .iter()
                .map(|target| distribution.probability(target.id))
                .collect(),
            logits: targets.iter().map(|target| distribution.logit(target.id)).collect(),
            receipt: outcome.receipts.into_iter().next()?,
        })
    }
}

impl SweepOutcome {
    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// The base's own next-token distribution.
    pub fn base(&self) -> &Distribution {
        &self.base
    }

    /// The first source's own next-token distribution.
    pub fn source(&self) -> Option<&Distribution> {
        self.source.as_ref()
    }

    /// The cells with what they showed.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (&Cell, &CellOutcome)> {
        self.sweep.cells.iter().zip(&self.cells)
    }

    /// The tidy table: a row for each cell and target, with the columns `component`, `layer`,
    /// `position`, `head`, `token`, `token_id`, `probability`, `logit`, `base_probability` and
    /// `source_probability`. Layer, position, head and source probability are missing where there
    /// is no such thing.
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
                rows().map(|(.., target)| self.base.probability(target.id)).collect::<Vec<_>>(),
            )
            .column(
                "source_probability",
                rows()
                    .map(|(.., target)| Some(self.source.as_ref()?.probability(target.id)))
                    .collect::<Vec<Option<f64>>>(),
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
