//! Keys and values of everything that was read: what a text that goes on needs of its beginning.

use std::ops::Range;

use vene_model::{OperationError, Operations};

/// The keys and values of every layer, one packed row for each token that any sequence has read.
/// Whose they are, sequences know.
pub(super) struct Cache<O: Operations> {
    layers: Vec<(O::Tensor, O::Tensor)>,
    rows: u32,
}

impl<O: Operations> Default for Cache<O> {
    fn default() -> Self {
        Self { layers: Vec::new(), rows: 0 }
    }
}

impl<O: Operations> Cache<O> {
    /// The rows that the next so many tokens will have, in every layer alike.
    pub(super) fn grow(&mut self, tokens: usize) -> Range<u32> {
        let start = self.rows;
        self.rows += tokens as u32;
        start..self.rows
    }

    /// Sets a layer's new keys and values behind those that are there, and shows all of them.
    pub(super) fn extend(
        &mut self,
        operations: &O,
        layer: usize,
        keys: O::Tensor,
        values: O::Tensor,
    ) -> Result<(&O::Tensor, &O::Tensor), OperationError> {
        match self.layers.get_mut(layer) {
            Some((all_keys, all_values)) => {
                operations.extend_rows(all_keys, &keys)?;
                operations.extend_rows(all_values, &values)?;
            }
            None => self.layers.push((keys, values)),
        }
        let (keys, values) = &self.layers[layer];
        Ok((keys, values))
    }
}
