//! Runs that go on, token by token: prefill, then decode.
//!
//! What a run has behind it is there as keys and values ([`ActivationCache`]), as they were edited: attention
//! is causal, so that a new token sees nothing else of it. Prompts of any lengths are computed in one pass, those that
//! begin alike share the rows of their beginning, and edits are forks, as in a sweep. A new token is one row of its
//! sequence; where it is edited a fork leaves that row, and the fork's keys and values are kept in its place.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::Tensor;
use vene_model::{Decoder, Operations};

use super::cache::ActivationCache;
use super::chunks::row_bytes;
use super::outcome::showed;
use super::pass::ForkedPass;
use super::sources::Sources;
use super::stage::Stage;
use super::tree::{ExampleRuns, Job, RunId, RunPosition, Tree};
use super::trunk::Trunk;
use crate::distribution::Distribution;
use crate::error::RunError;
use crate::plan::{Receipt, ResolvedPlan};

/// A run that can go on: where the keys and values of its positions are.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    example: usize,
    is_edited: bool,
    /// The cache's row of each position.
    rows: Vec<u32>,
}

impl Sequence {
    /// An example's base before anything of it was read; with the plan's edits, or as it is.
    pub(crate) fn new(example: usize, is_edited: bool) -> Self {
        Self { example, is_edited, rows: Vec::new() }
    }
}

/// What a step showed.
#[derive(Default)]
pub(crate) struct Showed {
    /// The next-token distribution of each sequence.
    pub(crate) distributions: Vec<Distribution>,
    /// What the plan collects of each, in its order.
    pub(crate) collected: Vec<Vec<Tensor>>,
    /// What edits did, with the sequence's place among those of the step.
    pub(crate) receipts: Vec<(usize, Receipt)>,
}

/// The runs of a plan's bases, with what they have behind them.
pub(crate) struct Decode<'a, O: Operations> {
    decoder: &'a Decoder<O>,
    plan: &'a ResolvedPlan,
    /// What edits read of other runs.
    sources: Sources,
    cache: ActivationCache<O>,
    /// How many new rows one pass has at most, unless a prompt is longer.
    most: usize,
}

impl<'a, O: Operations> Decode<'a, O> {
    /// Runs what the plan's edits read, once, in passes of about so many bytes, as all that follow are.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(crate) fn new(
        decoder: &'a Decoder<O>,
        plan: &'a ResolvedPlan,
        bytes: usize,
    ) -> Result<Self, RunError> {
        let examples: Vec<usize> = (0..plan.examples.len()).collect();
        let sources = Sources::of(decoder, plan, &examples, bytes)?;
        let most = bytes / row_bytes(decoder.config());
        Ok(Self { decoder, plan, sources, cache: Self::nothing(decoder), most })
    }

    fn nothing(decoder: &Decoder<O>) -> ActivationCache<O> {
        ActivationCache::new(vec![false; decoder.config().layers.len() + 1])
    }

    /// Forgets the keys and values of all sequences, which cannot go on.
    pub(crate) fn forget(&mut self) {
        self.cache = Self::nothing(self.decoder);
    }

    /// What edits of sources did.
    pub(crate) fn source_receipts(&self) -> &[Receipt] {
        &self.sources.receipts
    }

    /// Reads the prompts of new sequences: step 0.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(crate) fn read(&mut self, sequences: &mut [&mut Sequence]) -> Result<Showed, RunError> {
        let config = self.decoder.config();
        let length = |sequence: &&mut Sequence| self.plan.examples[sequence.example].base.len();
        let lengths: Vec<usize> = sequences.iter().map(length).collect();
        let stage = Stage::of_prompts(self.plan);
        let mut showed = Showed::default();
        for chunk in chunks(&lengths, self.most) {
            let mut trunk = Trunk::after(self.cache.rows());
            let run = |sequence: &&mut Sequence| {
                trunk.add(&self.plan.examples[sequence.example].base, config)
            };
            let runs = sequences[chunk.clone()].iter().map(run).collect();
            self.pass(&stage, &trunk, runs, sequences, chunk, &mut showed)?;
        }
        Ok(showed)
    }

    /// Takes one more token in each sequence, all of them their `step`-th.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(crate) fn step(
        &mut self,
        step: usize,
        sequences: &mut [&mut Sequence],
        tokens: &[u32],
    ) -> Result<Showed, RunError> {
        let config = self.decoder.config();
        let stage = Stage::of_new_tokens(self.plan, step);
        let mut showed = Showed::default();
        for chunk in chunks(&vec![1; tokens.len()], self.most) {
            let mut trunk = Trunk::after(self.cache.rows());
            let new = sequences[chunk.clone()].iter().zip(&tokens[chunk.clone()]);
            let runs = new.map(|(sequence, &token)| {
                let length = config.rotary_length(sequence.rows.len() + 1);
                trunk.push(&sequence.rows, token, length)
            });
            let runs = runs.collect();
            self.pass(&stage, &trunk, runs, sequences, chunk, &mut showed)?;
        }
        Ok(showed)
    }

    /// One pass over the new rows of some sequences, whose runs of the trunk these are.
    fn pass(
        &mut self,
        stage: &Stage,
        trunk: &Trunk,
        runs: Vec<usize>,
        sequences: &mut [&mut Sequence],
        chunk: Range<usize>,
        to: &mut Showed,
    ) -> Result<(), RunError> {
        let sequences = &mut sequences[chunk.clone()];
        let jobs: Vec<Job<'_>> = sequences
            .iter()
            .map(|sequence| {
                let Sequence { example, is_edited, .. } = **sequence;
                Job { plan: stage.plan(is_edited), example, is_edited }
            })
            .collect();
        let runs = sequences.iter().zip(runs).map(|(sequence, edited)| ExampleRuns {
            edited,
            ..self.sources.runs[sequence.example].clone()
        });
        let tree = Tree::after_sources(trunk, &jobs, runs.collect());
        let (rows, keep) = new_rows(&tree, self.cache.rows());
        let count = keep.len();
        let activations = &self.sources.activations;
        let pass = ForkedPass::keeping(self.decoder, &tree, &mut self.cache, activations, keep);
        let (mut found, logits) = pass.run()?;
        self.cache.grow(count);
        for (place, (sequence, rows)) in sequences.iter_mut().zip(rows).enumerate() {
            sequence.rows = rows;
            let (showed, receipts) =
                showed(self.decoder.operations(), &tree, place, &mut found, &logits)?;
            to.distributions.extend(showed.distributions);
            to.collected.push(showed.collected);
            to.receipts.extend(receipts.into_iter().map(|receipt| (chunk.start + place, receipt)));
        }
        Ok(())
    }
}

