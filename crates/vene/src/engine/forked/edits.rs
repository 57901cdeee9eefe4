//! Edits of a pass: each applied to its fork's own rows.

use candle_core::Tensor;
use vene_files::guarded;
use vene_model::{Component, HostRows, Operations};

use super::pass::ForkedPass;
use super::tree::{Mark, Stem};
use crate::engine::apply::{self, Application};
use crate::error::RunError;
use crate::plan::{Outcome, ResolvedEdit, ResolvedSource, Tally};

/// What a read finds at the site that is being visited: the rows it asks for.
pub(super) type RowsHere<'a> = &'a dyn Fn(&[usize]) -> Result<Tensor, RunError>;

/// Whether an edit's source is a row of the pass at the very site at which it is written.
pub(super) fn reads_in_passing(edit: &ResolvedEdit) -> bool {
    let component = edit.site.component();
    matches!(&edit.source, Some(ResolvedSource::Runs { site, .. }) if *site == edit.site)
        && !component.is_pattern()
        && component != Component::Logits
}

impl ForkedPass<'_> {
    /// Applies steps of forks at the site that is being visited.
    pub(super) fn edit<O: Operations>(
        &mut self,
        operations: &O,
        steps: &[(usize, usize)],
        tensor: &mut O::Tensor,
    ) -> Result<(), RunError> {
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for &(fork, step) in steps {
            if let Some(host) = operations.host(tensor)
                && self.edit_in_place(fork, step, host)?
            {
                continue;
            }
            let edits = &self.tree.forks[fork].steps[step].edits;
            let mut positions: Vec<usize> =
                edits.iter().flat_map(|edit| edit.unit().positions.iter().copied()).collect();
            positions.sort_unstable();
            positions.dedup();
            let own = self.rows.all_packed(self.tree, Stem::Fork(fork), &positions);
            let mut local = operations.values(tensor, &own)?;
            let here = |rows: &[usize]| Ok(operations.values(tensor, rows)?);
            for (edit, application) in edits.iter().enumerate() {
                let place = |position: &usize| positions.binary_search(position).ok();
                let written: Vec<usize> =
                    application.unit().positions.iter().filter_map(place).collect();
                let read = |before: &Tensor| self.read(fork, step, edit, Some(&here), before);
                let (after, receipt) =
                    application.edit_rows(self.config, &local, &written, &read)?;
                local = after;
                self.found.outcomes[fork][step].push(receipt.outcome);
            }
            rows.extend(own);
            values.push(local);
        }
        // The rows of all forks at once: where tensors are immutable, each write is a copy of all.
        if !rows.is_empty() {
            operations.set_values(tensor, &rows, &Tensor::cat(&values, 0)?)?;
        }
        Ok(())
    }

    /// Applies a step to the values where they lie, or nothing if one of its edits cannot be
    /// applied so.
    fn edit_in_place(
        &mut self,
        fork: usize,
        step: usize,
        mut host: HostRows<'_>,
    ) -> Result<bool, RunError> {
        let edits = &self.tree.forks[fork].steps[step].edits;
        let works = |edit: &Application<'_>| {
            let reads_nothing = edit.edit().source.is_none();
            (reads_nothing || reads_in_passing(edit.edit()))
                && edit.edit().intervention.traits().is_in_place()
        };
        if !edits.iter().all(works) {
            return Ok(false);
        }
        for application in edits {
            let outcome = self.apply_in_place(fork, application, &mut host)?;
            self.found.outcomes[fork][step].push(outcome);
        }
        Ok(true)
    }

    fn apply_in_place(
        &self,
        fork: usize,
        application: &Application<'_>,
        host: &mut HostRows<'_>,
    ) -> Result<Outcome, RunError> {
        let (edit, unit) = (application.edit(), application.unit());
        let heads = edit.site.component().heads(self.config).filter(|_| unit.heads.is_some());
        let stretch = host.width / heads.unwrap_or(1);
        let all = [0];
        let (own_heads, mut tally) = (unit.heads.as_deref().unwrap_or(&all), Tally::default());
        let sources: &[_] = match &edit.source {
            Some(ResolvedSource::Runs { units, .. }) => &units[application.example],
            _ => &[],
        };
        let mut before = vec![0.0; stretch];
        let mut read: Vec<Vec<f32>> = vec![vec![0.0; stretch]; sources.len()];
        for (index, &position) in unit.positions.iter().enumerate() {
            let row = self.rows.packed(self.tree, Stem::Fork(fork), position);
            for (number, head) in own_heads.iter().enumerate() {
                for ((run, unit), values) in sources.iter().zip(&mut read) {
                    let run = self.source_run(application, *run);
                    let row = self.rows.packed(self.tree, Stem::Trunk(run), unit.positions[index]);
                    let head = unit.heads.as_deref().unwrap_or(&all)[number];
                    let start = row * host.width + head * stretch;
                    values.copy_from_slice(&host.values[start..start + stretch]);
                }
                let start = row * host.width + head * stretch;
                let own = &mut host.values[start..start + stretch];
                before.copy_from_slice(own);
                let read: Vec<&[f32]> = read.iter().map(Vec::as_slice).collect();
                guarded(|| edit.intervention.apply_in_place(own, &read))
                    .map_err(|panic| apply::panicked(edit, read.len(), panic))?;
                tally.add(&before, own);
                if let Some(&value) = own.iter().find(|value| !value.is_finite()) {
                    return Err(RunError::NotFinite {
                        intervention: edit.intervention.name(),
                        site: edit.site,
                        value: value.into(),
                        example: application.example,
                    });
                }
            }
        }
        Ok(tally.outcome())
    }

    /// The values that an edit reads.
    pub(super) fn read(
        &self,
        fork: usize,
        step: usize,
        edit: usize,
        here: Option<RowsHere<'_>>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let application = &self.tree.forks[fork].steps[step].edits[edit];
        if application.edit().reads_current().is_some() {
            let kept = self.found.current.get(&(fork, step, edit)).into_iter();
            return kept
                .map(|kept| apply::read_current(self.config, *application, kept, before))
                .collect();
        }
        self.read_runs(application, here, before)
    }

    /// The same for edits that read anything but their own run.
    fn read_runs(
        &self,
        application: &Application<'_>,
        here: Option<RowsHere<'_>>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let (edit, config) = (application.edit(), self.config);
        let (site, units) = match &edit.source {
            None | Some(ResolvedSource::Current(_)) => return Ok(Vec::new()),
            Some(ResolvedSource::Given(values)) => {
                let values = values[application.example].iter();
                return values.map(|values| apply::given(values, before)).collect();
            }
            Some(ResolvedSource::Runs { site, units }) => (*site, &units[application.example]),
        };
        let read = |(run, unit): &(_, crate::plan::Unit)| {
            let run = self.source_run(application, *run);
            if let (true, Some(here)) = (reads_in_passing(edit), here) {
                let rows = self.rows.all_packed(self.tree, Stem::Trunk(run), &unit.positions);
                let all: Vec<usize> = (0..rows.len()).collect();
                return apply::read_rows(config, edit, &here(&rows)?, &all, unit, before);
            }
            let kept = self.kept.get(&(run, site)).ok_or(RunError::NotTraced { site })?;
            match site.component().is_pattern() {
                true => apply::read_pattern(kept, unit),
                false => apply::read_rows(config, edit, kept, &unit.positions, unit, before),
            }
        };
        units.iter().map(read).collect()
    }

    /// Applies leaves' edits of their logits.
    pub(super) fn edit_logits<O: Operations>(
        &mut self,
        operations: &O,
        logits: &mut O::Tensor,
    ) -> Result<(), RunError> {
        for (index, leaf) in self.tree.leaves.iter().enumerate() {
            for (edit, _) in
                leaf.marks.iter().enumerate().filter(|(_, m)| matches!(m, Mark::Logits))
            {
                let application = Application::new(leaf.plan, edit, leaf.example);
                let rows = self.found.readouts.whole_rows(index, &application.unit().positions);
                let own = operations.values(logits, &rows)?;
                let all: Vec<usize> = (0..rows.len()).collect();
                let read = |before: &Tensor| self.read_runs(&application, None, before);
                let (after, receipt) = application.edit_rows(self.config, &own, &all, &read)?;
                operations.set_values(logits, &rows, &after)?;
                self.found.on_logits.insert((index, edit), receipt.outcome);
            }
        }
        Ok(())
    }
}
