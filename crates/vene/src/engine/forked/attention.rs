//! Attention of a pass: each row's query meets the keys of its own run.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;
use vene_model::{Attention, Component, Operations, Path, Query, Site, Visibility};

use super::pass::{ForkedPass, append};
use super::tree::Stem;
use crate::engine::sequences::refuse_blind_queries;
use crate::error::RunError;
use crate::plan::{ResolvedSource, Run};

impl ForkedPass<'_> {
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
        if self.agenda.wants_any(self.config, last, &looked_at) {
            return None;
        }
        self.key_paths = Some(self.rows.key_paths(self.tree, |fork| self.rows.has_left(fork)));
        Some(self.drop_rows())
    }

    /// Drops the rows that nobody needs behind the last layer's keys and values; returns those that
    /// are kept.
    fn drop_rows(&mut self) -> Vec<usize> {
        self.is_narrow = true;
        let (tree, last) = (self.tree, self.config.layers.len() - 1);
        let attention = Site::new(Component::AttentionScore, Some(last), self.config);
        let is_ahead =
            |site: Site| attention.as_ref().is_ok_and(|here| site.depth() >= here.depth());
        let mut forks: Vec<Vec<usize>> = vec![Vec::new(); tree.forks.len()];
        let mut trunk: Vec<Vec<usize>> = vec![Vec::new(); tree.trunk.runs().len()];
        for leaf in &tree.leaves {
            let needed = match leaf.stem {
                Stem::Fork(fork) => &mut forks[fork],
                Stem::Trunk(run) => &mut trunk[run],
            };
            needed.extend(leaf.plan.logit_positions(leaf.example));
            for collect in leaf.plan.collects.iter().filter(|collect| is_ahead(collect.site)) {
                needed.extend(&collect.positions[leaf.example]);
            }
        }
        for (index, fork) in tree.forks.iter().enumerate().rev() {
            for edit in fork.steps.iter().filter(|step| is_ahead(step.site)).flat_map(|s| &s.edits)
            {
                forks[index].extend(&edit.unit().positions);
                if let Some(ResolvedSource::Runs { site, units }) = &edit.edit().source
                    && *site == edit.edit().site
                {
                    for (run, unit) in &units[edit.example] {
                        trunk[tree.run(edit.plan, edit.example, *run)].extend(&unit.positions);
                    }
                }
            }
            // Forks come behind their stems: going backwards, a stem learns what its forks need.
            let needed = forks[index].clone();
            match fork.stem {
                Stem::Fork(stem) => forks[stem].extend(needed),
                Stem::Trunk(run) => trunk[run].extend(needed),
            }
        }
        let needed = trunk
            .into_iter()
            .enumerate()
            .map(|(run, positions)| (Stem::Trunk(run), positions))
            .chain(forks.into_iter().enumerate().map(|(fork, at)| (Stem::Fork(fork), at)))
            .map(|(stem, mut positions)| {
                positions.sort_unstable();
                positions.dedup();
                (stem, positions)
            });
        self.rows.keep_only(tree, needed)
    }

    pub(super) fn attend_all<O: Operations>(
        &mut self,
        attention: Attention<'_, O>,
        live: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, RunError> {
        let Attention { operations, config, layer, mut queries, keys, values } = attention;
        let at = |component| Site::new(component, Some(layer), config).ok();
        let steps = |component| {
            let site = at(component)?;
            Some((site, self.agenda.steps.get(&site)?.clone()))
        };
        let (scores, weights) =
            (steps(Component::AttentionScore), steps(Component::AttentionWeight));
        let editors: HashSet<usize> =
            scores.iter().chain(&weights).flat_map(|(_, steps)| steps).map(|step| step.0).collect();
        let is_editor = |fork: usize| editors.contains(&fork);
        self.collect_patterns(operations, layer, &queries, &keys)?;
        let paths = self.key_paths.take().unwrap_or_else(|| {
            self.rows.key_paths(self.tree, |fork| self.rows.has_left(fork) || is_editor(fork))
        });
        if layer + 1 == config.layers.len() && !self.is_narrow {
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
        self.rows.spread(self.tree, &mut copied);
        append(operations, &copied, &mut all)?;
        for (site, steps) in scores.iter().chain(&weights) {
            self.leave(operations, *site, steps, &mut all)?;
        }

        let mut own: Vec<(Stem, Vec<Query>)> = Vec::new();
        let mut place = HashMap::new();
        for (row, (stem, position)) in self.rows.owned().enumerate() {
            let index = *place.entry(stem).or_insert_with(|| {
                own.push((stem, Vec::new()));
                own.len() - 1
            });
            own[index].1.push(Query { row: row as u32, position: position as u32 });
        }
        for (_, queries) in &mut own {
            queries.sort_unstable_by_key(|query| query.position);
        }
        let edits_pattern = |stem: Stem| matches!(stem, Stem::Fork(fork) if is_editor(fork));
        let plain: Vec<Path<'_>> = own
            .iter()
            .filter(|(stem, _)| !edits_pattern(*stem))
            .map(|(stem, queries)| Path { rows: paths.of(*stem), queries })
            .collect();
        let options = &config.layers[layer];
        let mut mixed = operations.attend(&queries, &keys, &values, &plain, config, options)?;
        for (stem, own_queries) in &own {
            let Stem::Fork(fork) = *stem else { continue };
            if !is_editor(fork) || !operations.has_values() {
                continue;
            }
            let rows: Vec<usize> = own_queries.iter().map(|query| query.row as usize).collect();
            let positions: Vec<usize> =
                own_queries.iter().map(|query| query.position as usize).collect();
            let seen: Vec<usize> = paths.of(*stem).iter().map(|row| *row as usize).collect();
            let meeting = Meeting {
                layer,
                fork,
                queries: operations.values(&queries, &rows)?,
                keys: operations.values(&keys, &seen)?,
                values: operations.values(&values, &seen)?,
                positions: &positions,
            };
            let result = self.attend_edited(operations, meeting)?;
            operations.set_values(&mut mixed, &rows, &result)?;
        }
        Ok(mixed)
    }

    /// Keeps the attention patterns of unedited runs that somebody collects.
    fn collect_patterns<O: Operations>(
        &mut self,
        operations: &O,
        layer: usize,
        queries: &O::Tensor,
        keys: &O::Tensor,
    ) -> Result<(), RunError> {
        let config = self.config;
        if !operations.has_values() {
            return Ok(());
        }
        for component in [Component::AttentionScore, Component::AttentionWeight] {
            let Ok(site) = Site::new(component, Some(layer), config) else { continue };
            for &(leaf, collect) in self.agenda.collects.get(&site).into_iter().flatten() {
                let at = &self.tree.leaves[leaf];
                let all: Vec<usize> = (0..at.plan.examples[at.example].base.len()).collect();
                let rows = self.rows.all_packed(self.tree, at.stem, &all);
                let plain = operations.plain();
                let (queries, keys) =
                    (operations.values(queries, &rows)?, operations.values(keys, &rows)?);
                let options = &config.layers[layer];
                let visibility = Visibility { queries: &all, keys: &all, window: options.window };
                let scores = plain.scores(&queries, &keys, config, options)?;
                let mut pattern = plain.hide(&scores, visibility, f64::NEG_INFINITY)?;
                if component == Component::AttentionWeight {
                    pattern = plain.softmax(&pattern)?;
                }
                self.found.collected.insert((leaf, collect), pattern);
            }
        }
        Ok(())
    }

    /// Attention of a fork that edits its pattern, on plain operations.
    fn attend_edited<O: Operations>(
        &mut self,
        operations: &O,
        meeting: Meeting<'_>,
    ) -> Result<Tensor, RunError> {
        let (plain, config, layer) = (operations.plain(), self.config, meeting.layer);
        let options = &config.layers[layer];
        let all: Vec<usize> = (0..meeting.keys.dim(0)?).collect();
        let visibility =
            Visibility { queries: meeting.positions, keys: &all, window: options.window };
        let scores = plain.scores(&meeting.queries, &meeting.keys, config, options)?;
        let mut scores = plain.hide(&scores, visibility, f64::NEG_INFINITY)?;
        if let Some(example) =
            self.edit_pattern(Component::AttentionScore, &meeting, &mut scores)?
        {
            scores = plain.hide(&scores, visibility, f64::NEG_INFINITY)?;
            refuse_blind_queries(&scores, layer, meeting.positions, example)?;
        }
        let mut weights = plain.softmax(&scores)?;
        if self.edit_pattern(Component::AttentionWeight, &meeting, &mut weights)?.is_some() {
            weights = plain.hide(&weights, visibility, 0.0)?;
        }
        Ok(plain.weigh(&weights, &meeting.values, config.head_dim)?)
    }

    /// Applies a fork's edits of an attention pattern `[heads, queries, keys]`; their example, if
    /// there are any.
    fn edit_pattern(
        &mut self,
        component: Component,
        meeting: &Meeting<'_>,
        pattern: &mut Tensor,
    ) -> Result<Option<usize>, RunError> {
        let fork = &self.tree.forks[meeting.fork];
        let is_here =
            |site: Site| site.component().is_pattern() && site.layer() == Some(meeting.layer);
        let Some(step) = fork.steps.iter().position(|step| is_here(step.site)) else {
            return Ok(None);
        };
        let mut example = None;
        for (edit, application) in fork.steps[step].edits.iter().enumerate() {
            if application.edit().site.component() != component {
                continue;
            }
            let read = |before: &Tensor| self.read(meeting.fork, step, edit, None, before);
            let (edited, receipt) =
                application.edit_pattern(self.config, pattern, meeting.positions, &read)?;
            *pattern = edited;
            example = Some(application.example);
            self.found.outcomes[meeting.fork][step].push(receipt.outcome);
        }
        Ok(example)
    }

    /// The trunk's run that an application reads.
    pub(super) fn source_run(
        &self,
        application: &crate::engine::apply::Application<'_>,
        run: Run,
    ) -> usize {
        self.tree.run(application.plan, application.example, run)
    }
}

/// The queries of a fork with the keys and values that they meet.
struct Meeting<'a> {
    layer: usize,
    fork: usize,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    /// The queries' positions.
    positions: &'a [usize],
}
