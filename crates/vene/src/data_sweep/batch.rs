//! A batch of rows: all its interventions in as few passes as the memory allows.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_model::{Outline, Prompt};
use vene_table::Table;

use super::edits::{Side, Variant};
use super::{DataSweep, DataSweepError, Direction, Means, noise, partners, table};
use crate::data::Reason;
use crate::engine::{Executor, PlanOutcome};
use crate::error::RunError;
use crate::metric::RowRun;
use crate::plan::{Example, Outcome, Plan, Positions, ResolvedPlan};
use crate::sweep::cell_name;

/// A batch of rows.
pub(super) struct Batch<'a> {
    pub(super) sweep: &'a DataSweep,
    pub(super) outline: &'a Outline,
    pub(super) executor: &'a dyn Executor,
    pub(super) means: &'a Means,
    pub(super) range: Range<usize>,
}

/// What one direction of a batch measured.
pub(super) struct Measured {
    pub(super) direction: Direction,
    /// For each row and metric of the edited run before any cell's edit.
    pub(super) base: Vec<Vec<f64>>,
    /// Likewise of the other prompt's run, where a row has one.
    pub(super) other: Vec<Option<Vec<f64>>>,
    /// For each map (the real one, then the controls), cell and row.
    pub(super) cells: Vec<Vec<Vec<Seen>>>,
}

/// What a cell's edited runs showed of a row, on the way to a mean over draws.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// For each metric.
    pub(super) values: Vec<f64>,
    /// The root mean square of the change at the site, averaged over draws and layers.
    pub(super) change: f64,
    /// Whether something changed in any draw, or base and source are the same there in all.
    changed: bool,
    shared_prefix: bool,
}

impl Seen {
    /// Why nothing changed, where nothing did.
    pub(super) fn note(&self) -> Option<&'static str> {
        match (self.changed, self.shared_prefix) {
            (true, _) => None,
            (false, true) => Some("unchanged: shared prefix"),
            (false, false) => Some("unchanged: same values"),
        }
    }
}

/// What a plan of a batch is for.
pub(super) enum Job {
    Base,
    /// The other run, of the rows at these places.
    Other {
        places: Vec<(usize, usize)>,
    },
    Cell {
        map: usize,
        cell: usize,
        own: Range<usize>,
    },
}

/// Refuses a sweep any cell of which cannot be planned, in its first row.
pub(super) fn check(sweep: &DataSweep, outline: &Outline) -> Result<(), DataSweepError> {
    let means = Means::zeros(sweep, outline.config());
    for &direction in &sweep.directions {
        plans_ahead(sweep, outline, &means, 0..1, direction)?;
    }
    Ok(())
}

/// Rows, by index, that cannot be run with the others: each may be named several times.
pub(super) fn unusable(
    sweep: &DataSweep,
    outline: &Outline,
) -> Result<Vec<(usize, Reason)>, DataSweepError> {
    let lacking = partners::lacking(sweep);
    if !lacking.is_empty() {
        return Ok(lacking);
    }
    let means = Means::zeros(sweep, outline.config());
    let mut blind = Vec::new();
    for &direction in &sweep.directions {
        blind.extend(Side::new(sweep, outline, &means, 0..sweep.rows.len(), direction)?.blind());
    }
    Ok(blind)
}

/// The plans of a batch in all directions, nothing known yet of means and distributions; those of
/// cells with which of their edits are the cell's own.
#[allow(clippy::type_complexity)]
pub(super) fn first_plans(
    sweep: &DataSweep,
    outline: &Outline,
    range: Range<usize>,
) -> Result<Vec<(Option<Range<usize>>, ResolvedPlan)>, DataSweepError> {
    let means = Means::zeros(sweep, outline.config());
    let mut all = Vec::new();
    for &direction in &sweep.directions {
        let own = |job| match job {
            Job::Cell { own, .. } => Some(own),
            _ => None,
        };
        let plans = plans_ahead(sweep, outline, &means, range.clone(), direction)?.into_iter();
        all.extend(plans.map(|(job, plan)| (own(job), plan)));
    }
    Ok(all)
}

/// The plans of one direction of a batch, nothing known yet of means and distributions.
fn plans_ahead(
    sweep: &DataSweep,
    outline: &Outline,
    means: &Means,
    range: Range<usize>,
    direction: Direction,
) -> Result<Vec<(Job, ResolvedPlan)>, DataSweepError> {
    let side = Side::new(sweep, outline, means, range, direction)?;
    plans(sweep, outline, &side)
}

