//! Whole sequences, packed: a [`Pass`] in which every run has all its rows.
//!
//! Runs of different lengths stand one after the other without padding, so that nothing has to be
//! masked between them but what is causal. Attention goes run by run, recurrent blocks step by step.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, DecoderConfig, Operations, Pass, Plain, Readout, Recurrence, Site,
    TimeStep, Visibility,
};

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
        step: TimeStep<'_>,
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

/// Which rows belong to which run.
pub(super) enum Rows<'a> {
    /// Every position of every run.
    Whole(&'a [Range<usize>]),
    /// Of each run the positions whose logits are wanted, behind those of the runs before it.
    Logits(Vec<&'a [usize]>),
    /// Of each run a stretch of positions, and which one comes first.
    Behind(&'a [Range<usize>], &'a [usize]),
}

impl Rows<'_> {
    /// The rows of these positions of a run, or `None` where one of them is not there.
    pub(super) fn of(&self, run: usize, positions: &[usize]) -> Option<Vec<usize>> {
        match self {
            Rows::Whole(runs) => {
                Some(positions.iter().map(|position| runs[run].start + position).collect())
            }
            Rows::Behind(runs, first) => {
                let (run, first) = (&runs[run], first[run]);
                let row = |&position: &usize| {
                    let row = run.start + position.checked_sub(first)?;
                    (row < run.end).then_some(row)
                };
                positions.iter().map(row).collect()
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
        Self { config, runs, positions, visitor }
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
        let Attention { operations, config, layer, ref queries, ref keys, ref values } = attention;
        let operations = operations.plain();
        let mut mixed = Vec::with_capacity(self.runs.len());
        for (run, rows) in self.runs.iter().enumerate() {
            let part = |tensor: &Tensor| operations.slice_rows(tensor, rows.start, rows.len());
            let steps = Steps { operations: &operations, config, layer, run };
            let positions = &self.positions[rows.clone()];
            let queries = (positions, &part(queries)?);
            let keys = (positions, &part(keys)?, &part(values)?);
            mixed.push(steps.attend(queries, keys, self.visitor)?);
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

/// A recurrent block, runs side by side, each from its first position on.
pub(super) fn recur<O: Operations<Tensor = Tensor>, V: Visitor>(
    recurrence: Recurrence<'_, O>,
    runs: &[Range<usize>],
    visitor: &mut V,
) -> Result<Tensor, RunError> {
    let operations = recurrence.operations;
    let mut seen: BTreeMap<Site, Vec<Tensor>> = BTreeMap::new();
    let output = recurrence.run::<RunError>(runs, &mut |site, step, tensor| {
        if visitor.wants(site) {
            visitor.step(site, step, tensor)?;
            seen.entry(site).or_default().push(tensor.clone());
        }
        Ok(())
    })?;
    let order = Recurrence::<O>::packed_order(runs);
    for (site, steps) in seen {
        let mut whole = operations.take_rows(&operations.stack(&steps)?, &order)?;
        visitor.rows(site, &Rows::Whole(runs), &mut whole)?;
    }
    Ok(output)
}

/// One run's attention in a layer, step by step, so that its patterns can be looked at and edited.
pub(super) struct Steps<'a> {
    pub(super) operations: &'a Plain,
    pub(super) config: &'a DecoderConfig,
    pub(super) layer: usize,
    pub(super) run: usize,
}

impl Steps<'_> {
    /// The mixed values of queries, at their positions, that see keys and values at theirs.
    pub(super) fn attend<V: Visitor>(
        &self,
        (positions, queries): (&[usize], &Tensor),
        (key_positions, keys, values): (&[usize], &Tensor, &Tensor),
        visitor: &mut V,
    ) -> Result<Tensor, RunError> {
        let Self { operations, config, layer, run } = *self;
        let site = |component| {
            Site::new(component, Some(layer), config).ok().filter(|site| visitor.wants(*site))
        };
        let (score_site, weight_site) =
            (site(Component::AttentionScore), site(Component::AttentionWeight));
        let options = &config.layers[layer];
        let visibility =
            Visibility { queries: positions, keys: key_positions, window: options.window };
        let scores = operations.scores(queries, keys, config, options)?;
        let mut scores = operations.hide(&scores, visibility, f64::NEG_INFINITY)?;
        if let Some(site) = score_site {
            visitor.pattern(site, run, positions, &mut scores)?;
            // Attention stays causal whatever was edited.
            scores = operations.hide(&scores, visibility, f64::NEG_INFINITY)?;
            refuse_blind_queries(&scores, layer, positions, run)?;
        }
        let mut weights = operations.softmax(&scores)?;
        if let Some(site) = weight_site {
            visitor.pattern(site, run, positions, &mut weights)?;
            weights = operations.hide(&weights, visibility, 0.0)?;
        }
        Ok(operations.weigh(&weights, values, config.head_dim)?)
    }
}

/// Refuses a query that sees no key any more: its softmax would be no number.
///
/// `positions` are those of the queries.
pub(super) fn refuse_blind_queries(
    scores: &Tensor,
    layer: usize,
    positions: &[usize],
    example: usize,
) -> Result<(), RunError> {
    let best = scores.max(candle_core::D::Minus1)?;
    let best: Vec<Vec<f64>> = best.to_dtype(candle_core::DType::F64)?.to_vec2()?;
    for (head, queries) in best.iter().enumerate() {
        if let Some(query) = queries.iter().position(|score| *score == f64::NEG_INFINITY) {
            let query = positions[query];
            return Err(RunError::NothingToAttend { layer, head, query, example });
        }
    }
    Ok(())
}
