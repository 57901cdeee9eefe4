//! What every executor can do: run many plans over the same examples.

use std::ops::ControlFlow;

use super::reference::PlanOutcome;
use crate::error::RunError;
use crate::plan::ResolvedPlan;

/// Somebody who runs plans.
pub trait Executor {
    /// Its name, for records.
    fn name(&self) -> &'static str;

    /// Runs plans, all of the same examples, and hands each outcome to `each` with the plan's
    /// index, in whatever order they are done. `each` may break off.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention; [`RunError::Stopped`] where `each` broke
    /// off.
    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError>;
}