/// For each plan of a tree the rows of its run, after a pass whose new rows are kept behind the first `kept`: those that
/// were kept already, and those that are to be.
fn new_rows(tree: &Tree<'_>, kept: usize) -> (Vec<Vec<u32>>, Vec<RunPosition>) {
    let mut keep = Vec::new();
    let mut known: HashMap<RowKey, u32> = HashMap::new();
    let mut row_of = |run: RunId, position: usize| {
        let key = owner(tree, run, position);
        match key {
            RowKey::Trunk(row) if (row as usize) < kept => row,
            key => *known.entry(key).or_insert_with(|| {
                keep.push(RunPosition { run, position });
                (kept + keep.len() - 1) as u32
            }),
        }
    };
    let rows = tree.ends.iter().map(|end| {
        (0..tree.run_length(end.run)).map(|position| row_of(end.run, position)).collect()
    });
    (rows.collect(), keep)
}

/// What makes rows the same in the end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum RowKey {
    Trunk(u32),
    Fork(usize, usize),
}

/// Whose row a run's position has in the end.
fn owner(tree: &Tree<'_>, run: RunId, position: usize) -> RowKey {
    for run in tree.line(run) {
        match run {
            RunId::Trunk(run) => return RowKey::Trunk(tree.trunk.runs()[run].path[position]),
            RunId::Fork(fork) => {
                if tree.forks[fork].first_own().is_some_and(|first| position >= first) {
                    return RowKey::Fork(fork, position);
                }
            }
        }
    }
    unreachable!("a line ends in the trunk")
}

/// Sequences that are computed in one pass: as many as have so many new rows, and one at least.
fn chunks(lengths: &[usize], most: usize) -> Vec<Range<usize>> {
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut rows = 0;
    for (index, length) in lengths.iter().enumerate() {
        match chunks.last_mut() {
            Some(chunk) if rows + length <= most => chunk.end = index + 1,
            _ => {
                chunks.push(index..index + 1);
                rows = 0;
            }
        }
        rows += length;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_are_computed_alone() {
        assert_eq!(chunks(&[600, 400, 100, 2000, 1], 1024), [0..2, 2..3, 3..4, 4..5]);
        assert!(chunks(&[], 1024).is_empty());
    }
}
