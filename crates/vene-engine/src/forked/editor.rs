//! Edits of a pass: the one place in it where interventions are applied.
//!
//! The forks that edit at a site edit rows of their own, so that their first edits there can be made together, then
//! their second ones. Edits by one intervention that treats row by row are one call, whatever examples they are of.
//! What works on each value by itself is written where the values lie, without any call of a tensor's operation.

use std::collections::HashSet;

use candle_core::Tensor;
use vene_files::guarded;
use vene_intervention::UnitContext;
use vene_model::{HostRows, Operations};

use super::identity::InterventionId;
use super::pass::ForkedPass;
use super::tree::{RunId, StepEdit};
use crate::apply::{self, Application};
use crate::error::RunError;
use crate::measure;
use crate::plan::{Outcome, ResolvedSource, Tally, Unit};

/// What a read finds at the site that is being visited: the rows it asks for.
pub(super) type RowsHere<'a> = &'a dyn Fn(&[usize]) -> Result<Tensor, RunError>;

/// The rows that a step edits, taken out of the packed ones.
struct Taken {
    fork: usize,
    step: usize,
    /// Ascending.
    positions: Vec<usize>,
    /// Where the rows are among the packed ones.
    places: Vec<usize>,
    /// `[positions, width]`.
    values: Tensor,
}

/// Edits that are one call of their intervention: indices of [`Taken`].
struct Together {
    number: usize,
    members: Vec<usize>,
}

