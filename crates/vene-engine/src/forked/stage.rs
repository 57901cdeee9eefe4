//! Edits by when they are made: a plan's, for prompts and for new tokens.

use crate::plan::{Outputs, ResolvedPlan};

/// The plans of a step of decoding: with the edits that are made at it, and without any.
pub(super) struct Stage {
    edited: ResolvedPlan,
    original: ResolvedPlan,
}

impl Stage {
    /// Of the prompts: step 0.
    pub(super) fn of_prompts(plan: &ResolvedPlan) -> Self {
        Self::at(plan, 0)
    }

    /// Of the `step`-th new token, where every edit lands on that token. (All sequences of an example are equally
    /// long at a step.)
    pub(super) fn of_new_tokens(plan: &ResolvedPlan, step: usize) -> Self {
        let mut stage = Self::at(plan, step);
        for edit in &mut stage.edited.edits {
            let units = edit.units.iter_mut().zip(plan.examples.iter());
            // One that is empty does not edit this example at all.
            for (unit, example) in units.filter(|(unit, _)| !unit.is_empty()) {
                unit.positions = vec![example.base.len() + step - 1];
            }
        }
        for stage in [&mut stage.edited, &mut stage.original] {
            for collect in &mut stage.collects {
                collect.positions.clone_from(&stage.read);
            }
        }
        stage
    }

    fn at(plan: &ResolvedPlan, step: usize) -> Self {
        let last = |example: &crate::plan::Example| match step {
            0 => vec![example.base.len() - 1],
            step => vec![example.base.len() + step - 1],
        };
        let read = plan.examples.iter().map(last).collect();
        let original = ResolvedPlan::reading(plan.examples.clone(), read, Outputs::Distributions);
        let original = ResolvedPlan { collects: plan.collects.clone(), ..original };
        let edits = plan.edits.iter().filter(|edit| edit.when.covers(step)).cloned().collect();
        Self { edited: ResolvedPlan { edits, ..original.clone() }, original }
    }

    /// With the edits, or without.
    pub(super) fn plan(&self, is_edited: bool) -> &ResolvedPlan {
        if is_edited { &self.edited } else { &self.original }
    }
}
