//! What a sweep found.

use vene_engine::RunError;
use vene_engine::plan::Receipt;
use vene_table::Table;

use super::{Cell, Control, Direction, Sweep, join, tokens};
use crate::sweep::SweepError;

/// What a sweep, or a batch of its rows, found.
#[derive(Clone, Debug)]
pub struct SweepOutcome {
    examples: Table,
    pair: Option<Box<PairOutcome>>,
}

/// What a sweep over a pair found, beside the examples' table.
#[derive(Clone, Debug)]
struct PairOutcome {
    sweep: Sweep,
    tokens: Table,
    /// For each direction.
    directions: Vec<DirectionOutcome>,
    noise: Option<Numbers>,
}

/// What one direction of a sweep over a pair found.
#[derive(Clone, Debug)]
pub(super) struct DirectionOutcome {
    pub(super) direction: Direction,
    pub(super) base: Numbers,
    pub(super) sources: Vec<Numbers>,
    pub(super) source: Option<Numbers>,
    /// The first map, then those of the controls.
    pub(super) maps: Vec<(Option<Control>, Vec<CellOutcome>)>,
}

/// What is read of a run: of each token after the last position, and of each metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// For each token its probability.
    pub probabilities: Vec<f64>,
    /// For each token its logit.
    pub logits: Vec<f64>,
    /// For each metric its value.
    pub metrics: Vec<f64>,
}

/// What one cell's edited run showed.
#[derive(Clone, Debug)]
pub struct CellOutcome {
    /// For each token its probability after the last position.
    pub probabilities: Vec<f64>,
    /// For each token its logit.
    pub logits: Vec<f64>,
    /// For each metric its value.
    pub metrics: Vec<f64>,
    /// Why nothing changed, where nothing did.
    pub unchanged: Option<&'static str>,
    /// What the edit did, in the first layer of a window and the first of several draws.
    pub receipt: Receipt,
}

impl Numbers {
    /// Probabilities, logits, metrics.
    pub(super) fn parts(&mut self) -> [&mut Vec<f64>; 3] {
        [&mut self.probabilities, &mut self.logits, &mut self.metrics]
    }

    /// Adds what another run showed, as one of so many.
    pub(super) fn add(&mut self, other: &mut Self, of: f64) {
        for (sums, values) in self.parts().into_iter().zip(other.parts()) {
            if values.is_empty() {
                continue;
            }
            sums.resize(values.len(), 0.0);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += *value / of;
            }
        }
    }

    /// The mean of some, the same bits in whatever order they stand.
    pub(super) fn mean(all: &[Self]) -> Option<Self> {
        let (first, rest) = all.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let count = all.len() as f64;
        let of = |values: fn(&Self) -> &[f64]| -> Vec<f64> {
            let mean = |index: usize| {
                let mut each: Vec<f64> = all.iter().map(|one| values(one)[index]).collect();
                each.sort_unstable_by(f64::total_cmp);
                each.iter().sum::<f64>() / count
            };
            (0..values(first).len()).map(mean).collect()
        };
        Some(Self {
            probabilities: of(|numbers| &numbers.probabilities),
            logits: of(|numbers| &numbers.logits),
            metrics: of(|numbers| &numbers.metrics),
        })
    }
}

impl SweepOutcome {
    /// Of rows.
    pub(super) fn of_rows(examples: Table) -> Self {
        Self { examples, pair: None }
    }

    /// Of a pair.
    pub(super) fn of_pair(
        sweep: &Sweep,
        examples: Table,
        directions: Vec<DirectionOutcome>,
        noise: Option<Numbers>,
    ) -> Result<Self, SweepError> {
        let tokens = tokens::table(sweep, &directions, noise.as_ref())?;
        if directions.iter().any(|direction| direction.maps.is_empty()) || directions.is_empty() {
            return Err(RunError::Stopped.into());
        }
        let pair = PairOutcome { sweep: sweep.clone(), tokens, directions, noise };
        Ok(Self { examples, pair: Some(Box::new(pair)) })
    }

