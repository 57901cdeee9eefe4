//! Rows that stay what they are through a pass: nobody looks at them, and none come or go.
//!
//! Blocks that are run once more on the way back of a gradient are such passes, and the runs whose cost is counted.

use std::ops::Range;

use vene_model::{
    Attention, OperationError, Operations, OwnedPath, Pass, Path, Query, Readout, Recurrence, Site,
    TimeStep,
};

/// The rows of a pass, which owns all that it needs: it may be run again later.
#[derive(Clone)]
pub(super) struct Still<O: Operations> {
    /// By row.
    pub(super) positions: Vec<usize>,
    /// By row the length of its text, as far as rotary encodings depend on it.
    pub(super) lengths: Vec<usize>,
    /// Keys and values that were kept.
    pub(super) earlier: Option<[O::Tensor; 2]>,
    /// The ways of runs through these and the pass's own.
    pub(super) paths: Vec<OwnedPath>,
    /// The rows of whole runs, which is what recurrent blocks need.
    pub(super) runs: Vec<Range<usize>>,
    /// The rows whose logits are wanted.
    pub(super) read: Vec<usize>,
}

impl<O: Operations> Still<O> {
    /// Whole runs, each of so many positions, of which some are read.
    pub(super) fn of_whole_runs(runs: &[(usize, Vec<usize>)]) -> Self {
        let mut still = Self {
            positions: Vec::new(),
            lengths: Vec::new(),
            earlier: None,
            paths: Vec::new(),
            runs: Vec::new(),
            read: Vec::new(),
        };
        for (length, read) in runs {
            let start = still.positions.len();
            let query = |position: usize| Query {
                row: (start + position) as u32,
                position: position as u32,
            };
            still.paths.push(OwnedPath {
                rows: (start..start + length).map(|row| row as u32).collect(),
                queries: (0..*length).map(query).collect(),
            });
            still.positions.extend(0..*length);
            still.runs.push(start..start + length);
            still.read.extend(read.iter().map(|position| start + position));
        }
        // Angles cost nothing, whatever they are.
        still.lengths = vec![1; still.positions.len()];
        still
    }
}

impl<O: Operations> Pass<O> for Still<O> {
    type Error = OperationError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        self.lengths.clone()
    }

    fn wants(&self, _: Site) -> bool {
        false
    }

    fn visit(&mut self, _: &O, _: Site, _: &mut [&mut O::Tensor]) -> Result<(), OperationError> {
        Ok(())
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        _: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, OperationError> {
        let Attention { operations, scoring, queries, keys, values } = attention;
        let paths: Vec<Path<'_>> = self.paths.iter().map(OwnedPath::as_path).collect();
        let earlier = self.earlier.clone();
        operations.attend_behind(&queries, &keys, &values, earlier, &paths, scoring)
    }

    fn recur(&mut self, recurrence: Recurrence<'_, O>) -> Result<O::Tensor, OperationError> {
        recurrence.run(&TimeStep::of_runs(&self.runs), None, &mut |_, _, _| Ok(()))
    }

    fn readout(&mut self) -> Readout {
        Readout { whole: self.read.clone(), chosen: Vec::new() }
    }
}
