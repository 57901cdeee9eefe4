//! Edits by when they are made: a plan's, for prompts and for new tokens.

use crate::plan::{Outputs, ResolvedPlan, When};

/// The part of a plan that is made at some steps.
pub(super) struct Stage {
    pub(super) plan: ResolvedPlan,
}

impl Stage {
    /// The edits whose steps are of this kind.
    pub(super) fn of(plan: &ResolvedPlan, is_here: impl Fn(&When) -> bool) -> Self {
        let last = plan.examples.iter().map(|example| vec![example.base.len() - 1]).collect();
        let here = plan.edits.iter().filter(|edit| is_here(&edit.when)).cloned();
        let reading = ResolvedPlan::reading(plan.examples.clone(), last, Outputs::Distributions);
        Self { plan: ResolvedPlan { edits: here.collect(), ..reading } }
    }

    /// Lets every edit land where the `step`-th new token is. (All sequences of an example are equally
    /// long at a step.)
    pub(super) fn move_to(&mut self, step: usize) {
        let ResolvedPlan { examples, edits, read, .. } = &mut self.plan;
        for (index, example) in examples.iter().enumerate() {
            let position = example.base.len() + step - 1;
            let units = edits.iter_mut().map(|edit| &mut edit.units[index]);
            // One that is empty does not edit this example at all.
            for unit in units.filter(|unit| !unit.is_empty()) {
                unit.positions = vec![position];
            }
            read[index] = vec![position];
        }
    }
}
