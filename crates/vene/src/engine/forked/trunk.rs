//! The trunk: unedited runs, whose equal prefixes are the same rows.

use std::collections::HashMap;
use std::ops::Range;

use vene_model::Prompt;

/// Unedited runs as paths through a prefix tree of rows.
#[derive(Default)]
pub(super) struct Trunk {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    runs: Vec<Run>,
    children: HashMap<(Option<usize>, u32), usize>,
}

/// A run: a row for each position, and which of them it was the first to need.
pub(super) struct Run {
    /// The row of each position.
    pub(super) path: Vec<usize>,
    /// The rows that no run before it has; they end the path.
    pub(super) own: Range<usize>,
}

impl Trunk {
    /// Adds a prompt's run; its index is the number of runs so far.
    pub(super) fn add(&mut self, prompt: &Prompt) -> usize {
        let start = self.tokens.len();
        let mut path: Vec<usize> = Vec::with_capacity(prompt.len());
        for (position, &token) in prompt.tokens().iter().enumerate() {
            let next = self.tokens.len();
            let row = *self.children.entry((path.last().copied(), token)).or_insert(next);
            if row == next {
                self.tokens.push(token);
                self.positions.push(position);
            }
            path.push(row);
        }
        self.runs.push(Run { path, own: start..self.tokens.len() });
        self.runs.len() - 1
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
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}
