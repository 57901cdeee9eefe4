//! The unedited runs of rows, each computed once and kept: what is drawn is taken from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use vene_data::PreparedRow;
use vene_model::{Decoder, OperationError, Operations};

use crate::error::CircuitError;
use crate::node_run::NodeRun;

/// A row's run: what is read, and what is added. All tensors have a row for each position.
#[derive(Debug)]
pub(super) struct KeptRun {
    /// Of the tokens' embeddings.
    pub(super) input: Tensor,
    pub(super) layers: Vec<KeptLayer>,
    /// The residual stream after all blocks.
    pub(super) end: Tensor,
}

#[derive(Debug)]
pub(super) struct KeptLayer {
    /// The residual stream as attention reads it.
    pub(super) residual: Tensor,
    /// What heads mix, `[positions, heads * head_dim]`.
    pub(super) mixed: Tensor,
    /// What attention adds.
    pub(super) attention: Tensor,
    /// What the MLP adds.
    pub(super) mlp: Tensor,
}

/// Runs by row; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptRuns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    runs: HashMap<usize, Arc<KeptRun>>,
    bytes: usize,
    /// How many were computed.
    computed: usize,
}

impl KeptRuns {
    /// A row's run. Where all that is kept would take more than `memory` bytes, the others are dropped.
    pub(super) fn get<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        (number, row): (usize, &PreparedRow),
        memory: usize,
    ) -> Result<Arc<KeptRun>, CircuitError> {
        if let Some(run) = self.state().runs.get(&number) {
            return Ok(Arc::clone(run));
        }
        let run = Arc::new(KeptRun::of(decoder, row.base.tokens())?);
        let mut state = self.state();
        if state.bytes + run.bytes() > memory {
            state.runs.clear();
            state.bytes = 0;
        }
        state.bytes += run.bytes();
        state.computed += 1;
        state.runs.insert(number, Arc::clone(&run));
        Ok(run)
    }

    #[cfg(test)]
    pub(super) fn computed(&self) -> usize {
        self.state().computed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptRun {
    fn of<O: Operations>(decoder: &Decoder<O>, tokens: &[u32]) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let run = NodeRun::of(decoder, tokens)?;
        let all: Vec<usize> = (0..tokens.len()).collect();
        let values = |rows: &O::Tensor| operations.values(rows, &all);
        let layers = run.layers.iter().map(|layer| {
            Ok(KeptLayer {
                residual: values(&layer.residual)?,
                mixed: values(&layer.mixed)?,
                attention: values(&layer.attention)?,
                mlp: values(&layer.mlp)?,
            })
        });
        Ok(Self {
            input: values(&run.input)?,
            layers: layers.collect::<Result<_, OperationError>>()?,
            end: values(&run.end)?,
        })
    }

    fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        let layer = |layer: &KeptLayer| {
            of(&layer.residual) + of(&layer.mixed) + of(&layer.attention) + of(&layer.mlp)
        };
        of(&self.input) + of(&self.end) + self.layers.iter().map(layer).sum::<usize>()
    }
}
