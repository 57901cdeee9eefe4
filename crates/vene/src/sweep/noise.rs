//! The noise floor of a sweep over rows: a few of its effects, computed in another way.
//!
//! As in a sweep over one pair (`pair_noise.rs`), the executor and its twin
//! ([`Executor::twin`](crate::Executor::twin)) compute the same effects, at a few places of a few rows.
//! Places are drawn from all rows, so that they do not depend on how the rows are cut into batches;
//! each batch measures those in its own.

use std::ops::ControlFlow;

use vene_engine::Executor;
use vene_engine::plan::{Edit, Outcome, Plan, ResolvedPlan};
use vene_random::Draws;

use super::batch::{Batch, Job};
use super::edits::{Side, Variant};
use super::{Direction, Sweep};
use crate::sweep::SweepError;

/// At most so many places.
const PLACES: usize = 8;

/// Cells that are tried at a place, until one changes something.
const TRIES: usize = 8;

/// What the draw of places is for.
const SEED: u64 = 0x004E_4F49_5345;

/// A row in which noise is measured.
pub(super) struct NoisePlace {
    /// By index among all rows.
    pub(super) row: usize,
    pub(super) direction: Direction,
    /// Cells, by index, in the order in which they are tried.
    cells: Vec<usize>,
}

/// The places of a sweep: the same for equal sweeps.
pub(super) fn places(sweep: &Sweep) -> Vec<NoisePlace> {
    if sweep.rows.is_empty() || sweep.directions.is_empty() {
        return Vec::new();
    }
    let place = |number: usize| {
        let mut draws = Draws::new([SEED, sweep.seed, number as u64]);
        let row = draws.below(sweep.rows.len());
        let direction = sweep.directions[draws.below(sweep.directions.len())];
        let mut cells = draws.order(sweep.cells.len());
        cells.truncate(TRIES);
        NoisePlace { row, direction, cells }
    };
    (0..PLACES).map(place).collect()
}

/// For each metric the square of what an effect differs in between the batch's executor and its twin;
/// `None` where there is no twin, or where nothing changes at this place.
pub(super) fn squares(
    batch: &Batch<'_>,
    place: &NoisePlace,
) -> Result<Option<Vec<f64>>, SweepError> {
    let Some(twin) = batch.executor.twin() else { return Ok(None) };
    let sides = batch.sides(place.row..place.row + 1, place.direction)?;
    let Some(side) = sides.first() else { return Ok(None) };
    let plan = |edits: Vec<Edit>| {
        let plan = edits.into_iter().fold(side.reading(), Plan::edit);
        plan.resolve_shared(batch.outline, &side.examples)
    };
    for &cell in &place.cells {
        let (edits, own) =
            side.edits(batch.sweep.cells[cell], Variant { control: None, draw: 0 })?;
        let plans = [plan(side.corruption(0))?, plan(edits)?];
        let jobs = [Job::Base, Job::Cell { map: 0, cell, own }];
        let effect = |executor: &dyn Executor| effects(batch, side, executor, &plans, &jobs);
        let Some(effects) = effect(batch.executor)? else { continue };
        let Some(again) = effect(twin.as_ref())? else { continue };
        let differences = effects.iter().zip(again).map(|(effect, again)| effect - again);
        return Ok(Some(differences.map(|difference| difference * difference).collect()));
    }
    Ok(None)
}

/// For each metric the effect of the second plan as seen against the first; `None` where the cell's own
/// edits changed nothing.
fn effects(
    batch: &Batch<'_>,
    side: &Side<'_>,
    executor: &dyn Executor,
    plans: &[ResolvedPlan; 2],
    jobs: &[Job; 2],
) -> Result<Option<Vec<f64>>, SweepError> {
    let (mut values, mut changes) = ([None, None], false);
    batch.sweep.meter.run_all(executor, plans, &mut |index, outcome| {
        let found = batch.values(side, &jobs[index], &outcome)?.into_iter().next();
        values[index] = found.flatten().map(|numbers| numbers.metrics);
        if let Job::Cell { own, .. } = &jobs[index] {
            let mut own = outcome.receipts.iter().filter(|receipt| own.contains(&receipt.edit));
            changes = own.any(|receipt| matches!(receipt.outcome, Outcome::Changed(_)));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let [Some(base), Some(edited)] = values else { return Ok(None) };
    let effects = edited.iter().zip(&base).map(|(edited, base)| edited - base).collect();
    Ok(changes.then_some(effects))
}
