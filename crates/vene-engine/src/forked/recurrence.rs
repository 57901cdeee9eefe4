//! Recurrent blocks of a pass: each row goes on from the state of the row before it in its own run.
//!
//! Inside the block time comes first: an edit at one position is seen by all positions after it. So a fork that edits here
//! has rows of its own from its first edited position on before the block begins.

use std::collections::{BTreeMap, HashMap};

use candle_core::Tensor;
use vene_model::{Component, Operations, Recurrence, Site, StateFrom, TimeStep};

use super::pass::{Cached, ForkedPass, append};
use super::tree::RunId;
use crate::apply::Application;
use crate::error::RunError;
use crate::plan::Tally;

/// An edit inside the block: fork, step, edit.
type EditId = (usize, usize, usize);

impl<O: Operations> ForkedPass<'_, O> {
    pub(super) fn recur_all(
        &mut self,
        mut recurrence: Recurrence<'_, O>,
    ) -> Result<O::Tensor, RunError> {
        let (operations, layer) = (recurrence.operations, recurrence.layer);
        let mut copied = Vec::new();
        self.rows.spread(self.tree, layer, None, &mut copied);
        append(operations, &copied, &mut [recurrence.input_mut()])?;
        let inside = self.steps_inside(layer);
        for &(fork, step) in &inside {
            let mut copied = Vec::new();
            self.rows.leave_from(self.tree, fork, step, &mut copied);
            append(operations, &copied, &mut [recurrence.input_mut()])?;
        }

        let (steps, kept) = self.time_steps();
        let cache = self.cached.cache().filter(|_| !kept.is_empty());
        let kept = cache.and_then(|cache| cache.residual(operations, layer + 1, &kept));
        let kept = kept.transpose()?;
        let mut seen: BTreeMap<Site, Vec<O::Tensor>> = BTreeMap::new();
        let mut tallies: HashMap<EditId, Tally> = HashMap::new();
        let output =
            recurrence.run::<RunError>(&steps, kept.as_ref(), &mut |site, index, rows| {
                if self.schedule.wants(site) && operations.has_values() {
                    self.edit_step(operations, site, &steps[index], &inside, rows, &mut tallies)?;
                    seen.entry(site).or_default().push(rows.clone());
                }
                Ok(())
            })?;

        let order = TimeStep::packed_order(&steps, self.rows.positions().len());
        for (site, of_steps) in seen {
            let whole = operations.take_rows(&operations.stack(&of_steps)?, &order)?;
            self.keep_reads(operations, site, &whole)?;
        }
        for &(fork, step) in inside.iter().filter(|_| operations.has_values()) {
            for edit in 0..self.tree.forks[fork].steps[step].edits.len() {
                let tally = tallies.remove(&(fork, step, edit)).unwrap_or_default();
                self.found.outcomes[fork][step].push(tally.outcome());
            }
        }
        if layer + 1 == self.config.layers.len()
            && let Cached::Extended(cache) = &mut self.cached
        {
            // What leaves the last block is announced by no one else.
            cache.keep_residual(operations, layer + 1, &output)?;
        }
        Ok(output)
    }

    /// The steps of forks that edit inside a layer's recurrent block, parents before their forks.
    fn steps_inside(&self, layer: usize) -> Vec<(usize, usize)> {
        use Component::{BlockOutput, NewGate, ResetGate, UpdateGate};
        let sites = [ResetGate, UpdateGate, NewGate, BlockOutput].into_iter();
        let sites = sites.filter_map(|gate| Site::new(gate, Some(layer), self.config).ok());
        let steps = sites.filter_map(|site| self.schedule.steps.get(&site)).flatten();
        let mut steps: Vec<(usize, usize)> = steps.copied().collect();
        steps.sort_unstable();
        steps
    }

    /// The live rows by their positions, and of which rows of the trunk kept states are needed.
    fn time_steps(&self) -> (Vec<TimeStep>, Vec<usize>) {
        let mut steps: BTreeMap<usize, TimeStep> = BTreeMap::new();
        let mut kept = Vec::new();
        for (row, (run, position)) in self.rows.owned().enumerate() {
            let state = match position.checked_sub(1) {
                None => StateFrom::Start,
                Some(before) => match self.rows.live_place(self.tree, run, before) {
                    Ok(row) => StateFrom::Row(row),
                    Err(number) => {
                        kept.push(number);
                        StateFrom::Kept(kept.len() - 1)
                    }
                },
            };
            let step = steps.entry(position).or_default();
            step.position = position;
            step.rows.push(row);
            step.states.push(state);
        }
        (steps.into_values().collect(), kept)
    }

    /// Applies edits at a site inside the block to the rows of one time step.
    fn edit_step(
        &mut self,
        operations: &O,
        site: Site,
        time: &TimeStep,
        inside: &[(usize, usize)],
        rows: &mut O::Tensor,
        tallies: &mut HashMap<EditId, Tally>,
    ) -> Result<(), RunError> {
        let tree = self.tree;
        for &(fork, step) in inside {
            for (number, edit) in tree.forks[fork].steps[step].edits.iter().enumerate() {
                let part = edit.unit().positions.iter().position(|&there| there == time.position);
                if part.is_none() {
                    continue;
                }
                let place = self.rows.place(tree, RunId::Fork(fork), time.position);
                let Some(row) = time.rows.iter().position(|&there| there == place) else {
                    continue;
                };
                if edit.edit().reads_current() == Some(site) {
                    let values = operations.values(rows, &[row])?;
                    self.found.current.insert((fork, step, number), values);
                }
                if edit.edit().site != site {
                    continue;
                }
                let application = Application { part, step: self.step(), ..edit.application };
                let read = |before: &Tensor| {
                    self.read_for(application, (fork, step, number), None, before)
                };
                let own = operations.values(rows, &[row])?;
                let (edited, tally) = application.edit_rows(self.config, &own, &[0], &read)?;
                operations.set_values(rows, &[row], &self.remembered(edited))?;
                tallies.entry((fork, step, number)).or_default().join(&tally);
            }
        }
        Ok(())
    }
}
