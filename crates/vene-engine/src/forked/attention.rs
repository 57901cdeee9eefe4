//! Attention of a pass: each row's query meets the keys of its own run.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;
use vene_model::{
    Attention, BlockKind, Component, Operations, OwnedPath, Path, Query, Scoring, Site,
};

use super::pass::{Cached, ForkedPass, append};
use super::rows::{KeptKeys, KeyPaths};
use super::tree::{RunId, RunPosition};
use crate::apply::Application;
use crate::attend::PatternAttention;
use crate::error::RunError;
use crate::still::Still;

/// The components of a layer's attention pattern, in the order in which they come.
const PATTERNS: [Component; 2] = [Component::AttentionScore, Component::AttentionWeight];

/// The queries of each run that has any, ascending by position.
type Queries = Vec<(RunId, Vec<Query>)>;

/// The packed rows of keys and values, as they were before queries were computed.
pub(super) struct Keys {
    paths: KeyPaths,
    /// How many there are.
    packed: usize,
    /// Those that are kept for later passes.
    kept: Vec<usize>,
}

/// Queries, keys and values of a layer, and the ways of runs through the keys.
struct Meeting<'a, O: Operations> {
    operations: &'a O,
    scoring: Scoring<'a>,
    queries: &'a O::Tensor,
    keys: &'a O::Tensor,
    values: &'a O::Tensor,
    paths: &'a KeyPaths,
}

