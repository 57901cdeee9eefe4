//! The trunk: unedited runs, whose equal prefixes are the same rows.

use std::collections::HashMap;
use std::ops::Range;

use vene_model::Prompt;

/// Unedited runs as paths through a prefix tree of rows. The rows of the trunk are the first of
/// a pass: row `n` of the tree is row `n` of the pass.
#[derive(Default)]
pub(super) struct Trunk {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    runs: Vec<TrunkRun>,
    children: HashMap<(Option<u32>, u32), u32>,
    /// The run that ends in a row, where one does.
    ends: HashMap<u32, usize>,
}

/// A run: a row for each position, and which of them it was the first to need.
pub(super) struct TrunkRun {
    /// The row of each position.
    pub(super) path: Vec<u32>,
    /// The rows that no run before it has; they end the path.
    pub(super) own: Range<usize>,
}

impl Trunk {
    /// The run of a prompt, which is added if it is not there yet.
    pub(super) fn run(&mut self, prompt: &Prompt) -> usize {
        let start = self.tokens.len();
        let mut path: Vec<u32> = Vec::with_capacity(prompt.len());
        for (position, &token) in prompt.tokens().iter().enumerate() {
            let next = self.tokens.len() as u32;
            let row = *self.children.entry((path.last().copied(), token)).or_insert(next);
            if row == next {
                self.tokens.push(token);
                self.positions.push(position);
            }
            path.push(row);
        }
        // A prompt has at least one token.
        let end = path.last().copied().unwrap_or_default();
        *self.ends.entry(end).or_insert_with(|| {
            self.runs.push(TrunkRun { path, own: start..self.tokens.len() });
            self.runs.len() - 1
        })
    }

    /// The token of each row.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The position of each row.
    pub(super) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The runs, in the order in which they were added; their own rows together are all rows.
    pub(super) fn runs(&self) -> &[TrunkRun] {
        &self.runs
    }
}
