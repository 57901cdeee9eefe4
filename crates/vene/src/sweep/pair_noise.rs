//! The noise of the computation in a sweep over a pair: what an effect comes to when it is computed in another way.
//!
//! At a few places the sweep's own plans are run a second time by an executor that does the same in
//! another way, on the same weights in memory ([`Executor::twin`](crate::Executor::twin)): runs whole
//! instead of forked. Without rounding both would give the same effect; the root mean square of what
//! they differ in is the noise floor, in the precision in use. An effect that is not well above it is
//! none.

use std::ops::ControlFlow;

use vene_engine::plan::ResolvedPlan;
use vene_model::Outline;
use vene_random::Draws;

use super::Sweep;
use super::batch::{Batch, Measured, Wanted, pair_plans, shared_prefixes};
use super::outcome::Numbers;
use crate::sweep::SweepError;

/// At most so many places of each direction.
const PLACES: usize = 4;

/// What the draw of places is for.
const SEED: u64 = 0x004E_4F49_5345;

/// The noise of a pair's numbers.
pub(super) struct PairNoise {
    /// The root mean square of what effects differ in.
    pub(super) floor: Numbers,
    /// By the number of a place what effects on each metric differ in there, squared.
    pub(super) squares: Vec<(usize, Vec<f64>)>,
}

/// For each direction the cells, by index, at which noise is measured: drawn among those that may change something, the
/// same for equal sweeps.
pub(super) fn cells(sweep: &Sweep, outline: &Outline) -> Result<Vec<Vec<usize>>, SweepError> {
    let count = sweep.cells.len();
    let of_direction = |shared: Vec<bool>| {
        let order = Draws::new([SEED, count as u64]).order(count);
        let may_change = |cell: &usize| !shared[*cell];
        let mut cells: Vec<usize> = order.into_iter().filter(may_change).take(PLACES).collect();
        cells.sort_unstable();
        cells
    };
    Ok(shared_prefixes(sweep, outline)?.into_iter().map(of_direction).collect())
}

/// What is run a second time: the run before any edit, then the cells.
pub(super) fn plans(sweep: &Sweep, outline: &Outline) -> Result<Vec<ResolvedPlan>, SweepError> {
    let mut all = Vec::new();
    for (&direction, cells) in sweep.directions.iter().zip(sweep.noise_cells.iter().flatten()) {
        if !cells.is_empty() {
            all.extend(pair_plans(sweep, outline, direction, cells)?);
        }
    }
    Ok(all)
}

/// What effects differ in, where they are computed by the batch's executor and by its twin; `None`
/// where there is no twin or no place.
pub(super) fn measured(
    batch: &Batch<'_>,
    measured: &[Measured],
) -> Result<Option<PairNoise>, SweepError> {
    let places = || batch.sweep.noise_cells.iter().flatten();
    let Some(twin) = batch.executor.twin().filter(|_| places().any(|cells| !cells.is_empty()))
    else {
        return Ok(None);
    };
    let mut all: Vec<Numbers> = Vec::new();
    for (measured, cells) in measured.iter().zip(places()) {
        let sides = batch.sides(0..1, measured.direction)?;
        let go_on = &mut |_| ControlFlow::Continue(());
        let wanted = Wanted { cells, all: false };
        let again = batch.measure(twin.as_ref(), &sides, &wanted, go_on)?;
        for &cell in cells {
            let effect = |of: &Measured| {
                let seen = of.cells[0][cell].first().map(|seen| seen.numbers.clone());
                differences(&seen.unwrap_or_default(), of.base.first())
            };
            let mut differ = differences(&effect(measured), Some(&effect(&again)));
            for values in differ.parts() {
                values.iter_mut().for_each(|value| *value = value.powi(2));
            }
            all.push(differ);
        }
    }
    let count = all.len() as f64;
    let of = |values: fn(&Numbers) -> &[f64]| -> Vec<f64> {
        let of_value = |index: usize| {
            (all.iter().map(|squares| values(squares)[index]).sum::<f64>() / count).sqrt()
        };
        (0..all.first().map_or(0, |first| values(first).len())).map(of_value).collect()
    };
    let floor = Numbers {
        probabilities: of(|numbers| &numbers.probabilities),
        logits: of(|numbers| &numbers.logits),
        metrics: of(|numbers| &numbers.metrics),
    };
    let squares = all.into_iter().map(|squares| squares.metrics).enumerate().collect();
    Ok(Some(PairNoise { floor, squares }))
}

/// What numbers are above others.
fn differences(numbers: &Numbers, less: Option<&Numbers>) -> Numbers {
    let mut differ = numbers.clone();
    let mut less = less.cloned().unwrap_or_default();
    for (values, less) in differ.parts().into_iter().zip(less.parts()) {
        for (value, less) in values.iter_mut().zip(less) {
            *value -= *less;
        }
    }
    differ
}
