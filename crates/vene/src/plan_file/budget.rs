//! How much a plan may ask for.
//!
//! A few bytes of a plan can name a lot: `"0..16777216"` is a list of 128 MiB, and a tensor of a file can
//! be the parameters of ten thousand edits. What is named is therefore counted before anything is
//! allocated, over all edits of a plan together.

use std::cell::Cell;

use super::error::PlanFileError;
use super::table::Item;

/// Dimensions of all subspaces and partitions of a plan: 128 MiB.
const MOST_DIMENSIONS: usize = 1 << 24;

/// Parameters of all interventions of a plan: 2 GiB in double precision.
const MOST_PARAMETERS: usize = 1 << 28;

/// Edits of a plan. Each is compared with those of the same place.
pub(super) const MOST_EDITS: usize = 1 << 14;

/// What a plan may still ask for.
#[derive(Debug)]
pub(crate) struct Budget {
    dimensions: Cell<usize>,
    parameters: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { dimensions: Cell::new(MOST_DIMENSIONS), parameters: Cell::new(MOST_PARAMETERS) }
    }
}

impl Budget {
    /// Takes the dimensions of one subspace or part.
    pub fn dimensions(&self, item: &Item<'_>, count: usize) -> Result<(), PlanFileError> {
        let left = self.dimensions.get().checked_sub(count).ok_or_else(|| {
            item.contradiction(format!(
                "the subspaces and partitions of one plan may name {MOST_DIMENSIONS} dimensions \
                 together, and with these it names more: split the plan"
            ))
        })?;
        self.dimensions.set(left);
        Ok(())
    }

    /// Takes the parameters of one intervention, or a part of them: a tensor of this shape.
    pub fn parameters(&self, item: &Item<'_>, shape: &[usize]) -> Result<(), PlanFileError> {
        let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        let left = count.and_then(|count| self.parameters.get().checked_sub(count));
        let left = left.ok_or_else(|| {
            item.contradiction(format!(
                "its parameters have the shape {shape:?}; all interventions of one plan may have \
                 {MOST_PARAMETERS} parameters together, and with these it has more"
            ))
        })?;
        self.parameters.set(left);
        Ok(())
    }
}
