//! Whole sequences, packed: a [`Pass`] in which every run has all its rows.
//!
//! Runs of different lengths stand one after the other without padding, so that nothing has to be
//! masked between them but what is causal. Attention goes run by run, recurrent blocks step by step.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, DecoderConfig, Operations, Pass, Readout, Recurrence, Scoring, Site,
    TimeStep,
};

use super::attend::PatternAttention;
use crate::error::RunError;

/// Somebody who looks at sites while whole sequences pass by.
pub(super) trait Visitor {
    /// Whether the site would be looked at.
    fn wants(&self, site: Site) -> bool;

    /// All rows at a site.
    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError>;

    /// The rows of one time step, inside a recurrent block: the place to edit them. When all steps are
    /// done the site is shown whole, by [`Visitor::rows`].
    fn step(
        &mut self,
        site: Site,
        step: StepRuns<'_>,
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        let _ = (site, step, tensor);
        Ok(())
    }

    /// One run's attention pattern `[heads, queries, keys]` of all keys and of the queries at these
    /// positions.
    fn pattern(
        &mut self,
        site: Site,
        run: usize,
        queries: &[usize],
        tensor: &mut Tensor,
    ) -> Result<(), RunError>;

    /// The positions of a run whose logits are wanted, ascending.
    fn logit_positions(&self, run: usize) -> &[usize];
}

/// The rows of one time step.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRuns<'a> {
    pub(super) position: usize,
    /// The run of each row, by its index; ascending. Runs that have ended are not among them.
    pub(super) runs: &'a [usize],
}

/// Which rows belong to which run.
pub(super) enum Rows<'a> {
    /// Every position of every run.
    Whole(&'a [Range<usize>]),
    /// Of each run the positions whose logits are wanted, behind those of the runs before it.
    Logits(Vec<&'a [usize]>),
}

impl Rows<'_> {
    /// The rows of these positions of a run, or `None` where one of them is not there.
    pub(super) fn of(&self, run: usize, positions: &[usize]) -> Option<Vec<usize>> {
        match self {
            Rows::Whole(runs) => {
                Some(positions.iter().map(|position| runs[run].start + position).collect())
            }
            Rows::Logits(read) => {
                let start: usize = read[..run].iter().map(|positions| positions.len()).sum();
                let row = |position| read[run].iter().position(|read| read == position);
                positions.iter().map(|position| row(position).map(|row| start + row)).collect()
            }
        }
    }
}

/// Runs that ride through the decoder together, each with all its rows.
pub(super) struct Sequences<'a, V> {
    config: &'a DecoderConfig,
    runs: Vec<Range<usize>>,
    positions: Vec<usize>,
    /// How many queries of a run attend at once, where nobody looks at the pattern; all if `None`.
    block: Option<usize>,
    visitor: &'a mut V,
}

impl<'a, V: Visitor> Sequences<'a, V> {
    /// Runs of these lengths.
    pub(super) fn new(
        config: &'a DecoderConfig,
        lengths: impl Iterator<Item = usize>,
        visitor: &'a mut V,
    ) -> Self {
        let (mut runs, mut positions) = (Vec::new(), Vec::new());
        for length in lengths {
            runs.push(positions.len()..positions.len() + length);
            positions.extend(0..length);
        }
        Self { config, runs, positions, block: None, visitor }
    }

    /// With so many queries of a run at once in attention whose pattern nobody looks at.
    pub(super) fn in_blocks(self, queries: Option<usize>) -> Self {
        Self { block: queries, ..self }
    }

    fn read_positions(&self) -> Vec<&[usize]> {
        (0..self.runs.len()).map(|run| self.visitor.logit_positions(run)).collect()
    }
}

