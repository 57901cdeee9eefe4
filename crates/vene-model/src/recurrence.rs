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

/// The rows that go through one time step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeStep {
    /// The position of all of them.
    pub position: usize,
    /// Packed rows.
    pub rows: Vec<usize>,
    /// For each of them where its state comes from.
    pub states: Vec<StateFrom>,
}

/// Where a row's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFrom {
    /// It is the first of its text: zeros.
    Start,
    /// A packed row of the step before.
    Row(usize),
    /// A row of the states that were kept from an earlier pass.
    Kept(usize),
}

impl TimeStep {
    /// The steps of runs side by side, each with the packed rows of its positions from 0 on.
    pub fn of_runs(runs: &[Range<usize>]) -> Vec<Self> {
        let longest = runs.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let step = |position: usize| {
            let there = runs.iter().filter(|run| run.len() > position);
            let rows: Vec<usize> = there.map(|run| run.start + position).collect();
            let state = |&row: &usize| match position {
                0 => StateFrom::Start,
                _ => StateFrom::Row(row - 1),
            };
            Self { position, states: rows.iter().map(state).collect(), rows }
        };
        (0..longest).map(step).collect()
    }

    /// For each of so many packed rows its place among the rows of all steps, which come one step after the other.
    pub fn packed_order(steps: &[Self], rows: usize) -> Vec<usize> {
        let mut order = vec![0; rows];
        let all = steps.iter().flat_map(|step| &step.rows);
        all.enumerate().for_each(|(place, &row)| order[row] = place);
        order
    }
}

/// Whoever looks at a site inside the block at one time step, by its index: the rows `[rows, d_model]` are what the
/// step's rows show there, and what is written is what they go on with.
pub type AtStep<'a, O, E> =
    dyn FnMut(Site, usize, &mut <O as Operations>::Tensor) -> Result<(), E> + 'a;

impl<O: Operations> Recurrence<'_, O> {
    /// What enters the block, `[rows, d_model]`.
    pub fn input_mut(&mut self) -> &mut O::Tensor {
        &mut self.input
    }

    /// Runs the block. `visit` is told of `reset_gate`, `update_gate`, `new_gate` and `block_output` at every step.
    /// Returns the states that the steps end with, `[rows, d_model]`. `kept` are states from an earlier pass.
    ///
    /// # Errors
    /// What `visit` finds wrong, and failures of the operations.
    pub fn run<E: From<OperationError>>(
        &self,
        steps: &[TimeStep],
        kept: Option<&O::Tensor>,
        visit: &mut AtStep<'_, O, E>,
    ) -> Result<O::Tensor, E> {
        use Component::{BlockOutput, NewGate, ResetGate, UpdateGate};
        let (operations, cell) = (self.operations, self.cell);
        let at = |component| Site::at(component, self.layer);
        let [input_reset, input_update, input_new] =
            [&cell.input.reset, &cell.input.update, &cell.input.new]
                .map(|gate| operations.linear(&self.input, gate));
        let (input_reset, input_update, input_new) = (input_reset?, input_update?, input_new?);

        let mut outputs: Vec<O::Tensor> = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let previous = index.checked_sub(1).map(|before| (&steps[before], &outputs[before]));
            let before = self.states(step, previous, kept)?;
            let of_input = |projected| operations.take_rows(projected, &step.rows);
            let of_state = |gate| operations.linear(&before, gate);

            let reset = operations.add(of_input(&input_reset)?, &of_state(&cell.state.reset)?)?;
            let mut reset = operations.activate(reset, Activation::Sigmoid)?;
            visit(at(ResetGate), index, &mut reset)?;
            let update =
                operations.add(of_input(&input_update)?, &of_state(&cell.state.update)?)?;
            let mut update = operations.activate(update, Activation::Sigmoid)?;
            visit(at(UpdateGate), index, &mut update)?;
            let remembered = operations.multiply(reset, &of_state(&cell.state.new)?)?;
            let new = operations.add(of_input(&input_new)?, &remembered)?;
            let mut new = operations.activate(new, Activation::Tanh)?;
            visit(at(NewGate), index, &mut new)?;
            // (1 − update) * new + update * before.
            let kept = operations.multiply(update, &operations.subtract(before, &new)?)?;
            let mut output = operations.add(new, &kept)?;
            visit(at(BlockOutput), index, &mut output)?;
            outputs.push(output);
        }
        let rows = steps.iter().flat_map(|step| &step.rows).max().map_or(0, |last| last + 1);
        let order = TimeStep::packed_order(steps, rows);
        Ok(operations.take_rows(&operations.stack(&outputs)?, &order)?)
    }

    /// The states with which rows go into a step.
    fn states(
        &self,
        step: &TimeStep,
        previous: Option<(&TimeStep, &O::Tensor)>,
        kept: Option<&O::Tensor>,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.operations;
        // Zeros, the states of the step before, those that were kept.
        let zeros = operations.scale(operations.take_rows(&self.input, &step.rows[..1])?, 0.0)?;
        let (mut all, mut places, mut first_kept) = (vec![zeros], Vec::new(), 1);
        if let Some((before, states)) = previous {
            let last = before.rows.iter().max().map_or(0, |last| last + 1);
            places = TimeStep::packed_order(std::slice::from_ref(before), last);
            first_kept += before.rows.len();
            all.push(states.clone());
        }
        all.extend(kept.cloned());
        let origin = step.states.iter().map(|state| match *state {
            StateFrom::Start => 0,
            StateFrom::Row(row) => 1 + places[row],
            StateFrom::Kept(row) => first_kept + row,
        });
        let origin: Vec<usize> = origin.collect();
        operations.take_rows(&operations.stack(&all)?, &origin)
    }
}
