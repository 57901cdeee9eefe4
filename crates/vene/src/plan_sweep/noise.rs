//! The noise floor of a plan over a data set: a few of its effects, computed in another way.

use std::ops::{ControlFlow, Range};

use vene_engine::Executor;
use vene_model::Outline;
use vene_random::Draws;

use super::batch::{Job, Measured, Rows, has_changed};
use super::{PlanSweep, PlanSweepError};

/// In so many rows, at most.
const ROWS: usize = 8;

/// What the draw of rows is for.
const SEED: u64 = 0x004E_4F49_5345;

/// The rows in which noise is measured, by index among all, and the run of the grid: the same for equal sweeps.
fn places(sweep: &PlanSweep) -> Vec<(usize, usize)> {
    let place = |number: usize| {
        let mut draws = Draws::new([SEED, sweep.seed, number as u64]);
        (draws.below(sweep.rows.len()), draws.below(sweep.grid.runs.len()))
    };
    (0..ROWS).map(place).collect()
}

/// Measures the noise in those of the rows that a batch has.
pub(super) fn measure(
    sweep: &PlanSweep,
    outline: &Outline,
    executor: &dyn Executor,
    range: Range<usize>,
    measured: &mut Measured,
) -> Result<(), PlanSweepError> {
    // What compares with an unedited run has its own noise in both.
    if sweep.meter.len() == 0 || sweep.meter.reads().unedited {
        return Ok(());
    }
    let Some(twin) = executor.twin() else { return Ok(()) };
    let places = places(sweep).into_iter().enumerate();
    let is_own = |row: &usize, run: &usize| range.contains(row) && sweep.own_runs.contains(run);
    for (number, (row, run)) in places.filter(|(_, (row, run))| is_own(row, run)) {
        let rows = Rows::new(sweep, outline, row..row + 1)?;
        let plans = [rows.base()?, rows.edited(run)?];
        let effects = |executor: &dyn Executor| -> Result<Option<Vec<f64>>, PlanSweepError> {
            let (mut values, mut changes) = ([None, None], false);
            sweep.meter.run_all(executor, &plans, &mut |index, outcome| {
                let job = if index == 0 { Job::Base } else { Job::Edited(run) };
                values[index] = rows.values(job, &outcome)?.into_iter().next().flatten();
                changes |= outcome.receipts.iter().any(has_changed);
                Ok(ControlFlow::Continue(()))
            })?;
            let [Some(base), Some(edited)] = values else { return Ok(None) };
            let effects = edited.iter().zip(&base).map(|(edited, base)| edited - base);
            Ok(changes.then(|| effects.collect()))
        };
        let (Some(one), Some(other)) = (effects(executor)?, effects(twin.as_ref())?) else {
            continue;
        };
        let squares = one.iter().zip(&other).map(|(one, other)| (one - other) * (one - other));
        measured.noise.push((number, squares.collect()));
    }
    Ok(())
}
