//! The noise of the computation: what an effect comes to when it is computed in another way.
//!
//! At a few places the sweep's own plans are run a second time by an executor that does the same in
//! another way, on the same weights in memory ([`Executor::twin`](crate::Executor::twin)): runs whole
//! instead of forked. Without rounding both would give the same effect; the root mean square of what
//! they differ in is the noise floor, in the precision in use. An effect that is not well above it is
//! none.

use std::ops::ControlFlow;

use super::Sweep;
use super::outcome::{Found, Numbers};
use crate::engine::Executor;
use crate::error::RunError;
use crate::plan::ResolvedPlan;
use crate::random::Draws;

/// At most so many places.
const PLACES: usize = 4;

/// What the draw of places is for.
const SEED: u64 = 0x004E_4F49_5345;

/// Effects below so many times the noise floor are marked.
pub(super) const RESOLVED: f64 = 5.0;

/// The cells, by index, at which noise is measured: drawn among those that may change something, the
/// same for equal sweeps.
pub(super) fn places(plans: &[ResolvedPlan]) -> Vec<usize> {
    let order = Draws::new([SEED, plans.len() as u64]).order(plans.len());
    let may_change = |cell: &usize| !plans[*cell].is_shared_prefix();
    let mut places: Vec<usize> = order.into_iter().filter(may_change).take(PLACES).collect();
    places.sort_unstable();
    places
}

/// For each target the root mean square of what effects differ in, where they are computed by
/// `executor` and by its twin; `None` where there is no twin or no place.
pub(super) fn measured(
    sweep: &Sweep,
    executor: &dyn Executor,
    base: &Numbers,
    cells: &[Found],
) -> Result<Option<Vec<f64>>, RunError> {
    let Some(twin) = executor.twin().filter(|_| !sweep.noise_places.is_empty()) else {
        return Ok(None);
    };
    let plans = sweep.noise_plans();
    let mut again: Vec<Option<Found>> = vec![None; plans.len()];
    twin.run_all(&plans, &mut |index, outcome| {
        again[index] = Found::of(outcome);
        ControlFlow::Continue(())
    })?;
    let again = again.into_iter().collect::<Option<Vec<_>>>().ok_or(RunError::Stopped)?;
    let Some((base_again, cells_again)) = again.split_first() else { return Ok(None) };
    let of_target = |target: usize| {
        let squares = sweep.noise_places.iter().zip(cells_again).map(|(&cell, again)| {
            let probability = |found: &Found| found.numbers.probabilities[target];
            let effect = probability(&cells[cell]) - base.probabilities[target];
            let effect_again = probability(again) - probability(base_again);
            (effect - effect_again).powi(2)
        });
        (squares.sum::<f64>() / sweep.noise_places.len() as f64).sqrt()
    };
    Ok(Some((0..base.probabilities.len()).map(of_target).collect()))
}

impl Sweep {
    /// What is run a second time: the base as it is, then the cells.
    pub(super) fn noise_plans(&self) -> Vec<ResolvedPlan> {
        let cells = self.noise_places.iter().map(|&cell| self.plans[cell].clone());
        std::iter::once(self.unedited(&self.base)).chain(cells).collect()
    }
}
