//! The trunk: unedited runs, whose equal prefixes are the same rows.

use std::collections::HashMap;
use std::ops::Range;

/// Unedited runs as paths through a prefix tree of rows. The rows of the trunk are the first of
/// a pass: row `n` of the tree is row `n` of the pass.
#[derive(Default)]
pub(in crate::engine) struct Trunk {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    /// The length of each row's text, as [`DecoderConfig::rotary_length`](vene_model::DecoderConfig) has it.
    lengths: Vec<usize>,
    runs: Vec<TrunkRun>,
    children: HashMap<(Before, u32), u32>,
    /// The run that ends in a row, where one does.
    ends: HashMap<u32, usize>,
}

/// What a token comes after.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Before {
    /// Nothing: it begins a text, of this length as far as rotary encodings depend on it. Texts that are
    /// turned at other frequencies have no row in common.
    Start(usize),
    /// The token of this row.
    Row(u32),
}

/// A run: a row for each position, and which of them it was the first to need.
pub(in crate::engine) struct TrunkRun {
    /// The row of each position.
    pub(in crate::engine) path: Vec<u32>,
    /// The rows that no run before it has; they end the path.
    pub(in crate::engine) own: Range<usize>,
}

impl Trunk {
    /// The run of a prompt's tokens, which is added if it is not there yet. `length` is that of the text they
    /// begin, as [`DecoderConfig::rotary_length`](vene_model::DecoderConfig) has it.
    pub(in crate::engine) fn run(&mut self, prompt: &[u32], length: usize) -> usize {
        let start = self.tokens.len();
        let mut path: Vec<u32> = Vec::with_capacity(prompt.len());
        for (position, &token) in prompt.iter().enumerate() {
            let next = self.tokens.len() as u32;
            let before = path.last().map_or(Before::Start(length), |&row| Before::Row(row));
            let row = *self.children.entry((before, token)).or_insert(next);
            if row == next {
                self.tokens.push(token);
                self.positions.push(position);
                self.lengths.push(length);
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
    pub(in crate::engine) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The position of each row.
    pub(in crate::engine) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The length of each row's text, as far as rotary encodings depend on it.
    pub(in crate::engine) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The runs, in the order in which they were added; their own rows together are all rows.
    pub(in crate::engine) fn runs(&self) -> &[TrunkRun] {
        &self.runs
    }
}
