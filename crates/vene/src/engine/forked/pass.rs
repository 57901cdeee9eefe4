//! One pass in which base, sources and forks ride together.

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;
use vene_model::{Attention, Component, DecoderConfig, Operations, Pass, Plain, Site, Visibility};

use super::fork::{Fork, first_position, is_unchanged};
use super::trunk::Trunk;
use crate::engine::apply::{self, Application};
use crate::engine::sequences::refuse_blind_queries;
use crate::engine::trace::Trace;
use crate::error::RunError;
use crate::plan::{Outcome, Receipt, ResolvedPlan, ResolvedSource};

/// The rows of a pass, and what is to be done with them.
pub(super) struct ForkedPass<'a> {
    config: &'a DecoderConfig,
    plans: &'a [&'a ResolvedPlan],
    /// Sources that are read where no row of theirs is at hand.
    trace: &'a Trace,
    /// For each example the indices of its sources' runs in the trunk.
    sources: Vec<Vec<usize>>,
    /// For each example the index of its first source in the trace.
    first_traced: Vec<usize>,
    trunk: Trunk,
    forks: Vec<Fork>,
    positions: Vec<usize>,
    wanted: BTreeSet<Site>,
    found: Found,
}

/// What a pass found, by fork.
#[derive(Default)]
pub(super) struct Found {
    examples: usize,
    receipts: Vec<Vec<Receipt>>,
    /// What edits read of their own run, by fork and edit.
    current: HashMap<(usize, usize), Tensor>,
    /// What is kept, by fork and collect.
    collected: HashMap<(usize, usize), Tensor>,
    /// For each fork the positions whose logits it needs, and the first of their rows.
    logits: Vec<(Vec<usize>, usize)>,
    /// For each fork the positions that its plan reads.
    read: Vec<Vec<usize>>,
}

impl Found {
    fn fork(&self, place: usize, example: usize) -> usize {
        place * self.examples + example
    }

    /// The rows of the logits that a plan reads in an example.
    pub(super) fn read_rows(&self, place: usize, example: usize) -> Vec<usize> {
        let fork = self.fork(place, example);
        let (needed, start) = &self.logits[fork];
        let row = |read: &usize| needed.iter().position(|position| position == read);
        self.read[fork].iter().filter_map(row).map(|row| start + row).collect()
    }

    /// What a plan collects in an example.
    pub(super) fn collected(
        &mut self,
        place: usize,
        example: usize,
    ) -> Result<Vec<Tensor>, RunError> {
        let fork = self.fork(place, example);
        let mut kept: Vec<_> = self.collected.extract_if(|(of, _), _| *of == fork).collect();
        kept.sort_by_key(|((_, collect), _)| *collect);
        Ok(kept.into_iter().map(|(_, tensor)| tensor).collect())
    }

    /// A plan's receipts, by example and edit.
    pub(super) fn receipts(&mut self, place: usize) -> Vec<Receipt> {
        let forks = place * self.examples..(place + 1) * self.examples;
        let mut receipts: Vec<Receipt> =
            self.receipts[forks].iter_mut().flat_map(std::mem::take).collect();
        receipts.sort_by_key(|receipt| (receipt.example, receipt.edit));
        receipts
    }
}