impl<O: Operations> ForkedPass<'_, O> {
    /// Applies steps of forks at the site that is being visited, those that are read there first.
    pub(super) fn edit(
        &mut self,
        operations: &O,
        steps: &[(usize, usize)],
        tensor: &mut O::Tensor,
    ) -> Result<(), RunError> {
        let mut left: Vec<(usize, usize)> = steps.to_vec();
        while !left.is_empty() {
            let here: HashSet<usize> = left.iter().map(|(fork, _)| *fork).collect();
            let (mut waiting, mut ready): (Vec<_>, Vec<_>) =
                left.iter().partition(|(fork, step)| {
                    let edits = &self.tree.forks[*fork].steps[*step].edits;
                    let mut read = edits.iter().flat_map(|edit| self.tree.read_in_passing(edit));
                    read.any(|(run, _)| {
                        let mut forks = self.tree.line(run).filter_map(RunId::fork);
                        forks.any(|fork| here.contains(&fork))
                    })
                });
            // Runs never read each other in a circle.
            if ready.is_empty() {
                std::mem::swap(&mut waiting, &mut ready);
            }
            left = waiting;
            self.edit_at_once(operations, &ready, tensor)?;
        }
        Ok(())
    }

    /// Applies steps that read nothing of each other.
    fn edit_at_once(
        &mut self,
        operations: &O,
        steps: &[(usize, usize)],
        tensor: &mut O::Tensor,
    ) -> Result<(), RunError> {
        let mut taken = Vec::new();
        for &(fork, step) in steps {
            if let Some(host) = operations.host(tensor)
                && self.edit_in_place(fork, step, host)?
            {
                continue;
            }
            taken.push(self.take(operations, fork, step, tensor)?);
        }
        if taken.is_empty() {
            return Ok(());
        }
        let here = |rows: &[usize]| Ok(operations.values(tensor, rows)?);
        let edits = |taken: &Taken| self.tree.forks[taken.fork].steps[taken.step].edits.len();
        for number in 0..taken.iter().map(edits).max().unwrap_or(0) {
            for together in self.together(&taken, number) {
                self.edit_together(&mut taken, &together, &here)?;
            }
        }
        // The rows of all forks at once: where tensors are immutable, each write is a copy of all.
        let places: Vec<usize> =
            taken.iter().flat_map(|taken| taken.places.iter().copied()).collect();
        let values: Vec<&Tensor> = taken.iter().map(|taken| &taken.values).collect();
        operations.set_values(tensor, &places, &Tensor::cat(&values, 0)?)?;
        Ok(())
    }

    fn take(
        &self,
        operations: &O,
        fork: usize,
        step: usize,
        tensor: &O::Tensor,
    ) -> Result<Taken, RunError> {
        let mut positions: Vec<usize> = self.tree.forks[fork].steps[step].positions().collect();
        positions.sort_unstable();
        positions.dedup();
        let places = self.rows.all_places(self.tree, RunId::Fork(fork), &positions);
        let values = operations.values(tensor, &places)?;
        Ok(Taken { fork, step, positions, places, values })
    }

    /// Which of the steps' edits of this number are one call.
    fn together(&self, taken: &[Taken], number: usize) -> Vec<Together> {
        let mut groups: Vec<Together> = Vec::new();
        let mut known = std::collections::HashMap::new();
        for (index, taken) in taken.iter().enumerate() {
            let Some(edit) = self.tree.forks[taken.fork].steps[taken.step].edits.get(number) else {
                continue;
            };
            let next = groups.len();
            let group = match alike(edit) {
                Some(key) => *known.entry(key).or_insert(next),
                None => next,
            };
            if group == next {
                groups.push(Together { number, members: Vec::new() });
            }
            groups[group].members.push(index);
        }
        groups
    }

    /// One call of an intervention, for all rows of several forks.
    fn edit_together(
        &mut self,
        taken: &mut [Taken],
        together: &Together,
        here: RowsHere<'_>,
    ) -> Result<(), RunError> {
        let (tree, number) = (self.tree, together.number);
        let edit_of = |taken: &Taken| &tree.forks[taken.fork].steps[taken.step].edits[number];
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        let mut sources: Vec<Vec<Tensor>> = Vec::new();
        for &member in &together.members {
            let (member, edit) = (&taken[member], edit_of(&taken[member]));
            let before =
                edit.application.gather(self.config, &member.values, &member.written(edit))?;
            let read = self.read(member.fork, member.step, number, Some(here), &before)?;
            for (place, source) in read.into_iter().enumerate() {
                if sources.len() == place {
                    sources.push(Vec::new());
                }
                sources[place].push(edit.application.as_handed_over(&source)?);
            }
            positions.extend(&edit.unit().positions);
            rows.push(edit.application.as_handed_over(&before)?);
        }
        let Some(&first) = together.members.first() else { return Ok(()) };
        let mut first = *edit_of(&taken[first]);
        first.application.step = self.step();
        let before = joined(&rows)?;
        let sources = sources.iter().map(|parts| joined(parts)).collect::<Result<Vec<_>, _>>()?;
        let columns = first.application.columns(self.config, &before)?;
        let context =
            UnitContext { positions: &positions, ..first.application.context(&columns, None) };
        let after = apply::applied(first.edit(), &before, &sources, context)?;
        let after = self.remembered(after);
        let counts = rows.iter().map(|rows| rows.dim(0)).collect::<Result<Vec<_>, _>>()?;
        let tallies = measure::tallies(first.edit().site, &before, &after, &counts)?;
        let mut start = 0;
        for ((&index, count), tally) in together.members.iter().zip(counts).zip(tallies) {
            let member = &mut taken[index];
            let after = after.narrow(0, start, count)?;
            start += count;
            let edit = tree.forks[member.fork].steps[member.step].edits[number];
            let tally = edit.application.checked(tally)?;
            self.found.outcomes[member.fork][member.step].push(tally.outcome());
            let written = member.written(&edit);
            member.values =
                edit.application.put_back(self.config, &member.values, &written, &after)?;
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
        let works = |step_edit: &StepEdit<'_>| {
            let edit = step_edit.edit();
            let mut read = self.tree.runs_read(step_edit);
            let is_here = match &edit.source {
                None => true,
                Some(ResolvedSource::Runs { .. }) => {
                    read.all(|(run, _)| self.tree.reads_in_passing(edit, run))
                }
                Some(_) => false,
            };
            is_here && edit.intervention.traits().is_in_place()
        };
        if !edits.iter().all(works) {
            return Ok(false);
        }
        for edit in edits {
            let outcome = self.apply_in_place(fork, edit, &mut host)?;
            self.found.outcomes[fork][step].push(outcome);
        }
        Ok(true)
    }

    fn apply_in_place(
        &self,
        fork: usize,
        step_edit: &StepEdit<'_>,
        host: &mut HostRows<'_>,
    ) -> Result<Outcome, RunError> {
        let (edit, unit) = (step_edit.edit(), step_edit.unit());
        let heads = edit.site.component().heads(self.config).filter(|_| unit.heads.is_some());
        let stretch = host.width / heads.unwrap_or(1);
        let all = [0];
        let (own_heads, mut tally) = (unit.heads.as_deref().unwrap_or(&all), Tally::default());
        let sources: Vec<(RunId, &Unit)> = self.tree.runs_read(step_edit).collect();
        let mut before = vec![0.0; stretch];
        let mut read: Vec<Vec<f32>> = vec![vec![0.0; stretch]; sources.len()];
        for (index, &position) in unit.positions.iter().enumerate() {
            let row = self.rows.place(self.tree, RunId::Fork(fork), position);
            for (number, head) in own_heads.iter().enumerate() {
                for ((run, unit), values) in sources.iter().zip(&mut read) {
                    let row = self.rows.place(self.tree, *run, unit.positions[index]);
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
                tally.add(&before, own, false);
            }
        }
        Ok(step_edit.application.checked(tally)?.outcome())
    }

    /// The step of the training that is going on, if one is.
    pub(super) fn step(&self) -> Option<u64> {
        self.training.and_then(|training| training.step)
    }

    /// Edited values, without what they were made of where no gradient is wanted.
    pub(super) fn remembered(&self, edited: Tensor) -> Tensor {
        if self.training.is_some_and(|training| training.detaches) {
            edited.detach()
        } else {
            edited
        }
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
        let application = self.tree.forks[fork].steps[step].edits[edit].application;
        self.read_for(application, (fork, step, edit), here, before)
    }

    /// The values that an application of an edit reads, which may be of one of its positions only.
    pub(super) fn read_for(
        &self,
        application: Application<'_>,
        (fork, step, edit): (usize, usize, usize),
        here: Option<RowsHere<'_>>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let step_edit = &self.tree.forks[fork].steps[step].edits[edit];
        let (edit, config, place) = (application.edit(), self.config, (fork, step, edit));
        let site = match &edit.source {
            None => return Ok(Vec::new()),
            Some(ResolvedSource::Current(_)) => {
                let kept = self.found.current.get(&place).into_iter();
                return kept
                    .map(|kept| apply::read_current(config, application, kept, before))
                    .collect();
            }
            Some(ResolvedSource::Given(values)) => {
                let values = values[application.example].iter();
                return values.map(|values| application.given(values, before)).collect();
            }
            Some(ResolvedSource::Runs { site, .. }) => *site,
        };
        let read = |(run, unit): (RunId, &Unit)| {
            if let (true, Some(here)) = (self.tree.reads_in_passing(edit, run), here) {
                let rows = self.rows.all_places(self.tree, run, &unit.positions);
                let all: Vec<usize> = (0..rows.len()).collect();
                return apply::read_rows(config, edit, &here(&rows)?, &all, unit, before);
            }
            let found = self.activations.find(run, site, &unit.positions);
            let (kept, rows) = found.ok_or(RunError::NotTraced { site })?;
            if site.component().is_pattern() {
                apply::read_pattern(kept, unit)
            } else {
                application.read_run(config, kept, &rows, unit, before)
            }
        };
        self.tree.runs_read(step_edit).map(read).collect()
    }

    /// Applies steps of forks to their logits.
    pub(super) fn edit_logits(
        &mut self,
        operations: &O,
        steps: &[(usize, usize)],
        logits: &mut O::Tensor,
    ) -> Result<(), RunError> {
        for &(fork, step) in steps {
            for (number, edit) in self.tree.forks[fork].steps[step].edits.iter().enumerate() {
                let application = Application { step: self.step(), ..edit.application };
                let rows = self.found.readouts.edited_rows(fork, &edit.unit().positions);
                let own = operations.values(logits, &rows)?;
                let all: Vec<usize> = (0..rows.len()).collect();
                let read = |before: &Tensor| self.read(fork, step, number, None, before);
                let (after, tally) = application.edit_rows(self.config, &own, &all, &read)?;
                operations.set_values(logits, &rows, &self.remembered(after))?;
                self.found.outcomes[fork][step].push(tally.outcome());
            }
        }
        Ok(())
    }
}

