//! Edits by when they are made: a plan's, for prompts and for new tokens.

use crate::plan::{ResolvedPlan, When};

/// The part of a plan that is made at some steps.
pub(super) struct Stage {
    pub(super) plan: ResolvedPlan,
    /// Each edit's index in the whole plan.
    pub(super) edits: Vec<usize>,
}

impl Stage {
    /// The edits whose steps are of this kind.
    pub(super) fn of(plan: &ResolvedPlan, is_here: impl Fn(&When) -> bool) -> Self {
        let here = plan.edits.iter().enumerate().filter(|(_, edit)| is_here(&edit.when));
        let (edits, here) = here.map(|(index, edit)| (index, edit.clone())).unzip();
        let last = plan.examples.iter().map(|example| vec![example.base.len() - 1]).collect();
        let plan = ResolvedPlan {
            edits: here,
            collects: Vec::new(),
            read: last,
            examples: plan.examples.clone(),
            outputs: plan.outputs.clone(),
        };
        Self { plan, edits }
    }

    /// Lets every edit land where the `step`-th new token is. (All sequences of an example are equally
    /// long at a step.)
    pub(super) fn move_to(&mut self, step: usize) {
        let ResolvedPlan { examples, edits, read, .. } = &mut self.plan;
        for (index, example) in examples.iter().enumerate() {
            let position = example.base.len() + step - 1;
            for edit in edits.iter_mut() {
                edit.units[index].positions = vec![position];
            }
            read[index] = vec![position];
        }
    }
}
