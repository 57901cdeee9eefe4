//! Edges one by one: what the receiver alone gives when it reads one sender's counterpart.
//!
//! All edges into the receivers of one kind in a layer are computed together: every sender's difference is added to what the layer reads, and
//! one product gives the queries (keys, values) of all heads, of which each edge takes its head's. No other part of the model is computed here:
//! what follows is a fork from there.

use std::ops::Range;
use std::sync::Arc;

use candle_core::DType;
use vene_model::{Component, OperationError, Operations, Projection};

use crate::differences::Differences;
use crate::graph::{Edge, Graph, Receiver};
use crate::patch::{HostValues, Patch};
use crate::receivers::{Mixed, Receivers};

/// The receivers of one kind in a layer, which read the same senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inputs {
    Queries(usize),
    Keys(usize),
    Values(usize),
    Mlp(usize),
    Logits,
}

impl Inputs {
    /// All of a graph, in the order of the computation.
    pub(crate) fn of(graph: &Graph) -> impl Iterator<Item = Self> + use<> {
        let of_layer = |layer| {
            [Self::Queries(layer), Self::Keys(layer), Self::Values(layer), Self::Mlp(layer)]
        };
        (0..graph.layers()).flat_map(of_layer).chain([Self::Logits])
    }

    /// The receivers.
    pub(crate) fn receivers(self, graph: &Graph) -> Vec<Receiver> {
        match self {
            Self::Queries(layer) => {
                (0..graph.heads()).map(|head| Receiver::Query { layer, head }).collect()
            }
            Self::Keys(layer) => {
                graph.key_heads().map(|head| Receiver::Key { layer, head }).collect()
            }
            Self::Values(layer) => {
                graph.key_heads().map(|head| Receiver::Value { layer, head }).collect()
            }
            Self::Mlp(layer) => vec![Receiver::Mlp { layer }],
            Self::Logits => vec![Receiver::Logits],
        }
    }

    /// How many senders they read.
    pub(crate) fn senders(self, graph: &Graph) -> usize {
        self.receivers(graph).first().map_or(0, |receiver| graph.read_by(*receiver))
    }
}

/// Where edges of a run are patched.
pub(crate) struct EdgePatches<'a, O: Operations> {
    pub(crate) graph: &'a Graph,
    pub(crate) receivers: Receivers<'a, O>,
    pub(crate) differences: &'a Differences<O>,
    /// The position whose logits are read.
    pub(crate) read: usize,
}

/// An edge, and what patching it changes: nothing, where no value that is read depends on it.
pub(crate) type EdgePatch = (Edge, Option<Patch>);

impl<O: Operations> EdgePatches<'_, O> {
    /// The patches of all edges from some senders, by number, to the receivers of a kind.
    pub(crate) fn of(
        &self,
        inputs: Inputs,
        senders: Range<usize>,
    ) -> Result<Vec<EdgePatch>, OperationError> {
        let operations = self.receivers.decoder.operations();
        let variants = senders.len();
        let added = self.differences.of_senders(operations, senders.clone())?;
        let is_zero = self.zeros(&added, variants)?;
        let rows = match inputs {
            Inputs::Queries(layer) => self.receivers.by_queries(layer, &added, variants)?,
            Inputs::Keys(layer) => {
                self.receivers.by_keys_or_values(layer, Projection::Keys, &added, variants)?
            }
            Inputs::Values(layer) => {
                self.receivers.by_keys_or_values(layer, Projection::Values, &added, variants)?
            }
            Inputs::Mlp(layer) => {
                let rows = self.receivers.by_mlp(layer, &added, variants)?;
                Mixed { rows, positions: self.receivers.at.to_vec() }
            }
            Inputs::Logits => {
                let rows = self.receivers.by_logits(&added, variants)?;
                Mixed { rows, positions: self.receivers.at.to_vec() }
            }
        };
        let values = self.host(&rows, variants)?;
        let receivers = inputs.receivers(self.graph);
        let mut patches = Vec::with_capacity(variants * receivers.len());
        for (variant, sender) in senders.enumerate() {
            let sender = self.graph.sender(sender);
            for &receiver in &receivers {
                let patch = (!is_zero[variant])
                    .then(|| self.patch(receiver, &values, &rows.positions, variant))
                    .flatten();
                patches.push((Edge { sender, receiver }, patch));
            }
        }
        Ok(patches)
    }

    /// What stands at a receiver's output instead; `None` where nobody reads it.
    fn patch(
        &self,
        receiver: Receiver,
        values: &HostValues,
        positions: &[usize],
        variant: usize,
    ) -> Option<Patch> {
        let config = self.receivers.decoder.config();
        let head_dim = config.head_dim;
        let (component, layer, heads) = match receiver {
            Receiver::Query { layer, head } => {
                (Component::AttentionValueOutput, Some(layer), Some(head..head + 1))
            }
            Receiver::Key { layer, head } | Receiver::Value { layer, head } => {
                let readers = self.graph.readers_of(head);
                (Component::AttentionValueOutput, Some(layer), Some(readers))
            }
            Receiver::Mlp { layer } => (Component::MlpOutput, Some(layer), None),
            Receiver::Logits => {
                let (component, layer) = Patch::site_of_logits(config);
                (component, layer, None)
            }
        };
        let columns = match &heads {
            Some(heads) => heads.start * head_dim..heads.end * head_dim,
            None => 0..config.d_model,
        };
        let is_last = layer.is_none_or(|layer| layer + 1 == self.graph.layers());
        let first = variant * positions.len();
        let (rows, positions) = Patch::rows_that_matter(positions, (is_last, self.read))?;
        let values = Arc::new(values.part(first + rows.start..first + rows.end, columns));
        Some(Patch { component, layer, heads, positions, values })
    }

    /// For each variant whether nothing is added.
    fn zeros(&self, added: &O::Tensor, variants: usize) -> Result<Vec<bool>, OperationError> {
        let positions = self.receivers.at.len();
        let values = self.receivers.decoder.operations();
        let values = values.values(added, &(0..variants * positions).collect::<Vec<_>>())?;
        let most = values.abs()?.max(1)?.reshape((variants, positions))?.max(1)?;
        let most = most.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        Ok(most.into_iter().map(|most| most == 0.0).collect())
    }

    fn host(&self, rows: &Mixed<O>, variants: usize) -> Result<HostValues, OperationError> {
        let all: Vec<usize> = (0..variants * rows.positions.len()).collect();
        let values = self.receivers.decoder.operations().values(&rows.rows, &all)?;
        let width = values.dim(1)?;
        let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(HostValues::new(values, width))
    }
}
