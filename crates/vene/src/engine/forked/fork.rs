//! A fork: one plan in one of its examples, from its first edited position on.

use std::ops::Range;

use crate::plan::{ResolvedPlan, ResolvedSource};

/// One plan in one of its examples.
pub(super) struct Fork {
    /// The plan's place in its chunk.
    pub(super) place: usize,
    /// The example's index.
    pub(super) example: usize,
    /// The base's run in the trunk.
    pub(super) base: usize,
    /// The first position that is edited: rows before it are the base's.
    pub(super) first: usize,
    /// Its rows, once it has left the trunk.
    pub(super) rows: Option<Range<usize>>,
    /// Whether nothing of it can change, so that it never leaves the trunk.
    pub(super) unchanged: bool,
}

impl Fork {
    /// The row of a position: its own, or the base's that it shares.
    pub(super) fn row(&self, base_path: &[usize], position: usize) -> usize {
        match &self.rows {
            Some(rows) if position >= self.first => rows.start + position - self.first,
            _ => base_path[position],
        }
    }
}

/// The first position that a plan edits in an example; the base's length if none.
pub(super) fn first_position(plan: &ResolvedPlan, example: usize) -> usize {
    let edited = plan.edits.iter().flat_map(|edit| &edit.units[example].positions).min();
    edited.copied().unwrap_or(plan.examples[example].base.len())
}

/// Whether all edits of a plan are sure to change nothing in an example. What one edit reads of
/// its own run may have been changed by another, so those count as changing.
pub(super) fn is_unchanged(plan: &ResolvedPlan, example: usize) -> bool {
    plan.edits.iter().all(|edit| {
        !matches!(edit.source, Some(ResolvedSource::Current(_)))
            && edit.is_shared_prefix(example, &plan.examples[example])
    })
}
