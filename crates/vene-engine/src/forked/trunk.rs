//! The trunk: unedited runs, whose equal prefixes are the same rows.

use std::collections::HashMap;
use std::ops::Range;

use vene_model::{DecoderConfig, Prompt};

/// Unedited runs as paths through a prefix tree of rows. The rows of the trunk are the first of
/// a pass: row `n` of the tree is row `n` of the pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunk {
    tokens: Vec<u32>,
    positions: Vec<usize>,
    /// The length of each row's text, as [`DecoderConfig::rotary_length`] has it.
    lengths: Vec<usize>,
    runs: Vec<TrunkRun>,
    children: HashMap<(Before, u32), u32>,
    /// The run that ends in a row, where one does.
    ends: HashMap<u32, usize>,
}

/// What a token comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Before {
    /// Nothing: it begins a text, of this length as far as rotary encodings depend on it. Texts that are
    /// turned at other frequencies have no row in common.
    Start(usize),
    /// The token of this row.
    Row(u32),
}

/// A run: a row for each position, and which of them it was the first to need.
#[derive(Clone, Debug)]
pub(crate) struct TrunkRun {
    /// The row of each position.
    pub(crate) path: Vec<u32>,
    /// The rows that no run before it has; they end the path.
    pub(crate) own: Range<usize>,
}

impl Trunk {
    /// The run of a prompt, which is added if it is not there yet.
    pub(crate) fn add(&mut self, prompt: &Prompt, config: &DecoderConfig) -> usize {
        let (tokens, length) = (prompt.tokens(), config.rotary_length(prompt.len()));
        let start = self.tokens.len();
        let mut path: Vec<u32> = Vec::with_capacity(tokens.len());
        for (position, &token) in tokens.iter().enumerate() {
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

    /// A trunk whose first rows are kept from earlier passes: what they are the rows of is known to those who made them.
    pub(crate) fn after(kept: usize) -> Self {
        let (tokens, positions, lengths) = (vec![0; kept], vec![0; kept], vec![0; kept]);
        Self { tokens, positions, lengths, ..Self::default() }
    }

    /// The run of a text of which one token is new, after the rows of those before it.
    pub(crate) fn push(&mut self, before: &[u32], token: u32, length: usize) -> usize {
        let row = self.tokens.len();
        self.tokens.push(token);
        self.positions.push(before.len());
        self.lengths.push(length);
        let path = before.iter().copied().chain([row as u32]).collect();
        self.runs.push(TrunkRun { path, own: row..row + 1 });
        self.runs.len() - 1
    }

    /// The run of a prompt, if it is there.
    pub(crate) fn find(&self, prompt: &Prompt, config: &DecoderConfig) -> Option<usize> {
        let mut before = Before::Start(config.rotary_length(prompt.len()));
        let mut last = None;
        for &token in prompt.tokens() {
            let row = *self.children.get(&(before, token))?;
            (before, last) = (Before::Row(row), Some(row));
        }
        self.ends.get(&last?).copied()
    }

    /// The token of each row.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The position of each row.
    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The length of each row's text, as far as rotary encodings depend on it.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The runs, in the order in which they were added; their own rows together are all rows.
    pub(crate) fn runs(&self) -> &[TrunkRun] {
        &self.runs
    }
}
