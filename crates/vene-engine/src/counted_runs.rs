//! What the reference executor's runs take: gone through whole, with tensors that have no values.

use std::sync::Arc;

use vene_model::{Operations, Outline, Work};

use super::still::Still;
use super::trace::Wanted;
use crate::plan::ResolvedPlan;

/// What the reference executor takes for these plans: for those of the same examples one pass of the
/// runs that they read, and one of the base for each.
pub fn work_of_reference(outline: &Outline, plans: &[ResolvedPlan]) -> Work {
    let decoder = outline.counted();
    let count = |runs: &mut dyn Iterator<Item = (usize, Vec<usize>)>| {
        let runs: Vec<(usize, Vec<usize>)> = runs.collect();
        if !runs.is_empty() {
            let mut pass = Still::of_whole_runs(&runs);
            // Nothing is computed, so nothing fails.
            let _ = decoder.forward(&vec![0; pass.positions.len()], &mut pass);
            decoder.operations().pass_ended();
        }
    };
    for group in plans.chunk_by(|a, b| Arc::ptr_eq(&a.examples, &b.examples)) {
        let examples = group[0].examples();
        let all = group.iter().map(|plan| (plan, 0..examples.len()));
        let wanted = Wanted::of(all, |_, _| true);
        count(&mut wanted.runs.iter().map(|&(example, run)| {
            let length = examples[example].prompt(run).len();
            (length, vec![length - 1])
        }));
        for plan in group {
            let of = |example: usize| (examples[example].base.len(), plan.logit_positions(example));
            count(&mut (0..examples.len()).map(of));
        }
    }
    decoder.operations().work()
}