impl<'a> ForkedPass<'a> {
    /// A pass of plans that all have the same examples.
    pub(super) fn new(
        config: &'a DecoderConfig,
        plans: &'a [&'a ResolvedPlan],
        trace: &'a Trace,
    ) -> Self {
        let mut trunk = Trunk::default();
        let examples = plans.first().map_or(&[][..], |plan| &plan.examples);
        let bases: Vec<usize> = examples.iter().map(|example| trunk.add(&example.base)).collect();
        let (mut sources, mut first_traced, mut traced) = (Vec::new(), Vec::new(), 0);
        for example in examples {
            sources.push(example.sources.iter().map(|source| trunk.add(source)).collect());
            first_traced.push(traced);
            traced += example.sources.len();
        }
        let mut found = Found { examples: examples.len(), ..Found::default() };
        let (mut forks, mut wanted) = (Vec::new(), BTreeSet::new());
        for (place, plan) in plans.iter().enumerate() {
            for (example, &base) in bases.iter().enumerate() {
                let unchanged = is_unchanged(plan, example);
                let application = |index| Application { plan, index, example };
                let receipts = match unchanged {
                    true => (0..plan.edits.len())
                        .map(|index| application(index).receipt(Outcome::SharedPrefix))
                        .collect(),
                    false => Vec::new(),
                };
                found.receipts.push(receipts);
                found.read.push(plan.read[example].clone());
                let first = first_position(plan, example);
                forks.push(Fork { place, example, base, first, rows: None, unchanged });
            }
            for edit in &plan.edits {
                wanted.insert(edit.site);
                if let Some(ResolvedSource::Current(site)) = edit.source {
                    wanted.insert(site);
                }
            }
            wanted.extend(plan.collects.iter().map(|collect| collect.site));
        }
        let positions = trunk.positions().to_vec();
        Self { config, plans, trace, sources, first_traced, trunk, forks, positions, wanted, found }
    }

    /// The token of each row with which the pass begins.
    pub(super) fn tokens(&self) -> &[u32] {
        self.trunk.tokens()
    }

    /// What the pass found.
    pub(super) fn finish(self) -> Found {
        self.found
    }

    fn plan(&self, fork: usize) -> &'a ResolvedPlan {
        self.plans[self.forks[fork].place]
    }

    /// The edits of a fork at a site, by index.
    fn edits_at(&self, fork: usize, site: Site) -> Vec<usize> {
        if self.forks[fork].unchanged {
            return Vec::new();
        }
        let edits = self.plan(fork).edits.iter().enumerate();
        edits.filter(|(_, edit)| edit.site == site).map(|(index, _)| index).collect()
    }

    /// The packed rows of a fork's positions.
    fn rows_of(&self, fork: usize, positions: &[usize]) -> Vec<usize> {
        let fork = &self.forks[fork];
        let path = &self.trunk.runs()[fork.base].path;
        positions.iter().map(|&position| fork.row(path, position)).collect()
    }

    /// Lets forks leave the trunk: each takes a copy of the live rows from its first position on.
    fn leave(
        &mut self,
        operations: &Plain,
        leaving: &[usize],
        live: &mut [&mut Tensor],
    ) -> Result<(), RunError> {
        let leaving: Vec<usize> =
            leaving.iter().copied().filter(|&fork| self.forks[fork].rows.is_none()).collect();
        if leaving.is_empty() {
            return Ok(());
        }
        let mut copied = Vec::new();
        for fork in leaving {
            let Fork { base, first, .. } = self.forks[fork];
            let path = &self.trunk.runs()[base].path;
            let start = self.positions.len();
            self.positions.extend(first..path.len());
            copied.extend_from_slice(&path[first..]);
            self.forks[fork].rows = Some(start..self.positions.len());
        }
        for tensor in live {
            let copies = operations.take_rows(tensor, &copied)?;
            **tensor = operations.stack_rows(&[(**tensor).clone(), copies])?;
        }
        Ok(())
    }

    /// The values that an edit reads. `all` are the packed rows at the site that is being visited.
    fn read(
        &self,
        fork: usize,
        application: Application<'_>,
        all: Option<&Tensor>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let Application { index, example, .. } = application;
        let edit = application.edit();
        match &edit.source {
            None => Ok(Vec::new()),
            Some(ResolvedSource::Given(values)) => Ok(vec![apply::given(values, before)?]),
            Some(ResolvedSource::Current(_)) => {
                let kept = self.found.current.get(&(fork, index)).into_iter();
                kept.map(|kept| apply::read_current(self.config, application, kept, before))
                    .collect()
            }
            Some(ResolvedSource::Runs { site, units }) => units[example]
                .iter()
                .map(|(source, unit)| {
                    if let (true, Some(all)) = (super::reads_in_passing(edit), all) {
                        let path = &self.trunk.runs()[self.sources[example][*source]].path;
                        let rows: Vec<usize> =
                            unit.positions.iter().map(|&position| path[position]).collect();
                        return apply::read_rows(self.config, edit, all, &rows, unit, before);
                    }
                    let traced = self.trace.get(self.first_traced[example] + source, *site);
                    let kept = traced.ok_or(RunError::NotTraced { site: *site })?;
                    match site.component().is_pattern() {
                        true => apply::read_pattern(kept, unit),
                        false => {
                            apply::read_rows(self.config, edit, kept, &unit.positions, unit, before)
                        }
                    }
                })
                .collect(),
        }
    }

    /// Keeps what edits read of their own run at this site.
    fn keep_current(&mut self, site: Site, tensor: &Tensor) -> Result<(), RunError> {
        for fork in 0..self.forks.len() {
            for (index, edit) in self.plan(fork).edits.iter().enumerate() {
                if matches!(edit.source, Some(ResolvedSource::Current(read)) if read == site) {
                    let rows = self.rows_of(fork, &edit.units[self.forks[fork].example].positions);
                    self.found.current.insert((fork, index), select(tensor, &rows)?);
                }
            }
        }
        Ok(())
    }

    /// Applies all edits at a site to the forks' own rows.
    fn edit(
        &mut self,
        operations: &Plain,
        site: Site,
        tensor: &mut Tensor,
        rows: &RowsOfForks,
    ) -> Result<(), RunError> {
        let mut edited: Vec<(usize, Tensor)> = Vec::new();
        for fork in 0..self.forks.len() {
            let edits = self.edits_at(fork, site);
            let Some((range, first)) = rows.get(self, fork).filter(|_| !edits.is_empty()) else {
                continue;
            };
            let mut own = operations.slice_rows(tensor, range.start, range.len())?.contiguous()?;
            for index in edits {
                let application =
                    Application { plan: self.plan(fork), index, example: self.forks[fork].example };
                let written: Vec<usize> = application
                    .unit()
                    .positions
                    .iter()
                    .filter_map(|position| first.iter().position(|own| own == position))
                    .collect();
                let read = |before: &Tensor| self.read(fork, application, Some(&*tensor), before);
                let (after, receipt) = application.edit_rows(self.config, &own, &written, &read)?;
                own = after;
                self.found.receipts[fork].push(receipt);
            }
            edited.push((range.start, own));
        }
        // Rows of a fork lie together: the tensor is put together again from what lies between.
        let (mut pieces, mut next) = (Vec::new(), 0);
        edited.sort_by_key(|(start, _)| *start);
        for (start, own) in edited {
            if start > next {
                pieces.push(operations.slice_rows(tensor, next, start - next)?);
            }
            next = start + own.dim(0)?;
            pieces.push(own);
        }
        if !pieces.is_empty() {
            let all = tensor.dim(0)?;
            if next < all {
                pieces.push(operations.slice_rows(tensor, next, all - next)?);
            }
            *tensor = operations.stack_rows(&pieces)?;
        }
        Ok(())
    }

    /// Keeps what plans collect at a site.
    fn collect(&mut self, site: Site, tensor: &Tensor) -> Result<(), RunError> {
        for fork in 0..self.forks.len() {
            let plan = self.plan(fork);
            for (index, collect) in plan.collects.iter().enumerate().filter(|(_, c)| c.site == site)
            {
                let positions = &collect.positions[self.forks[fork].example];
                let rows = match site.component() {
                    Component::Logits => {
                        let (needed, start) = &self.found.logits[fork];
                        let row = |position| needed.iter().position(|own| own == position);
                        positions.iter().filter_map(row).map(|row| start + row).collect()
                    }
                    _ => self.rows_of(fork, positions),
                };
                self.found.collected.insert((fork, index), select(tensor, &rows)?);
            }
        }
        Ok(())
    }

    /// Attention of rows `own` (packed) over the rows of a whole path, pattern edits in between.
    fn attend_path(
        &mut self,
        attention: &Attention<'_, Plain>,
        own: std::ops::Range<usize>,
        path: &[usize],
        fork: Option<usize>,
    ) -> Result<Tensor, RunError> {
        let Attention { operations, config, layer, queries, keys, values } = attention;
        let first = path.len() - own.len();
        let positions: Vec<usize> = (0..path.len()).collect();
        let visibility = Visibility {
            queries: &positions[first..],
            keys: &positions,
            window: attention.options().window,
        };
        let own_queries = operations.slice_rows(queries, own.start, own.len())?;
        let scores = attention.scores(&own_queries, &operations.take_rows(keys, path)?)?;
        let mut scores = operations.hide(&scores, visibility, f64::NEG_INFINITY)?;
        if self.edit_pattern(Component::AttentionScore, *layer, fork, first, &mut scores)? {
            scores = operations.hide(&scores, visibility, f64::NEG_INFINITY)?;
            let example = fork.map_or(0, |fork| self.forks[fork].example);
            refuse_blind_queries(&scores, *layer, first, example)?;
        }
        let mut weights = operations.softmax(&scores)?;
        if self.edit_pattern(Component::AttentionWeight, *layer, fork, first, &mut weights)? {
            weights = operations.hide(&weights, visibility, 0.0)?;
        }
        Ok(operations.weigh(&weights, &operations.take_rows(values, path)?, config.head_dim)?)
    }

    /// Applies a fork's edits of an attention pattern; whether there were any.
    fn edit_pattern(
        &mut self,
        component: Component,
        layer: usize,
        fork: Option<usize>,
        first: usize,
        pattern: &mut Tensor,
    ) -> Result<bool, RunError> {
        let site = Site::new(component, Some(layer), self.config).ok();
        let (Some(fork), Some(site)) = (fork, site) else { return Ok(false) };
        let edits = self.edits_at(fork, site);
        for &index in &edits {
            let application =
                Application { plan: self.plan(fork), index, example: self.forks[fork].example };
            let read = |before: &Tensor| self.read(fork, application, None, before);
            let (edited, receipt) = application.edit_pattern(self.config, pattern, first, &read)?;
            *pattern = edited;
            self.found.receipts[fork].push(receipt);
        }
        Ok(!edits.is_empty())
    }

    fn forks_with_edits_at(&self, site: Site) -> Vec<usize> {
        (0..self.forks.len()).filter(|&fork| !self.edits_at(fork, site).is_empty()).collect()
    }
}

