//! A recurrent block's way through time.
//!
//! What enters the block is projected for all rows at once. Its state goes from position to position:
//! of each run first the row at position 0, then the one at position 1, and so on, runs side by side.
//! What is done to a row of one step is seen by all steps behind it, so that sites inside the block are
//! announced step by step.
//!
//! The unit is that of Cho et al. 2014 ("Learning phrase representations using RNN encoder-decoder for
//! statistical machine translation"), in the form of PyTorch's `GRU` and pyvene's `GRUCell`, whose reset gate
//! is applied behind the product with the state.

use std::ops::Range;

use crate::block::GatedRecurrent;
use crate::component::Component;
use crate::config::{Activation, DecoderConfig};
use crate::operations::{OperationError, Operations};
use crate::site::Site;

/// A gated recurrent block and what enters it, ready to go through time.
pub struct Recurrence<'a, O: Operations> {
    /// The operations.
    pub operations: &'a O,
    /// The decoder's configuration.
    pub config: &'a DecoderConfig,
    /// Which layer.
    pub layer: usize,
    pub(crate) cell: &'a GatedRecurrent<O>,
    /// `[rows, d_model]`.
    pub(crate) input: O::Tensor,
}

/// The rows of one position.
#[derive(Clone, Copy, Debug)]
pub struct TimeStep<'a> {
    /// The position.
    pub position: usize,
    /// The run of each row, by its index; ascending. Runs that have ended are not among them.
    pub runs: &'a [usize],
}

/// Whoever looks at a site inside the block at one time step: the rows `[runs, d_model]` are what the
/// runs show there, and what is written is what they go on with.
pub type AtStep<'a, O, E> =
    dyn FnMut(Site, TimeStep<'_>, &mut <O as Operations>::Tensor) -> Result<(), E> + 'a;

impl<O: Operations> Recurrence<'_, O> {
    /// Runs the block. `runs` are the rows of each run, one position after the other; `visit` is told
    /// of `reset_gate`, `update_gate`, `new_gate` and `block_output` at every step. Returns the states
    /// that the steps end with, `[rows, d_model]`.
    ///
    /// # Errors
    /// What `visit` finds wrong, and failures of the operations.
    pub fn run<E: From<OperationError>>(
        &self,
        runs: &[Range<usize>],
        visit: &mut AtStep<'_, O, E>,
    ) -> Result<O::Tensor, E> {
        use Component::{BlockOutput, NewGate, ResetGate, UpdateGate};
        let (operations, cell) = (self.operations, self.cell);
        let at = |component| Site::at(component, self.layer);
        let [input_reset, input_update, input_new] =
            [&cell.input.reset, &cell.input.update, &cell.input.new]
                .map(|gate| operations.linear(&self.input, gate));
        let (input_reset, input_update, input_new) = (input_reset?, input_update?, input_new?);

        let mut alive: Vec<usize> = (0..runs.len()).collect();
        let (mut state, mut outputs): (Option<O::Tensor>, _) = (None, Vec::new());
        for position in 0..runs.iter().map(ExactSizeIterator::len).max().unwrap_or(0) {
            let goes_on = |place: &usize| runs[alive[*place]].len() > position;
            let places: Vec<usize> = (0..alive.len()).filter(goes_on).collect();
            if places.len() < alive.len() {
                alive = places.iter().map(|&place| alive[place]).collect();
                state = state.map(|state| operations.take_rows(&state, &places)).transpose()?;
            }
            let rows: Vec<usize> = alive.iter().map(|&run| runs[run].start + position).collect();
            let step = TimeStep { position, runs: &alive };
            // Every run begins with a state of zeros.
            let before = match state {
                Some(state) => state,
                None => operations.scale(operations.take_rows(&self.input, &rows)?, 0.0)?,
            };
            let of_input = |projected| operations.take_rows(projected, &rows);
            let of_state = |gate| operations.linear(&before, gate);

            let reset = operations.add(of_input(&input_reset)?, &of_state(&cell.state.reset)?)?;
            let mut reset = operations.activate(reset, Activation::Sigmoid)?;
            visit(at(ResetGate), step, &mut reset)?;
            let update =
                operations.add(of_input(&input_update)?, &of_state(&cell.state.update)?)?;
            let mut update = operations.activate(update, Activation::Sigmoid)?;
            visit(at(UpdateGate), step, &mut update)?;
            let remembered = operations.multiply(reset, &of_state(&cell.state.new)?)?;
            let new = operations.add(of_input(&input_new)?, &remembered)?;
            let mut new = operations.activate(new, Activation::Tanh)?;
            visit(at(NewGate), step, &mut new)?;
            // (1 − update) * new + update * before.
            let kept = operations.multiply(update, &operations.subtract(before, &new)?)?;
            let mut output = operations.add(new, &kept)?;
            visit(at(BlockOutput), step, &mut output)?;
            outputs.push(output.clone());
            state = Some(output);
        }
        Ok(operations.take_rows(&operations.stack(&outputs)?, &Self::packed_order(runs))?)
    }

    /// For each packed row its place among the rows of all steps, which come one step after the other.
    pub fn packed_order(runs: &[Range<usize>]) -> Vec<usize> {
        let rows = runs.iter().map(|run| run.end).max().unwrap_or(0);
        let (mut order, mut next) = (vec![0; rows], 0);
        for position in 0..runs.iter().map(ExactSizeIterator::len).max().unwrap_or(0) {
            for run in runs.iter().filter(|run| run.len() > position) {
                order[run.start + position] = next;
                next += 1;
            }
        }
        order
    }
}