impl Taken {
    /// The rows that an edit writes, among those that were taken out.
    fn written(&self, edit: &StepEdit<'_>) -> Vec<usize> {
        let row = |position: &usize| self.positions.binary_search(position).ok();
        edit.unit().positions.iter().filter_map(row).collect()
    }
}

/// One tensor after the other.
fn joined(parts: &[Tensor]) -> candle_core::Result<Tensor> {
    match parts {
        [one] => Ok(one.clone()),
        parts => Tensor::cat(parts, 0),
    }
}

/// What edits have in common that can be one call, if they may be at all: the intervention, the heads and coordinates,
/// and the number of sources.
type Alike<'a> = (InterventionId, Option<&'a [usize]>, Option<&'a [usize]>, usize);

fn alike<'a>(edit: &StepEdit<'a>) -> Option<Alike<'a>> {
    let (example, intervention) = (edit.application.example, edit.intervention);
    let edit = edit.edit();
    if edit.concatenated || !edit.intervention.traits().is_by_row() {
        return None;
    }
    let sources = match &edit.source {
        None => 0,
        Some(ResolvedSource::Current(_)) => 1,
        Some(ResolvedSource::Runs { units, .. }) => units[example].len(),
        Some(ResolvedSource::Given(values)) => values[example].len(),
    };
    let subspace = edit.subspaces.as_ref().map(|subspaces| subspaces[example].as_slice());
    Some((intervention, edit.units[example].heads.as_deref(), subspace, sources))
}
