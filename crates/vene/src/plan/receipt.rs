//! Receipts: what an edit did.
//!
//! Users of hook-based tools have lost days to a hook that never fired. Here every edit of every
//! example leaves a receipt, and one that changed nothing says why.

use vene_model::Site;

/// What one edit did in one example.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The example's index.
    pub example: usize,
    /// The edit's index in its plan.
    pub edit: usize,
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
    /// The positions that it read, where it read another run.
    pub source_positions: Option<Vec<usize>>,
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

impl Change {
    /// Measures the change between the values before and after.
    pub(crate) fn between(before: &[f64], after: &[f64]) -> Self {
        let finite = || before.iter().zip(after).filter(|(b, a)| b.is_finite() && a.is_finite());
        let count = finite().count().max(1) as f64;
        let mean_square = |values: &mut dyn Iterator<Item = f64>| {
            (values.map(|value| value * value).sum::<f64>() / count).sqrt()
        };
        Self {
            written: before.len(),
            changed: before.iter().zip(after).filter(|(b, a)| b != a).count(),
            root_mean_square: mean_square(&mut finite().map(|(b, a)| a - b)),
            largest: finite().map(|(b, a)| (a - b).abs()).fold(0.0, f64::max),
            before: mean_square(&mut finite().map(|(b, _)| *b)),
        }
    }
}
