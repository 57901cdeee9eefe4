//! One pass over the new rows of sequences.

use std::ops::Range;

use vene_model::{
    Attention, Component, DecoderConfig, Operations, Pass, Path, Query, Readout, Site,
};

use super::Sequence;
use super::cache::Cache;
use super::edits::{Edits, Place};
use crate::error::RunError;

/// New rows, and what is to be done with them.
pub(super) struct NewRows<'a, O: Operations> {
    pub(super) cache: &'a mut Cache<O>,
    pub(super) runs: Vec<NewRun<'a>>,
    positions: Vec<usize>,
    /// The length of each row's text, as [`DecoderConfig::rotary_length`] has it.
    lengths: Vec<usize>,
    pub(super) edits: Edits<'a>,
}

/// The new rows of one sequence.
pub(super) struct NewRun<'a> {
    pub(super) place: Place,
    pub(super) is_edited: bool,
    /// The cache's row of each position, these included.
    pub(super) seen: &'a [u32],
    /// The packed rows, ascending by position.
    pub(super) rows: Range<usize>,
    queries: Vec<Query>,
    /// The positions whose logits are wanted, the last one among them.
    logits: Vec<usize>,
    /// Where they are among all rows of logits.
    logit_rows: Range<usize>,
}

impl NewRun<'_> {
    /// The position of the first new row.
    fn first(&self) -> usize {
        self.seen.len() - self.rows.len()
    }

    /// The positions of the new rows.
    pub(super) fn positions(&self) -> Vec<usize> {
        (self.first()..self.seen.len()).collect()
    }

    /// The keys that its queries meet.
    pub(super) fn path(&self) -> Path<'_> {
        Path { rows: self.seen, queries: &self.queries }
    }

    /// Where rows are at a site.
    fn rows_of(&self, site: Site, positions: &[usize]) -> Vec<usize> {
        if site.component() == Component::Logits {
            let row =
                |position| Some(self.logit_rows.start + self.logits.binary_search(position).ok()?);
            return positions.iter().filter_map(row).collect();
        }
        positions.iter().map(|position| self.rows.start + position - self.first()).collect()
    }
}

impl<'a, O: Operations> NewRows<'a, O> {
    /// The last `lengths` positions of sequences, whose rows of the cache they know already.
    pub(super) fn new(
        config: &DecoderConfig,
        cache: &'a mut Cache<O>,
        sequences: &[&'a Sequence],
        lengths: impl Iterator<Item = usize>,
        edits: Edits<'a>,
    ) -> Self {
        let (mut runs, mut positions, mut all_logits) = (Vec::new(), Vec::new(), 0);
        let mut text_lengths = Vec::new();
        for ((index, sequence), length) in sequences.iter().enumerate().zip(lengths) {
            let seen = sequence.rows.as_slice();
            let first = seen.len() - length;
            let rows = positions.len()..positions.len() + length;
            let query = |(row, position): (usize, usize)| Query {
                row: row as u32,
                position: position as u32,
            };
            let logits = match sequence.is_edited {
                true => edits.logit_positions(sequence.example),
                false => vec![seen.len() - 1],
            };
            runs.push(NewRun {
                place: Place { sequence: index, example: sequence.example },
                is_edited: sequence.is_edited,
                seen,
                rows: rows.clone(),
                queries: rows.zip(first..).map(query).collect(),
                logit_rows: all_logits..all_logits + logits.len(),
                logits,
            });
            all_logits += runs.last().map_or(0, |run: &NewRun<'_>| run.logits.len());
            positions.extend(first..seen.len());
            text_lengths.resize(positions.len(), config.rotary_length(seen.len()));
        }
        Self { cache, runs, positions, lengths: text_lengths, edits }
    }

    /// The row of each sequence's last position among the rows of logits.
    pub(super) fn last_logits(&self) -> Vec<usize> {
        // Ascending: the last position is the last of those that are wanted.
        self.runs.iter().map(|run| run.logit_rows.end - 1).collect()
    }
}

impl<O: Operations> Pass<O> for NewRows<'_, O> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        self.lengths.clone()
    }

    fn wants(&self, site: Site) -> bool {
        self.edits.wants(site)
    }

    fn visit(
        &mut self,
        operations: &O,
        site: Site,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        if !self.edits.wants(site) {
            return Ok(());
        }
        let Some(own) = live.first_mut() else { return Ok(()) };
        for run in self.runs.iter().filter(|run| run.is_edited) {
            let rows_of = |positions: &[usize]| run.rows_of(site, positions);
            self.edits.rows(operations, site, run.place, own, &rows_of)?;
        }
        Ok(())
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        _: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, RunError> {
        self.attend_all(attention)
    }

    fn readout(&mut self) -> Readout {
        let rows = |run: &NewRun<'_>| {
            let (start, first) = (run.rows.start, run.first());
            run.logits.iter().map(|position| start + position - first).collect::<Vec<_>>()
        };
        Readout { whole: self.runs.iter().flat_map(rows).collect(), chosen: Vec::new() }
    }
}
