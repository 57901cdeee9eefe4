//! What edges carry: by how much senders would add something else.

use std::ops::Range;

use vene_model::{Decoder, OperationError, Operations};

use crate::counterpart::Counterpart;
use crate::graph::Graph;
use crate::node_run::NodeRun;

/// Of every sender, its counterpart's contribution − its own, at some positions: `[senders * positions, d_model]`, a sender's positions
/// together.
pub(crate) struct Differences<O: Operations> {
    rows: O::Tensor,
    positions: usize,
}

impl<O: Operations> Differences<O> {
    /// Of a run and what its senders are to add instead at these positions.
    pub(crate) fn of(
        decoder: &Decoder<O>,
        graph: &Graph,
        run: &NodeRun<O>,
        counterpart: &Counterpart<O>,
        positions: &[usize],
    ) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let difference = |own: &O::Tensor, other: &O::Tensor| {
            operations.subtract(other.clone(), &operations.take_rows(own, positions)?)
        };
        let mut rows = difference(&run.input, &counterpart.input)?;
        for (layer, (own, other)) in run.layers.iter().zip(&counterpart.layers).enumerate() {
            let attention = AttentionRows {
                layer,
                output: operations.take_rows(&own.attention_output, positions)?,
                rows: positions.len(),
            };
            let mixed = difference(&own.mixed, &other.mixed)?;
            operations.extend_rows(&mut rows, &attention.of_heads(decoder, graph, &mixed)?)?;
            operations.extend_rows(&mut rows, &difference(&own.mlp, &other.mlp)?)?;
        }
        Ok(Self { rows, positions: positions.len() })
    }

    /// Those of some senders, by number, one after the other: `[senders * positions, d_model]`.
    pub(crate) fn of_senders(
        &self,
        operations: &O,
        senders: Range<usize>,
    ) -> Result<O::Tensor, OperationError> {
        let rows = senders.start * self.positions..senders.end * self.positions;
        operations.take_rows(&self.rows, &rows.collect::<Vec<_>>())
    }
}

/// What attention of a layer gives, and how what it adds changes with what it gives.
pub(crate) struct AttentionRows<O: Operations> {
    pub(crate) layer: usize,
    /// Before it is normed, `[rows, d_model]`.
    pub(crate) output: O::Tensor,
    pub(crate) rows: usize,
}

impl<O: Operations> AttentionRows<O> {
    /// What each head adds more when what it mixed changes by `mixed` `[rows, heads * head_dim]` while the other heads stay:
    /// `[heads * rows, d_model]`. Under a post-norm it is the change of what is normed.
    pub(crate) fn of_heads(
        &self,
        decoder: &Decoder<O>,
        graph: &Graph,
        mixed: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let operations = decoder.operations();
        let results = decoder.head_results(self.layer, mixed)?;
        let heads = graph.heads();
        let all: Vec<usize> = (0..self.rows).collect();
        let head = |head| operations.take_part(&results, &all, head, heads);
        let each = (0..heads).map(head).collect::<Result<Vec<_>, OperationError>>()?;
        self.of_changes(decoder, operations.stack(&each)?, heads)
    }

    /// What attention adds more when what it gives changes, `[changes * rows, d_model]`.
    pub(crate) fn of_changes(
        &self,
        decoder: &Decoder<O>,
        change: O::Tensor,
        changes: usize,
    ) -> Result<O::Tensor, OperationError> {
        let operations = decoder.operations();
        if !decoder.config().post_norms {
            // Nothing but a factor.
            return decoder.attention_contribution(self.layer, change);
        }
        let repeated: Vec<usize> = (0..changes).flat_map(|_| 0..self.rows).collect();
        let current = operations.take_rows(&self.output, &repeated)?;
        let edited = operations.add(change, &current)?;
        let edited = decoder.attention_contribution(self.layer, edited)?;
        operations.subtract(edited, &decoder.attention_contribution(self.layer, current)?)
    }
}
