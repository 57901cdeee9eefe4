//! Which other rows a row draws from.

use std::ops::Range;

use vene_data::{PreparedRow, Reason};
use vene_model::{Component, Prompt};
use vene_random::Draws;

use super::{Control, Direction, Method, Sweep, SweepUnit};
use crate::sweep::SweepError;

/// What the draw is for, so that draws for different ends are independent.
#[derive(Clone, Copy)]
enum Purpose {
    Resample = 1,
    Shuffle = 2,
}

/// What is drawn from: how many others each row needs, and which fit it.
struct Drawing<'a> {
    rows: &'a [PreparedRow],
    purpose: Purpose,
    count: usize,
    seed: u64,
    #[allow(clippy::type_complexity)]
    fits: Box<dyn Fn(&PreparedRow, &PreparedRow) -> bool + 'a>,
}

impl Drawing<'_> {
    /// The rows that a row may draw from.
    fn others(&self, index: usize) -> Vec<usize> {
        let row = &self.rows[index];
        (0..self.rows.len())
            .filter(|&other| {
                self.rows[other].index != row.index && (self.fits)(row, &self.rows[other])
            })
            .collect()
    }

    /// For each of the rows in `range` so many others, none twice: the draw depends on the seed and on
    /// the row alone.
    fn of(&self, range: Range<usize>) -> Result<Vec<Vec<usize>>, SweepError> {
        let of_row = |index: usize| {
            let row = &self.rows[index];
            let mut others = self.others(index);
            if others.len() < self.count {
                let (row, found) = (row.name(), others.len());
                return Err(SweepError::TooFewPartners { row, draws: self.count, found });
            }
            let mut draws = Draws::new([self.seed, self.purpose as u64, row.index as u64]);
            // The beginning of a shuffle (Fisher and Yates).
            for place in 0..self.count {
                let chosen = place + draws.below(others.len() - place);
                others.swap(place, chosen);
            }
            others.truncate(self.count);
            Ok(others)
        };
        range.map(of_row).collect()
    }

    /// Why rows cannot draw, by index.
    fn lacking(&self) -> Vec<(usize, Reason)> {
        let lack = |index: usize| {
            let found = self.others(index).len();
            let reason = Reason::FewPartners { needed: self.count, found };
            (found < self.count).then_some((index, reason))
        };
        (0..self.rows.len()).filter_map(lack).collect()
    }
}

/// Rows that have too few others to draw from, by index.
pub(super) fn lacking(sweep: &Sweep) -> Vec<(usize, Reason)> {
    let each = sweep.directions.iter().flat_map(|&direction| {
        let drawings = [resampled(sweep), shuffled(sweep, direction)];
        drawings.into_iter().flatten().flat_map(|drawing| drawing.lacking())
    });
    each.collect()
}

fn resampled(sweep: &Sweep) -> Option<Drawing<'_>> {
    let Method::Resample { draws } = sweep.method else { return None };
    let whole = needs_equal_lengths(sweep.unit, sweep.cells.iter().map(|cell| cell.component));
    Some(Drawing {
        rows: &sweep.rows,
        purpose: Purpose::Resample,
        count: draws,
        seed: sweep.seed,
        fits: Box::new(move |row, other| {
            row.base.tokens() != other.base.tokens()
                && same_lengths(&row.base_positions, &other.base_positions)
                && (!whole || row.base.len() == other.base.len())
        }),
    })
}

fn shuffled(sweep: &Sweep, direction: Direction) -> Option<Drawing<'_>> {
    if !sweep.controls.contains(&Control::ShuffledSource) {
        return None;
    }
    let whole = needs_equal_lengths(sweep.unit, sweep.cells.iter().map(|cell| cell.component));
    let (edited, read): (OfRow, OfRow) = match direction {
        Direction::Noising => (base, source),
        Direction::Denoising => (source, base),
    };
    Some(Drawing {
        rows: &sweep.rows,
        purpose: Purpose::Shuffle,
        count: 1,
        seed: sweep.seed,
        fits: Box::new(move |row, other| {
            let ((own, own_spans), (prompt, spans)) = (read(row), read(other));
            let (Some(own), Some(prompt), (Some(edited), _)) = (own, prompt, edited(row)) else {
                return false;
            };
            // Nor is the edited prompt itself any other's: it would change nothing.
            own.tokens() != prompt.tokens()
                && edited.tokens() != prompt.tokens()
                && same_lengths(own_spans, spans)
                && (!whole || own.len() == prompt.len())
        }),
    })
}

/// What is drawn for each row of a batch, and whose other prompt replaces its own.
#[allow(clippy::type_complexity)]
pub(super) fn draws(
    sweep: &Sweep,
    range: Range<usize>,
    direction: Direction,
) -> Result<(Vec<Vec<usize>>, Vec<usize>), SweepError> {
    let drawn = resampled(sweep).map(|drawing| drawing.of(range.clone())).transpose()?;
    let others = shuffled(sweep, direction).map(|drawing| drawing.of(range)).transpose()?;
    let first = |others: Vec<usize>| others[0];
    Ok((drawn.unwrap_or_default(), others.unwrap_or_default().into_iter().map(first).collect()))
}

/// A prompt of a row, where it has one, and where its roles are in it.
type OfRow = fn(&PreparedRow) -> (Option<&Prompt>, &[Vec<usize>]);

fn base(row: &PreparedRow) -> (Option<&Prompt>, &[Vec<usize>]) {
    (Some(&row.base), &row.base_positions)
}

fn source(row: &PreparedRow) -> (Option<&Prompt>, &[Vec<usize>]) {
    (row.source.as_ref(), &row.source_positions)
}

/// Whether roles have as many tokens here as there.
fn same_lengths(positions: &[Vec<usize>], others: &[Vec<usize>]) -> bool {
    positions.iter().map(Vec::len).eq(others.iter().map(Vec::len))
}

/// Whether prompts must be equally long for one to be read into the other: where all positions are
/// edited at once, and where attention patterns are, which have a key for each position.
pub(super) fn needs_equal_lengths(
    unit: SweepUnit,
    mut components: impl Iterator<Item = Component>,
) -> bool {
    unit == SweepUnit::Head || components.any(Component::is_pattern)
}
