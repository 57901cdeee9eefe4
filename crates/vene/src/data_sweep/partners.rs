//! Which other rows a row draws from.

use std::ops::Range;

use vene_model::{Component, Prompt};

use super::{Control, DataSweep, DataSweepError, Direction, Treatment};
use crate::data::PreparedRow;
use crate::random::Draws;
use crate::sweep::SweepUnit;

/// What the draw is for, so that draws for different ends are independent.
#[derive(Clone, Copy)]
enum Purpose {
    Resample = 1,
    Shuffle = 2,
}

/// For each of the rows in `range` so many others, none twice, out of those that fit it: the draw
/// depends on the seed and on the row alone.
fn of(
    rows: &[PreparedRow],
    range: Range<usize>,
    (purpose, count, seed): (Purpose, usize, u64),
    fits: impl Fn(&PreparedRow, &PreparedRow) -> bool,
) -> Result<Vec<Vec<usize>>, DataSweepError> {
    let of_row = |index: usize| {
        let row = &rows[index];
        let mut others: Vec<usize> = (0..rows.len())
            .filter(|&other| rows[other].index != row.index && fits(row, &rows[other]))
            .collect();
        if others.len() < count {
            let (row, found) = (row.index, others.len());
            return Err(DataSweepError::TooFewPartners { row, draws: count, found });
        }
        let mut draws = Draws::new([seed, purpose as u64, row.index as u64]);
        // The beginning of a shuffle (Fisher and Yates).
        for place in 0..count {
            let chosen = place + draws.below(others.len() - place);
            others.swap(place, chosen);
        }
        others.truncate(count);
        Ok(others)
    };
    range.map(of_row).collect()
}

/// What is drawn for each row of a batch, and whose other prompt stands in for its own.
#[allow(clippy::type_complexity)]
pub(super) fn draws(
    sweep: &DataSweep,
    range: Range<usize>,
    direction: Direction,
) -> Result<(Vec<Vec<usize>>, Vec<usize>), DataSweepError> {
    let rows = &sweep.rows;
    let whole = needs_equal_lengths(sweep.unit, sweep.cells.iter().map(|cell| cell.component));
    let drawn = match sweep.treatment {
        Treatment::Resample { draws } => {
            let purpose = (Purpose::Resample, draws, sweep.seed);
            of(rows, range.clone(), purpose, |row, other| {
                row.base.tokens() != other.base.tokens()
                    && same_lengths(&row.base_positions, &other.base_positions)
                    && (!whole || row.base.len() == other.base.len())
            })?
        }
        _ => Vec::new(),
    };
    if !sweep.controls.contains(&Control::ShuffledSource) {
        return Ok((drawn, Vec::new()));
    }
    let (edited, read): (OfRow, OfRow) = match direction {
        Direction::Noising => (base, source),
        Direction::Denoising => (source, base),
    };
    let purpose = (Purpose::Shuffle, 1, sweep.seed);
    let shuffled = of(rows, range, purpose, |row, other| {
        let ((own, own_spans), (prompt, spans)) = (read(row), read(other));
        let (Some(own), Some(prompt), (Some(edited), _)) = (own, prompt, edited(row)) else {
            return false;
        };
        // Nor is the edited prompt itself any other's: it would change nothing.
        own.tokens() != prompt.tokens()
            && edited.tokens() != prompt.tokens()
            && same_lengths(own_spans, spans)
            && (!whole || own.len() == prompt.len())
    })?;
    Ok((drawn, shuffled.into_iter().map(|others| others[0]).collect()))
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