/// Everything that is run for one direction of a batch.
fn plans(
    sweep: &DataSweep,
    outline: &Outline,
    side: &Side<'_>,
) -> Result<Vec<(Job, ResolvedPlan)>, DataSweepError> {
    let reading = side.reading();
    let plan = |edits: Vec<_>| {
        let plan = edits.into_iter().fold(reading.clone(), Plan::edit);
        plan.resolve_shared(outline, &side.examples)
    };
    let draws = sweep.treatment.draws();
    let mut plans = Vec::new();
    let corrupted = side.corruption(0);
    for draw in 0..if corrupted.is_empty() { 1 } else { draws } {
        plans.push((Job::Base, plan(side.corruption(draw))?));
    }
    plans.extend(other_plan(sweep, outline, side)?);
    let maps = std::iter::once(None).chain(sweep.controls.iter().copied().map(Some));
    for (map, control) in maps.enumerate() {
        for (cell, &place) in sweep.cells.iter().enumerate() {
            for draw in 0..draws {
                let (edits, own) = side.edits(place, Variant { control, draw })?;
                plans.push((Job::Cell { map, cell, own }, plan(edits)?));
            }
        }
    }
    Ok(plans)
}

/// The other run of the rows that have one.
fn other_plan(
    sweep: &DataSweep,
    outline: &Outline,
    side: &Side<'_>,
) -> Result<Option<(Job, ResolvedPlan)>, DataSweepError> {
    let (mut places, mut examples) = (Vec::new(), Vec::new());
    let (mut read, mut collected) = (Vec::new(), Vec::new());
    for &(row, run) in &side.places {
        let prepared = &side.rows[row];
        let Some((prompt, positions)) = side.other_run(prepared) else { continue };
        let continuation = &prepared.answers.runs[run];
        examples.push(Example::new(continuation.behind(prompt, outline)?));
        read.push(continuation.positions_behind(prompt));
        collected.push(positions);
        places.push((row, run));
    }
    if examples.is_empty() {
        return Ok(None);
    }
    let plan = Plan::new().read(Positions::Each(read)).outputs(side.outputs(&places));
    let plan = sweep.meter.collecting(plan, |site| {
        collected.iter().map(|positions| positions[site].clone()).collect()
    });
    Ok(Some((Job::Other { places }, plan.resolve(outline, &examples)?)))
}