impl<O: Operations> ForkedPass<'_, O> {
    /// In the last layer, before queries are computed: the rows that are needed from here on.
    pub(super) fn narrow_before_queries(&mut self) -> Option<Vec<usize>> {
        use Component::*;
        let last = self.config.layers.len() - 1;
        // Whoever looks at queries, or at keys as they go on, needs them all; the rows are
        // dropped in attention then.
        let looked_at = [
            QueryOutput,
            KeyOutput,
            ValueOutput,
            NormedQuery,
            NormedKey,
            RotatedQuery,
            RotatedKey,
            AttentionScore,
            AttentionWeight,
        ];
        if !self.narrows() || self.schedule.wants_any(self.config, last, &looked_at) {
            return None;
        }
        self.keys = Some(self.paths_of_keys(last));
        Some(self.drop_rows())
    }

    /// Drops the rows that nobody needs after the last layer's keys and values; returns those that
    /// are kept.
    fn drop_rows(&mut self) -> Vec<usize> {
        self.is_narrow = true;
        self.rows.keep_only(self.tree, &self.needed)
    }

    pub(super) fn attend_all(
        &mut self,
        attention: Attention<'_, O>,
        live: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, RunError> {
        let Attention { operations, scoring, mut queries, keys, values } = attention;
        let Scoring { config, layer, .. } = scoring;
        let Keys { paths, packed, kept } = match self.keys.take() {
            Some(keys) => keys,
            None => self.paths_of_keys(layer),
        };
        let (mut earlier, mut met) = match &mut self.cached {
            Cached::Nothing => (None, [keys, values]),
            Cached::All(cache) => {
                (cache.attention(operations, layer, &paths.kept)?, [keys, values])
            }
            Cached::Extended(cache) => {
                (None, cache.take_extended(operations, layer, [keys, values])?)
            }
        };
        if self.watches_patterns(layer)
            && let Some(mut all) = earlier.take()
        {
            // A pattern is looked at whole.
            for (all, met) in all.iter_mut().zip(&met) {
                operations.extend_rows(all, met)?;
            }
            met = all;
        }
        let is_last = layer + 1 == config.layers.len();
        let narrows = is_last && self.narrows();
        if narrows && !self.is_narrow {
            let kept = self.drop_rows();
            queries = operations.take_rows(&queries, &kept)?;
            for tensor in live.iter_mut() {
                **tensor = operations.take_rows(tensor, &kept)?;
            }
        }
        // Keys and values are as they were; from here on only queries and the rest are live.
        let mut all: Vec<&mut O::Tensor> = vec![&mut queries];
        all.extend(live.iter_mut().map(|tensor| &mut **tensor));
        let mut copied = Vec::new();
        let needed = narrows.then_some(&self.needed);
        self.rows.spread(self.tree, layer, needed, &mut copied);
        append(operations, &copied, &mut all)?;
        for component in PATTERNS {
            let steps = self.pattern_steps(component, layer);
            self.leave(operations, &steps, &mut all)?;
        }
        if !self.is_narrow && self.pattern_reads(layer).is_empty() {
            self.go_on_after_attention(operations, layer, &mut all)?;
        }
        let meeting = Meeting {
            operations,
            scoring,
            queries: &queries,
            keys: &met[0],
            values: &met[1],
            paths: &paths,
        };
        let mixed = self.attend_rows(&meeting, earlier)?;
        if let Cached::Extended(cache) = &mut self.cached {
            cache.give_back(operations, layer, met, packed, &kept)?;
        }
        Ok(mixed)
    }

    /// The rows of a block by themselves, where nothing happens to them in it: none are edited, read, added or dropped.
    pub(super) fn still(&self, block: usize) -> Result<Option<Still<O>>, RunError> {
        let is_still = block + 1 < self.config.layers.len()
            && self.config.layers[block].kind == BlockKind::Transformer
            && !self.schedule.wants_in(block)
            && !(0..self.tree.forks.len()).any(|fork| self.rows.spreads(fork, block))
            && self.changes_in(block).is_none();
        let Some(cache) = self.cached.cache().filter(|_| is_still) else { return Ok(None) };
        let Keys { paths, .. } = self.paths_of_keys(block);
        let path = |(run, queries): &(RunId, Vec<Query>)| {
            OwnedPath::from(&Path { rows: paths.of(*run), queries })
        };
        Ok(Some(Still {
            positions: self.rows.positions().to_vec(),
            lengths: self.rows.lengths().to_vec(),
            earlier: cache.attention(self.decoder.operations(), block, &paths.kept)?,
            paths: self.queries().iter().map(path).collect(),
            runs: Vec::new(),
            read: Vec::new(),
        }))
    }

    /// Whether the last block drops the rows that nobody reads.
    fn narrows(&self) -> bool {
        self.needed.narrows && !self.cached.keeps_output()
    }

    /// Each row's query meets the keys of its own run.
    fn attend_rows(
        &mut self,
        meeting: &Meeting<'_, O>,
        earlier: Option<[O::Tensor; 2]>,
    ) -> Result<O::Tensor, RunError> {
        let Meeting { operations, scoring, queries, keys, values, paths } = *meeting;
        let layer = scoring.layer;
        let own = self.queries();
        let is_broken = |(run, queries): &&(RunId, Vec<Query>)| {
            queries.last().is_some_and(|last| !paths.is_whole(*run, last.position as usize))
        };
        if let Some((run, _)) = own.iter().find(is_broken) {
            // What a query sees is known before it is asked: this cannot be, and would be a wrong number.
            let message = format!("layer {layer}: a row that {run:?} looks at was not computed");
            return Err(candle_core::Error::Msg(message).into());
        }
        let editors = self.pattern_editors(layer);
        let is_plain = |run: &RunId| !matches!(run, RunId::Fork(fork) if editors.contains(fork));
        let plain: Vec<Path<'_>> = own
            .iter()
            .filter(|(run, _)| is_plain(run))
            .map(|(run, queries)| Path { rows: paths.of(*run), queries })
            .collect();
        let mut mixed =
            operations.attend_behind(queries, keys, values, earlier, &plain, scoring)?;
        if !operations.has_values() {
            return Ok(mixed);
        }
        let mut reads: HashMap<RunId, Vec<usize>> = HashMap::new();
        for read in self.pattern_reads(layer) {
            reads.entry(self.holder(self.tree.reads[read].run)).or_default().push(read);
        }
        for (run, own_queries) in own.iter().filter(|(run, _)| !is_plain(run)) {
            let reads = reads.remove(run).unwrap_or_default();
            let own: Vec<usize> = own_queries.iter().map(|query| query.position as usize).collect();
            let result = self.attend_watched(meeting, *run, &own, &reads)?;
            let rows: Vec<usize> = own_queries.iter().map(|query| query.row as usize).collect();
            operations.set_values(&mut mixed, &rows, &result)?;
        }
        for (run, reads) in reads {
            self.attend_watched(meeting, run, &[], &reads)?;
        }
        Ok(mixed)
    }

    /// Attention of a run whose pattern is edited or read: the weighted values of its `own` positions.
    fn attend_watched(
        &mut self,
        meeting: &Meeting<'_, O>,
        run: RunId,
        own: &[usize],
        reads: &[usize],
    ) -> Result<Tensor, RunError> {
        let Meeting { operations, scoring, queries, keys, values, paths } = *meeting;
        let layer = scoring.layer;
        // What is read is read whole.
        let positions: Vec<usize> = match reads {
            [] => own.to_vec(),
            _ => (0..self.tree.run_length(run)).collect(),
        };
        let rows = self.rows.all_places(self.tree, run, &positions);
        let seen: Vec<usize> = paths.of(run).iter().map(|row| *row as usize).collect();
        let attention = PatternAttention {
            plain: &operations.plain(),
            scoring,
            example: self.example_of(run, layer),
            queries: &operations.values(queries, &rows)?,
            positions: &positions,
            keys: &operations.values(keys, &seen)?,
            values: &operations.values(values, &seen)?,
        };
        let mixed = attention.attend(&mut |component, pattern| {
            let is_edited = self.edit_pattern(component, layer, run, &positions, pattern)?;
            for &read in reads {
                if self.tree.reads[read].site.component() == component {
                    self.found.reads.insert(read, pattern.clone());
                }
            }
            Ok(is_edited)
        })?;
        if reads.is_empty() || own.is_empty() {
            return Ok(mixed);
        }
        Ok(operations.plain().values(&mixed, own)?)
    }

    /// Applies a run's edits of an attention pattern `[heads, queries, keys]`, if it has any.
    fn edit_pattern(
        &mut self,
        component: Component,
        layer: usize,
        run: RunId,
        positions: &[usize],
        pattern: &mut Tensor,
    ) -> Result<bool, RunError> {
        let Some((fork, step)) = self.pattern_step(run, layer) else { return Ok(false) };
        let mut is_edited = false;
        for (number, edit) in self.tree.forks[fork].steps[step].edits.iter().enumerate() {
            if edit.edit().site.component() != component {
                continue;
            }
            let read = |before: &Tensor| self.read(fork, step, number, None, before);
            let application = Application { step: self.step(), ..edit.application };
            let (edited, tally) =
                application.edit_pattern(self.config, pattern, positions, &read)?;
            *pattern = self.remembered(edited);
            is_edited = true;
            self.found.outcomes[fork][step].push(tally.outcome());
        }
        Ok(is_edited)
    }

    /// The step of a fork that edits a layer's pattern.
    fn pattern_step(&self, run: RunId, layer: usize) -> Option<(usize, usize)> {
        let RunId::Fork(fork) = run else { return None };
        let is_here = |site: Site| site.component().is_pattern() && site.layer() == Some(layer);
        let step = self.tree.forks[fork].steps.iter().position(|step| is_here(step.site))?;
        Some((fork, step))
    }

    /// Whose example a run is, for errors.
    fn example_of(&self, run: RunId, layer: usize) -> usize {
        let edit = self.pattern_step(run, layer);
        let edit = edit.and_then(|(fork, step)| self.tree.forks[fork].steps[step].edits.first());
        edit.map_or(0, |edit| edit.application.example)
    }

    fn pattern_site(&self, component: Component, layer: usize) -> Option<Site> {
        Site::new(component, Some(layer), self.config).ok()
    }

    fn pattern_steps(&self, component: Component, layer: usize) -> Vec<(usize, usize)> {
        let site = self.pattern_site(component, layer);
        site.and_then(|site| self.schedule.steps.get(&site).cloned()).unwrap_or_default()
    }

    /// The forks that edit a layer's pattern.
    fn pattern_editors(&self, layer: usize) -> HashSet<usize> {
        let steps = PATTERNS.into_iter().flat_map(|component| self.pattern_steps(component, layer));
        steps.map(|(fork, _)| fork).collect()
    }

    /// Whether a layer's pattern is edited or read.
    fn watches_patterns(&self, layer: usize) -> bool {
        !self.pattern_editors(layer).is_empty() || !self.pattern_reads(layer).is_empty()
    }

    /// The reads of a layer's pattern.
    fn pattern_reads(&self, layer: usize) -> Vec<usize> {
        let sites =
            PATTERNS.into_iter().filter_map(|component| self.pattern_site(component, layer));
        sites.filter_map(|site| self.schedule.reads.get(&site)).flatten().copied().collect()
    }

    /// The run of a line that has rows of its own by now: from here to the given one nothing was edited yet.
    fn holder(&self, run: RunId) -> RunId {
        let has_rows = |run: &RunId| match run {
            RunId::Trunk(_) => true,
            RunId::Fork(fork) => self.rows.has_left(*fork),
        };
        self.tree.line(run).find(has_rows).unwrap_or(run)
    }

    /// The ways through the keys of all runs that will have queries in this layer's attention.
    fn paths_of_keys(&self, layer: usize) -> Keys {
        let mut lengths: HashMap<RunId, usize> = HashMap::new();
        for (run, position) in self.rows.owned() {
            let length = lengths.entry(run).or_default();
            *length = (*length).max(position + 1);
        }
        let editors = self.pattern_editors(layer);
        for (fork, of_fork) in self.tree.forks.iter().enumerate() {
            if self.rows.has_left(fork) || self.rows.spreads(fork, layer) || editors.contains(&fork)
            {
                lengths.insert(RunId::Fork(fork), of_fork.length);
            }
        }
        for read in self.pattern_reads(layer) {
            let run = self.tree.reads[read].run;
            let length = self.tree.run_length(run);
            lengths.extend(self.tree.line(run).map(|run| (run, length)));
        }
        let kept = match &self.cached {
            Cached::Extended(cache) => KeptKeys::All(cache.rows()),
            _ => KeptKeys::Some(self.cached.rows()),
        };
        let paths = self.rows.key_paths(self.tree, lengths.into_iter(), kept);
        let place = |row: &RunPosition| self.rows.place(self.tree, row.run, row.position);
        let kept = self.keep.iter().map(place).collect();
        Keys { paths, packed: self.rows.positions().len(), kept }
    }

    /// The queries of all packed rows.
    fn queries(&self) -> Queries {
        let mut own: Queries = Vec::new();
        let mut place = HashMap::new();
        for (row, (run, position)) in self.rows.owned().enumerate() {
            let index = *place.entry(run).or_insert_with(|| {
                own.push((run, Vec::new()));
                own.len() - 1
            });
            own[index].1.push(Query { row: row as u32, position: position as u32 });
        }
        for (_, queries) in &mut own {
            queries.sort_unstable_by_key(|query| query.position);
        }
        own
    }
}
