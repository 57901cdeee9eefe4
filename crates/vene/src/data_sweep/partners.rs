//! Which other rows a row draws from.

use super::DataSweepError;
use crate::data::PreparedRow;
use crate::random::Draws;

/// What the draw is for, so that draws for different ends are independent.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Resample = 1,
    Shuffle = 2,
}

/// For each of the rows in `range` so many others, none twice, out of those that fit it: the draw
/// depends on the seed and on the row alone.
pub(super) fn of(
    rows: &[PreparedRow],
    range: std::ops::Range<usize>,
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
