//! What senders add instead: another run's contributions, none, or means.

use vene_model::{OperationError, Operations};

use crate::node_run::NodeRun;

/// What every sender would add at the patched positions. All tensors have a row for each of them.
pub(crate) struct Counterpart<O: Operations> {
    /// Instead of the tokens' embeddings.
    pub(crate) input: O::Tensor,
    pub(crate) layers: Vec<LayerCounterpart<O>>,
}

/// Of a layer.
pub(crate) struct LayerCounterpart<O: Operations> {
    /// Instead of what its heads mix.
    pub(crate) mixed: O::Tensor,
    /// Instead of what its MLP adds.
    pub(crate) mlp: O::Tensor,
}

impl<O: Operations> Counterpart<O> {
    /// What another run has at these positions.
    pub(crate) fn of_run(
        operations: &O,
        run: &NodeRun<O>,
        positions: &[usize],
    ) -> Result<Self, OperationError> {
        let taken = |tensor: &O::Tensor| operations.take_rows(tensor, positions);
        let layer = |layer: &crate::node_run::LayerRun<O>| {
            Ok(LayerCounterpart { mixed: taken(&layer.mixed)?, mlp: taken(&layer.mlp)? })
        };
        let layers = run.layers.iter().map(layer).collect::<Result<_, OperationError>>()?;
        Ok(Self { input: taken(&run.input)?, layers })
    }

    /// Nothing, in place of what a run has at these positions.
    pub(crate) fn zero(
        operations: &O,
        run: &NodeRun<O>,
        positions: &[usize],
    ) -> Result<Self, OperationError> {
        let zeros = |tensor: O::Tensor| operations.scale(tensor, 0.0);
        let own = Self::of_run(operations, run, positions)?;
        let layer = |layer: LayerCounterpart<O>| {
            Ok(LayerCounterpart { mixed: zeros(layer.mixed)?, mlp: zeros(layer.mlp)? })
        };
        let layers = own.layers.into_iter().map(layer).collect::<Result<_, OperationError>>()?;
        Ok(Self { input: zeros(own.input)?, layers })
    }
}
