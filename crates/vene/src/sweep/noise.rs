//! The noise of the computation: what an effect comes to when it is computed in another way.
//!
//! At a few places the sweep's own plans are run a second time by an executor that does the same in
//! another way, on the same weights in memory ([`Executor::twin`](crate::Executor::twin)): runs whole
//! instead of forked. Without rounding both would give the same effect; the root mean square of what
//! they differ in is the noise floor, in the precision in use. An effect that is not well above it is
//! none.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::outcome::{Found, Numbers};
use super::{RunOf, Sweep};
use crate::engine::{Distribution, Executor};
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

/// The noise of a sweep's numbers.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    /// For each target, of its probability.
    pub(super) probabilities: Vec<f64>,
    /// For each metric.
    pub(super) metrics: Vec<f64>,
}

/// The root mean square of what effects differ in, where they are computed by `executor` and by its twin; `None`
/// where there is no twin or no place.
pub(super) fn measured(
    sweep: &Sweep,
    executor: &dyn Executor,
    unedited: Option<&Arc<Distribution>>,
    base: &Numbers,
    cells: &[Found],
) -> Result<Option<Noise>, RunError> {
    let Some(twin) = executor.twin().filter(|_| !sweep.noise_places.is_empty()) else {
        return Ok(None);
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let again = sweep.show(twin.as_ref(), &sweep.noise_runs(), unedited, go_on)?;
    let Some((base_again, cells_again)) = again.split_first() else { return Ok(None) };
    let of = |values: fn(&Numbers) -> &[f64]| -> Vec<f64> {
        let of_value = |index: usize| {
            let squares = sweep.noise_places.iter().zip(cells_again).map(|(&cell, again)| {
                let value = |numbers: &Numbers| values(numbers)[index];
                let effect = value(&cells[cell].numbers) - value(base);
                let effect_again = value(&again.numbers) - value(&base_again.numbers);
                (effect - effect_again).powi(2)
            });
            (squares.sum::<f64>() / sweep.noise_places.len() as f64).sqrt()
        };
        (0..values(base).len()).map(of_value).collect()
    };
    Ok(Some(Noise {
        probabilities: of(|numbers| &numbers.probabilities),
        metrics: of(|numbers| &numbers.metrics),
    }))
}

impl Sweep {
    /// What is run a second time: the base as it is, then the cells.
    pub(super) fn noise_plans(&self) -> Vec<ResolvedPlan> {
        self.plans_of(&self.noise_runs(), None)
    }

    pub(super) fn noise_runs(&self) -> Vec<RunOf> {
        let cells = self.noise_places.iter().copied().map(RunOf::Cell);
        std::iter::once(RunOf::Prompt(0)).chain(cells).collect()
    }
}
