//! Receipts: what an edit did.
//!
//! Users of hook-based tools have lost days to a hook that never fired. Here every edit of every
//! example leaves a receipt, and one that changed nothing says why.

use vene_model::Site;

use super::Run;

/// What one edit did in one example.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The example's index.
    pub example: usize,
    /// The edit's index in its plan.
    pub edit: usize,
    /// The run that it wrote to.
    pub run: Run,
    /// The intervention's name.
    pub intervention: &'static str,
    /// Where it wrote.
    pub site: Site,
    /// The base's positions that it wrote; of attention patterns, the queries.
    pub positions: Vec<usize>,
    /// The heads that it wrote, where not all.
    pub heads: Option<Vec<usize>>,
    /// The keys that it wrote, where the site is an attention pattern and not all were meant.
    pub keys: Option<Vec<usize>>,
    /// The runs that it read, where it read others, each with the positions that were read there.
    pub read: Vec<(Run, Vec<usize>)>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Values changed.
    Changed(Change),
    /// Nothing changed, since base and source are the same up to the read positions: attention
    /// is causal, so their runs are the same there.
    SharedPrefix,
    /// Nothing changed: the values written are those that were there.
    SameValues,
    /// Nothing changed: the plan names no position, or no head, of this example.
    NotEdited,
}

/// The size of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// How many values were written.
    pub written: usize,
    /// How many of them changed.
    pub changed: usize,
    /// Root mean square of (edited − before), over values that are finite on both sides.
    pub root_mean_square: f64,
    /// Largest |edited − before|, over the same.
    pub largest: f64,
    /// Root mean square of the values before, for comparison.
    pub before: f64,
}

/// A change on its way to being measured: what [`Change`] is made of, as sums that can be joined.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    written: usize,
    changed: usize,
    finite: usize,
    largest: f64,
    squares: f64,
    squares_before: f64,
    /// The first value after the edit that is NaN or infinite.
    not_finite: Option<f64>,
}

impl Tally {
    /// How many numbers a tally is.
    pub(crate) const NUMBERS: usize = 8;

    /// Counts values before and after. Where the edit may hide, a value of minus infinity is like any other.
    pub(crate) fn add<T: Copy + Into<f64>>(&mut self, before: &[T], after: &[T], hides: bool) {
        self.written += before.len();
        for (&before, &after) in before.iter().zip(after) {
            let (before, after): (f64, f64) = (before.into(), after.into());
            self.changed += usize::from(before != after);
            if !after.is_finite() {
                if !(hides && after == f64::NEG_INFINITY) {
                    self.not_finite.get_or_insert(after);
                }
            } else if before.is_finite() {
                let change = after - before;
                self.finite += 1;
                self.largest = self.largest.max(change.abs());
                self.squares += change * change;
                self.squares_before += before * before;
            }
        }
    }

    /// Counts what another counted.
    pub(crate) fn join(&mut self, other: &Self) {
        self.written += other.written;
        self.changed += other.changed;
        self.finite += other.finite;
        self.largest = self.largest.max(other.largest);
        self.squares += other.squares;
        self.squares_before += other.squares_before;
        self.not_finite = self.not_finite.or(other.not_finite);
    }

    /// The first value after the edit that is NaN or infinite, if one is.
    pub(crate) fn not_finite(&self) -> Option<f64> {
        self.not_finite
    }

    /// Itself in numbers, as a reduction over values gives it.
    pub(crate) fn numbers(&self) -> [f64; Self::NUMBERS] {
        let is_fine = if self.not_finite.is_none() { 1.0 } else { 0.0 };
        [
            self.written as f64,
            self.changed as f64,
            self.finite as f64,
            self.largest,
            self.squares,
            self.squares_before,
            is_fine,
            self.not_finite.unwrap_or_default(),
        ]
    }

    /// The tally of such numbers.
    pub(crate) fn of_numbers(numbers: &[f64; Self::NUMBERS]) -> Self {
        let &[written, changed, finite, largest, squares, squares_before, is_fine, value] = numbers;
        Self {
            written: written as usize,
            changed: changed as usize,
            finite: finite as usize,
            largest,
            squares,
            squares_before,
            not_finite: (is_fine == 0.0).then_some(value),
        }
    }

    /// What came of the edit whose values were counted.
    pub(crate) fn outcome(self) -> Outcome {
        let root_mean_square = |squares: f64| (squares / self.finite.max(1) as f64).sqrt();
        match self.changed {
            0 => Outcome::SameValues,
            changed => Outcome::Changed(Change {
                written: self.written,
                changed,
                root_mean_square: root_mean_square(self.squares),
                largest: self.largest,
                before: root_mean_square(self.squares_before),
            }),
        }
    }
}
