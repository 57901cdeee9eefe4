//! Rows that stay what they are through a block: nobody looks at them, and none come or go.

use vene_model::{Attention, OperationError, Operations, OwnedPath, Pass, Path, Readout, Site};

/// The rows of a block, which owns all that it needs: it may be run again later.
#[derive(Clone)]
pub(super) struct Still<O: Operations> {
    /// By row.
    pub(super) positions: Vec<usize>,
    /// By row the length of its text, as far as rotary encodings depend on it.
    pub(super) lengths: Vec<usize>,
    /// Keys and values that were kept.
    pub(super) earlier: Option<[O::Tensor; 2]>,
    /// The ways of runs through these and the block's own.
    pub(super) paths: Vec<OwnedPath>,
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
        let Attention { operations, config, layer, queries, keys, values } = attention;
        let paths: Vec<Path<'_>> = self.paths.iter().map(OwnedPath::as_path).collect();
        let (earlier, options) = (self.earlier.clone(), &config.layers[layer]);
        operations.attend_behind(&queries, &keys, &values, earlier, &paths, config, options)
    }

    fn readout(&mut self) -> Readout {
        Readout::default()
    }
}