impl<O: Operations<Tensor = Tensor>, V: Visitor> Pass<O> for Sequences<'_, V> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        let of_run = |run: &Range<usize>| {
            std::iter::repeat_n(self.config.rotary_length(run.len()), run.len())
        };
        self.runs.iter().flat_map(of_run).collect()
    }

    fn wants(&self, site: Site) -> bool {
        self.visitor.wants(site)
    }

    fn visit(&mut self, _: &O, site: Site, live: &mut [&mut Tensor]) -> Result<(), RunError> {
        if !self.visitor.wants(site) {
            return Ok(());
        }
        let Some(own) = live.first_mut() else { return Ok(()) };
        if site.component() == Component::Logits {
            let read: Vec<Vec<usize>> =
                self.read_positions().into_iter().map(<[_]>::to_vec).collect();
            let rows = Rows::Logits(read.iter().map(Vec::as_slice).collect());
            self.visitor.rows(site, &rows, own)
        } else {
            self.visitor.rows(site, &Rows::Whole(&self.runs), own)
        }
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        _: &mut [&mut Tensor],
    ) -> Result<Tensor, RunError> {
        let Attention { operations, scoring, ref queries, ref keys, ref values } = attention;
        let Scoring { config, layer, .. } = scoring;
        let operations = operations.plain();
        let mut mixed = Vec::with_capacity(self.runs.len());
        let patterns = [Component::AttentionScore, Component::AttentionWeight];
        let is_seen = patterns.into_iter().any(|component| {
            Site::new(component, Some(layer), config).is_ok_and(|site| self.visitor.wants(site))
        });
        let block = self.block.filter(|_| !is_seen);
        for (run, rows) in self.runs.iter().enumerate() {
            let part = |tensor: &Tensor| operations.slice_rows(tensor, rows.start, rows.len());
            let (keys, values) = (&part(keys)?, &part(values)?);
            for start in rows.clone().step_by(block.unwrap_or(rows.len())) {
                let asked = start..rows.end.min(start + block.unwrap_or(rows.len()));
                let attention = PatternAttention {
                    plain: &operations,
                    scoring,
                    example: run,
                    queries: &operations.slice_rows(queries, start, asked.len())?,
                    positions: &self.positions[asked],
                    keys,
                    values,
                };
                mixed.push(visited_attention(&attention, self.visitor)?);
            }
        }
        Ok(operations.stack_rows(&mixed)?)
    }

    fn recur(&mut self, recurrence: Recurrence<'_, O>) -> Result<Tensor, RunError> {
        recur(recurrence, &self.runs, self.visitor)
    }

    fn readout(&mut self) -> Readout {
        let whole = self
            .runs
            .iter()
            .zip(self.read_positions())
            .flat_map(|(rows, read)| read.iter().map(move |position| rows.start + position))
            .collect();
        Readout { whole, chosen: Vec::new() }
    }
}

/// Attention at whose patterns a visitor looks where it wants to.
pub(super) fn visited_attention<V: Visitor>(
    attention: &PatternAttention<'_>,
    visitor: &mut V,
) -> Result<Tensor, RunError> {
    let PatternAttention { scoring, example, positions, .. } = *attention;
    let Scoring { config, layer, .. } = scoring;
    attention.attend(&mut |component, pattern| {
        let site = Site::new(component, Some(layer), config).ok();
        let Some(site) = site.filter(|site| visitor.wants(*site)) else { return Ok(false) };
        visitor.pattern(site, example, positions, pattern)?;
        Ok(true)
    })
}

/// A recurrent block, runs side by side, each from its first position on.
pub(super) fn recur<O: Operations<Tensor = Tensor>, V: Visitor>(
    recurrence: Recurrence<'_, O>,
    runs: &[Range<usize>],
    visitor: &mut V,
) -> Result<Tensor, RunError> {
    let operations = recurrence.operations;
    let steps = TimeStep::of_runs(runs);
    let goes_on = |position: usize| {
        runs.iter().enumerate().filter(move |(_, run)| run.len() > position).map(|(run, _)| run)
    };
    let mut seen: BTreeMap<Site, Vec<Tensor>> = BTreeMap::new();
    let output = recurrence.run::<RunError>(&steps, None, &mut |site, index, tensor| {
        if visitor.wants(site) {
            let position = steps[index].position;
            let runs: Vec<usize> = goes_on(position).collect();
            visitor.step(site, StepRuns { position, runs: &runs }, tensor)?;
            seen.entry(site).or_default().push(tensor.clone());
        }
        Ok(())
    })?;
    let order = TimeStep::packed_order(&steps, runs.last().map_or(0, |run| run.end));
    for (site, steps) in seen {
        let mut whole = operations.take_rows(&operations.stack(&steps)?, &order)?;
        visitor.rows(site, &Rows::Whole(runs), &mut whole)?;
    }
    Ok(output)
}
