//! What the reference executor's runs take: gone through whole, with tensors that have no values.

use std::ops::Range;
use std::sync::Arc;

use vene_model::{
    Attention, Counted, CountedRows, OperationError, Operations, Outline, Pass, Path, Query,
    Readout, Recurrence, Site, TimeStep, Work,
};

use super::trace::Wanted;
use crate::plan::ResolvedPlan;

/// What the reference executor takes for these plans: for those of the same examples one pass of the
/// runs that they read, and one of the base for each.
pub(crate) fn work_of_reference(outline: &Outline, plans: &[ResolvedPlan]) -> Work {
    let decoder = outline.counted();
    let count = |prompts: &mut dyn Iterator<Item = (usize, Vec<usize>)>| {
        let mut pass = CountedRuns::default();
        for (length, read) in prompts {
            let start = pass.positions.len();
            pass.runs.push(start..start + length);
            pass.positions.extend(0..length);
            pass.read.extend(read.into_iter().map(|position| start + position));
        }
        if !pass.runs.is_empty() {
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

/// Whole runs without values.
#[derive(Default)]
struct CountedRuns {
    runs: Vec<Range<usize>>,
    positions: Vec<usize>,
    /// Rows whose logits are wanted.
    read: Vec<usize>,
}

impl Pass<Counted> for CountedRuns {
    type Error = OperationError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        // Angles cost nothing, whatever they are.
        vec![1; self.positions.len()]
    }

    fn wants(&self, _: Site) -> bool {
        false
    }

    fn visit(
        &mut self,
        _: &Counted,
        _: Site,
        _: &mut [&mut CountedRows],
    ) -> Result<(), OperationError> {
        Ok(())
    }

    fn attend(
        &mut self,
        attention: Attention<'_, Counted>,
        _: &mut [&mut CountedRows],
    ) -> Result<CountedRows, OperationError> {
        let Attention { operations, config, layer, queries, keys, values } = attention;
        let rows = |run: &Range<usize>| run.clone().map(|row| row as u32).collect::<Vec<_>>();
        let queries_of = |run: &Range<usize>| {
            let query = |row: usize| Query { row: row as u32, position: (row - run.start) as u32 };
            run.clone().map(query).collect::<Vec<_>>()
        };
        let of_runs: Vec<_> = self.runs.iter().map(|run| (rows(run), queries_of(run))).collect();
        let paths: Vec<Path<'_>> =
            of_runs.iter().map(|(rows, queries)| Path { rows, queries }).collect();
        operations.attend(&queries, &keys, &values, &paths, config, &config.layers[layer])
    }

    fn recur(
        &mut self,
        recurrence: Recurrence<'_, Counted>,
    ) -> Result<CountedRows, OperationError> {
        recurrence.run(&TimeStep::of_runs(&self.runs), None, &mut |_, _, _| Ok(()))
    }

    fn readout(&mut self) -> Readout {
        Readout { whole: self.read.clone(), chosen: Vec::new() }
    }
}