/// Where each fork's own rows lie at the site that is being visited.
enum RowsOfForks {
    /// Among all rows.
    Packed,
    /// Among the rows whose logits are wanted.
    Logits,
}

impl RowsOfForks {
    /// A fork's own rows and their positions.
    fn get(
        &self,
        pass: &ForkedPass<'_>,
        fork: usize,
    ) -> Option<(std::ops::Range<usize>, Vec<usize>)> {
        match self {
            Self::Packed => {
                let rows = pass.forks[fork].rows.clone()?;
                let first = pass.forks[fork].first;
                Some((rows.clone(), (first..first + rows.len()).collect()))
            }
            Self::Logits => {
                let (needed, start) = pass.found.logits.get(fork)?;
                Some((*start..start + needed.len(), needed.clone()))
            }
        }
    }
}

fn select(tensor: &Tensor, rows: &[usize]) -> Result<Tensor, RunError> {
    let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    Ok(tensor.index_select(&Tensor::new(rows, tensor.device())?, 0)?)
}

impl Pass<Plain> for ForkedPass<'_> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site)
    }

    fn visit(
        &mut self,
        operations: &Plain,
        site: Site,
        live: &mut [&mut Tensor],
    ) -> Result<(), RunError> {
        if !self.wanted.contains(&site) {
            return Ok(());
        }
        let rows = match site.component() {
            Component::Logits => RowsOfForks::Logits,
            _ => {
                self.leave(operations, &self.forks_with_edits_at(site), live)?;
                RowsOfForks::Packed
            }
        };
        let Some(own) = live.first_mut() else { return Ok(()) };
        self.keep_current(site, own)?;
        self.edit(operations, site, own, &rows)?;
        self.collect(site, own)
    }

    fn attend(
        &mut self,
        mut attention: Attention<'_, Plain>,
        live: &mut [&mut Tensor],
    ) -> Result<Tensor, RunError> {
        for component in [Component::AttentionScore, Component::AttentionWeight] {
            if let Ok(site) = Site::new(component, Some(attention.layer), self.config) {
                let leaving = self.forks_with_edits_at(site);
                let mut all: Vec<&mut Tensor> =
                    vec![&mut attention.queries, &mut attention.keys, &mut attention.values];
                all.extend(live.iter_mut().map(|tensor| &mut **tensor));
                self.leave(attention.operations, &leaving, &mut all)?;
            }
        }
        let mut mixed = Vec::new();
        for run in 0..self.trunk.runs().len() {
            let run = &self.trunk.runs()[run];
            let (own, path) = (run.own.clone(), run.path.clone());
            if !own.is_empty() {
                mixed.push(self.attend_path(&attention, own, &path, None)?);
            }
        }
        // Forks left the trunk one after the other; their rows lie in that order.
        let mut left: Vec<(usize, std::ops::Range<usize>)> = (0..self.forks.len())
            .filter_map(|fork| self.forks[fork].rows.clone().map(|rows| (fork, rows)))
            .collect();
        left.sort_by_key(|(_, rows)| rows.start);
        for (fork, own) in left {
            let Fork { base, first, .. } = self.forks[fork];
            let mut path = self.trunk.runs()[base].path[..first].to_vec();
            path.extend(own.clone());
            mixed.push(self.attend_path(&attention, own, &path, Some(fork))?);
        }
        Ok(attention.operations.stack_rows(&mixed)?)
    }

    fn logit_rows(&mut self) -> Vec<usize> {
        let mut all = Vec::new();
        for fork in 0..self.forks.len() {
            let example = self.forks[fork].example;
            let needed = self.plan(fork).logit_positions(example);
            let rows = self.rows_of(fork, &needed);
            self.found.logits.push((needed, all.len()));
            all.extend(rows);
        }
        all
    }
}