impl Batch<'_> {
    pub(super) fn run(
        &self,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Table, DataSweepError> {
        let mut done = 0;
        let mut measured = Vec::new();
        for &direction in &self.sweep.directions {
            let side = self.side(self.range.clone(), direction)?;
            measured.push(self.measure(&side, direction, &mut |more| {
                done += more;
                progress(done)
            })?);
        }
        let mut noise = Vec::new();
        for (number, place) in noise::places(self.sweep).iter().enumerate() {
            if self.range.contains(&place.row) {
                let squares = noise::squares(self, place)?;
                noise.extend(squares.map(|squares| (number, squares)));
            }
        }
        Ok(table::of(self.sweep, &self.sweep.rows[self.range.clone()], &measured, &noise)?)
    }

    fn measure(
        &self,
        side: &Side<'_>,
        direction: Direction,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Measured, DataSweepError> {
        let sweep = self.sweep;
        let (jobs, plans): (Vec<Job>, Vec<ResolvedPlan>) =
            plans(sweep, self.outline, side)?.into_iter().unzip();
        let rows = side.rows.len();
        let maps = 1 + sweep.controls.len();
        let mut measured = Measured {
            direction,
            base: vec![vec![0.0; sweep.meter.len()]; rows],
            other: vec![None; rows],
            cells: vec![vec![vec![Seen::default(); rows]; sweep.cells.len()]; maps],
        };
        let bases = jobs.iter().filter(|job| matches!(job, Job::Base)).count() as f64;
        sweep.meter.run_all(self.executor, &plans, &mut |index, outcome| {
            let values = self.values(side, &jobs[index], &outcome)?;
            match &jobs[index] {
                Job::Base => {
                    for (sum, values) in measured.base.iter_mut().zip(values) {
                        add(sum, &values.unwrap_or_default(), bases);
                    }
                }
                Job::Other { .. } => measured.other = values,
                Job::Cell { map, cell, own } => {
                    let seen = &mut measured.cells[*map][*cell];
                    take(seen, values, &outcome, side, own, sweep.treatment.draws());
                    return Ok(progress(rows));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(measured)
    }

    /// One direction of some rows, with what metrics compare their runs with.
    pub(super) fn side(
        &self,
        rows: Range<usize>,
        direction: Direction,
    ) -> Result<Side<'_>, DataSweepError> {
        let mut side = Side::new(self.sweep, self.outline, self.means, rows, direction)?;
        if self.sweep.meter.reads().unedited {
            let prompts: Vec<&Prompt> = side.rows.iter().map(|row| side.edited(row)).collect();
            let read = self.executor.predict(&prompts)?.into_iter();
            side.unedited = read.map(|distribution| Some(Arc::new(distribution))).collect();
        }
        Ok(side)
    }

    /// What a plan's runs say, for each row of the batch and each metric; `None` for rows that it has
    /// no run of.
    pub(super) fn values(
        &self,
        side: &Side<'_>,
        job: &Job,
        outcome: &PlanOutcome,
    ) -> Result<Vec<Option<Vec<f64>>>, RunError> {
        let places = match job {
            Job::Other { places } => places,
            Job::Base | Job::Cell { .. } => &side.places,
        };
        let mut showed = vec![Vec::new(); side.rows.len()];
        for (&(row, _), example) in places.iter().zip(&outcome.examples) {
            showed[row].push(example);
        }
        let of_row = |(index, showed): (usize, Vec<_>)| {
            let row = &side.rows[index];
            let run = match job {
                Job::Other { .. } => side.other_run(row),
                Job::Base | Job::Cell { .. } => Some(side.edited_run(row)),
            };
            let Some((prompt, positions)) = run.filter(|_| !showed.is_empty()) else {
                return Ok(None);
            };
            let (answers, unedited) = (&row.answers, side.unedited[index].as_deref());
            let run = RowRun { answers, prompt, positions, unedited, showed };
            let name = || self.name_of(job, side.direction);
            Ok(Some(self.sweep.meter.values(&run, || row.name().to_string(), name)?))
        };
        showed.into_iter().enumerate().map(of_row).collect()
    }

    /// What a run is, for messages.
    fn name_of(&self, job: &Job, direction: Direction) -> String {
        let (map, cell) = match job {
            Job::Base => return "the run before any edit".to_owned(),
            Job::Other { .. } => return "the other run".to_owned(),
            Job::Cell { map, cell, .. } => (*map, self.sweep.cells[*cell]),
        };
        let position = cell.role.map(|role| self.sweep.roles[role].to_string());
        let mut name = cell_name(cell.component, cell.layer, cell.head, position);
        name.push_str(&format!(", {}", direction.name()));
        if let Some(control) = map.checked_sub(1) {
            name.push_str(&format!(", control {}", self.sweep.controls[control].name()));
        }
        name
    }
}

/// Adds values as one of so many.
fn add(sums: &mut Vec<f64>, values: &[f64], of: f64) {
    sums.resize(values.len(), 0.0);
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value / of;
    }
}

/// Takes what one draw of a cell showed, for each row.
fn take(
    seen: &mut [Seen],
    values: Vec<Option<Vec<f64>>>,
    outcome: &PlanOutcome,
    side: &Side<'_>,
    own: &Range<usize>,
    draws: usize,
) {
    for (seen, values) in seen.iter_mut().zip(values) {
        add(&mut seen.values, &values.unwrap_or_default(), draws as f64);
    }
    let share = (draws * own.len()) as f64;
    for receipt in outcome.receipts.iter().filter(|receipt| own.contains(&receipt.edit)) {
        let (row, run) = side.places[receipt.example];
        let seen = &mut seen[row];
        match &receipt.outcome {
            Outcome::Changed(change) => {
                seen.changed = true;
                // The first run stands for all: they are the same up to the prompt's end.
                if run == 0 {
                    seen.change += change.root_mean_square / share;
                }
            }
            Outcome::SharedPrefix => seen.shared_prefix = true,
            Outcome::SameValues | Outcome::NotEdited => {}
        }
    }
}