    /// Of batches of rows, in their order.
    pub(super) fn joined(mut parts: Vec<Self>) -> Result<Self, SweepError> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let examples: Vec<Table> = parts.into_iter().map(Self::into_examples).collect();
        Ok(Self::of_rows(join(&examples)?.table()?))
    }

    /// The examples' table: a row for each example, direction, map, cell and metric, with the columns `example`, `group`,
    /// `component`, `layer`; `position` (the number of the token that was edited, in the edited prompt), `role` (the
    /// word that was asked for), `position_token`, `source_position` and `source_token` (what was read), missing where
    /// there is no such thing or not one alone; `head`, `metric`, `base_value` (before any edit), `source_value` (of
    /// the unedited run that is read; of several the mean), `value`, `effect` = value − base_value, `change` (the root mean
    /// square of the change at the site), `note`, `direction`, `control`, `intervention`, `window`, `effect_type`,
    /// `draws`.
    ///
    /// The note says `unchanged` where nothing was changed and why; of a pair also `unresolved` where the effect is not
    /// well above the noise of the computation, as the [`Summary`](super::Summary) does of rows.
    pub fn examples(&self) -> &Table {
        &self.examples
    }

    /// The examples' table alone.
    pub fn into_examples(self) -> Table {
        self.examples
    }

    /// Of a pair the table of the tokens' probabilities: a row for each cell and token, with the columns `component`,
    /// `layer`, `position`, `head`, `token`, `token_id`, `probability`, `logit`, `base_probability`,
    /// `source_probability` (the mean over the sources that are read) and `note`, as in
    /// [`SweepOutcome::examples`]; where one of them is not the usual one, also `direction`, `control`, `window` and
    /// `effect_type`. `None` over rows, and where no token's probability is read.
    pub fn tokens(&self) -> Option<&Table> {
        let pair = self.pair.as_ref()?;
        (!pair.sweep.targets.is_empty()).then_some(&pair.tokens)
    }

    /// Of a pair the numbers of the run before any edit, in the first direction; `None` over rows.
    pub fn base(&self) -> Option<&Numbers> {
        Some(&self.first()?.base)
    }

    /// Of a pair the numbers of the sources' unedited runs: the mean over those that the method reads, or over all where
    /// it reads none; `None` where there is no source.
    pub fn source(&self) -> Option<&Numbers> {
        self.first()?.source.as_ref()
    }

    /// Of a pair the numbers of each source's unedited run.
    pub fn sources(&self) -> &[Numbers] {
        self.first().map_or(&[], |first| &first.sources)
    }

    /// Of a pair the cells of the first direction with what they showed; none over rows.
    pub fn cells(&self) -> impl Iterator<Item = (&Cell, &CellOutcome)> {
        let map = self.first().and_then(|first| first.maps.first());
        let found = map.map_or(&[][..], |(_, cells)| cells);
        let cells = self.pair.as_ref().map_or(&[][..], |pair| &pair.sweep.cells);
        cells.iter().zip(found)
    }

    /// Of a pair all its interventions: direction, control, cell and what it showed.
    pub fn interventions(
        &self,
    ) -> impl Iterator<Item = (Direction, Option<Control>, &Cell, &CellOutcome)> {
        let pair = self.pair.iter();
        pair.flat_map(|pair| pair.directions.iter().map(move |of| (pair, of))).flat_map(
            |(pair, of)| {
                let maps = of.maps.iter();
                maps.flat_map(move |(control, found)| {
                    let cells = pair.sweep.cells.iter().zip(found);
                    cells.map(move |(cell, found)| (of.direction, *control, cell, found))
                })
            },
        )
    }

    /// The noise of the computation: for each token the root mean square of what effects on its
    /// probability differ in, where they are computed by the sweep's executor and, at
    /// [`Sweep::noise_places`], by its twin; `None` where nothing can change, and for executors without
    /// a twin. That of metrics is [`noise_floor`](super::noise_floor) of the examples' table.
    pub fn noise_floor(&self) -> Option<&[f64]> {
        let noise = self.pair.as_ref()?.noise.as_ref();
        noise.map(|noise| noise.probabilities.as_slice())
    }

    fn first(&self) -> Option<&DirectionOutcome> {
        self.pair.as_ref()?.directions.first()
    }
}

/// Effects below so many times the noise floor are marked.
const RESOLVED: f64 = 5.0;

/// What a number of a pair has to be taken with: an effect of nothing at all, or one that is not resolved: it is below
/// five times the noise floor, or below five times the spacing of 32-bit floats at the base's value, whichever is more.
pub(super) fn note(
    unchanged: Option<&'static str>,
    (value, base): (f64, f64),
    floor: f64,
) -> Option<&'static str> {
    let floor = floor.max(f64::from(f32::EPSILON) * base.abs());
    let is_resolved = (value - base).abs() >= RESOLVED * floor;
    unchanged.or((!is_resolved).then_some("unresolved"))
}
