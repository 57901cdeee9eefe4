//! Activations of prompts or rows, with a model that is loaded already.

use vene::plan_file::ExperimentKind;
use vene::{Forked, Table};

use super::super::in_memory::{InMemory, Progress, Warned};
use super::{account_of_plan, check, warn};
use crate::collection::{Checked, places};
use crate::plan_sweep;
use crate::stacked::Stack;

/// Stacked activations.
pub struct Collection {
    /// Each tensor with its values, `[rows, ...]`, row-major.
    pub tensors: Vec<(Stack, Vec<f32>)>,
    /// For each row how many positions are values, where others are padding; of several lists of positions of each.
    pub lengths: Option<Vec<Vec<usize>>>,
    /// Which row is which, with its texts, tokens and the positions of each role.
    pub rows: Table,
}

/// Keeps what components show.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it; failures of the computation; that it was
/// stopped.
pub fn collect_in_memory(asked: InMemory<'_>) -> anyhow::Result<Warned<Collection>> {
    asked.run(ExperimentKind::Collect, |experiment, asked| {
        account_of_plan(&experiment);
        let model = asked.model;
        let checked = check(&experiment, model)?;
        warn(model, &checked);
        let Checked { sweep, sites, layout, memory, .. } = checked;
        let count = sweep.rows().len();
        let empty = |stack: Stack| {
            let values = vec![0.0; count * stack.of_row.iter().product::<usize>()];
            (stack, values)
        };
        let mut tensors: Vec<_> = layout.stacks.into_iter().map(empty).collect();
        let executor = Forked::new(model);
        let executor = memory.map_or(executor, |bytes| executor.memory(bytes));
        for batch in sweep.batches(model.config()) {
            let part = sweep.run_batch(model, &executor, batch.clone(), &mut |done| {
                (asked.progress)(Progress { done: batch.start + done, all: count, says: None })
            })?;
            for place in places(&part.collected, batch.start, &layout.starts, sites) {
                let (stack, values) = &mut tensors[place.tensor];
                let start = place.row * stack.of_row.iter().product::<usize>();
                stack.place(place.first, place.shape, place.values, &mut |at, values_of_row| {
                    values[start + at..][..values_of_row.len()].copy_from_slice(values_of_row);
                    Ok(())
                })?;
            }
        }
        let rows = plan_sweep::rows_table(model, &sweep, &(0..count))?;
        Ok(Collection { tensors, lengths: layout.lengths, rows })
    })
}
