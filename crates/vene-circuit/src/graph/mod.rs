//! The graph of a model: which of its parts reads what which other part adds to the residual stream.
//!
//! ```
//! use vene::Model;
//! use vene_circuit::{Graph, GroupedKeys};
//!
//! let model = Model::load("embedded")?;
//! let graph = Graph::of(model.config(), GroupedKeys::Grouped)?;
//! assert!(graph.contains(&"a0.h1->m3".parse()?));
//! assert_eq!(graph.edges().count(), graph.edge_count());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod node;

use vene_model::{BlockKind, DecoderConfig};
use vene_named::named;

pub use node::{Edge, KeyHead, Receiver, Sender};

/// What has no graph, and what is in none.
#[derive(thiserror::Error)]
pub enum GraphError {
    /// A model that has no heads and MLPs on a residual stream.
    #[error(
        "a circuit's nodes are heads and MLPs on a residual stream, and layer {layer} of this model is of another kind: \
         take a decoder"
    )]
    NotDecoder {
        /// The first such layer.
        layer: usize,
    },
    /// A text that names no sender.
    #[error(
        "`{0}` names nothing that adds to the residual stream: give `input`, a head such as `a5.h1`, or an MLP such as `m5`"
    )]
    Sender(String),
    /// A text that names no receiver.
    #[error(
        "`{0}` names nothing that reads the residual stream: give a head's input such as `a5.h1<q>`, `a5.h1<k>`, `a5.kv0<v>`, an \
         MLP such as `m5`, or `logits`"
    )]
    Receiver(String),
    /// A text that is no edge.
    #[error(
        "`{0}` is no edge: an edge is written sender->receiver, such as `a5.h1->m6` or `m2->a5.h1<k>`"
    )]
    Edge(String),
    /// An edge that is not in the graph.
    #[error("this model's {keys} graph has no edge `{edge}`{hint}")]
    NoEdge {
        /// The edge.
        edge: Edge,
        /// Which graph it is.
        keys: GroupedKeys,
        /// What may be meant.
        hint: String,
    },
}

vene_named::debug_as_sentence!(GraphError);

named! {
    /// Whose keys and values a graph speaks of, where several query heads share them.
    pub enum GroupedKeys as "graph", default Grouped {
        /// Keys and values are those that a group of query heads shares: `a5.kv0<k>`.
        Grouped = "grouped",
        /// Each query head has a copy of its own, which is changed alone: `a5.h1<k>`.
        Ungrouped = "ungrouped",
    }
}

/// The graph of a decoder. Nodes are numbered in the order of the computation, so that each reads a stretch of the first senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    layers: usize,
    heads: usize,
    key_value_heads: usize,
    keys: GroupedKeys,
    is_parallel: bool,
    d_model: usize,
}

impl Graph {
    /// Of a model of this configuration.
    ///
    /// # Errors
    /// [`GraphError::NotDecoder`].
    pub fn of(config: &DecoderConfig, keys: GroupedKeys) -> Result<Self, GraphError> {
        let is_other = |layer: &usize| config.layers[*layer].kind != BlockKind::Transformer;
        if let Some(layer) = (0..config.layers.len()).find(is_other) {
            return Err(GraphError::NotDecoder { layer });
        }
        Ok(Self {
            layers: config.layers.len(),
            heads: config.heads,
            key_value_heads: config.key_value_heads,
            keys,
            is_parallel: !config.is_sequential(),
            d_model: config.d_model,
        })
    }

    /// Whose keys and values it speaks of.
    pub fn keys(&self) -> GroupedKeys {
        self.keys
    }

    /// How many layers it has.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Query heads of a layer.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// How many heads' keys and values a layer has.
    pub fn key_value_heads(&self) -> usize {
        self.key_value_heads
    }

    /// Whether MLPs stand beside attention, and read no head of their layer.
    pub fn is_parallel(&self) -> bool {
        self.is_parallel
    }

    /// The width of the residual stream.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// All senders, in the order of the computation: the input, then of each layer its heads and its MLP.
    pub fn senders(&self) -> impl Iterator<Item = Sender> + '_ {
        let of_layer = move |layer| {
            let heads = (0..self.heads).map(move |head| Sender::Head { layer, head });
            heads.chain([Sender::Mlp { layer }])
        };
        std::iter::once(Sender::Input).chain((0..self.layers).flat_map(of_layer))
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        1 + self.layers * (self.heads + 1)
    }

    /// A sender's number among [`Graph::senders`].
    pub fn sender_index(&self, sender: Sender) -> usize {
        match sender {
            Sender::Input => 0,
            Sender::Head { layer, head } => 1 + layer * (self.heads + 1) + head,
            Sender::Mlp { layer } => 1 + layer * (self.heads + 1) + self.heads,
        }
    }

    /// The sender of this number.
    pub fn sender(&self, index: usize) -> Sender {
        let Some(index) = index.checked_sub(1) else { return Sender::Input };
        let (layer, head) = (index / (self.heads + 1), index % (self.heads + 1));
        if head == self.heads { Sender::Mlp { layer } } else { Sender::Head { layer, head } }
    }

    /// The heads whose keys and values are told apart.
    pub fn key_heads(&self) -> impl Iterator<Item = KeyHead> + use<> {
        let (count, of): (usize, fn(usize) -> KeyHead) = match self.is_grouped() {
            true => (self.key_value_heads, KeyHead::Shared),
            false => (self.heads, KeyHead::Own),
        };
        (0..count).map(of)
    }

    /// Whether keys and values are shared by several query heads, and the graph says so.
    pub fn is_grouped(&self) -> bool {
        self.keys == GroupedKeys::Grouped && self.key_value_heads < self.heads
    }

    /// Whether several query heads share keys and values in the model.
    pub fn shares_keys(&self) -> bool {
        self.key_value_heads < self.heads
    }

    /// The query heads that read keys or values.
    pub fn readers_of(&self, head: KeyHead) -> std::ops::Range<usize> {
        match head {
            KeyHead::Own(head) => head..head + 1,
            KeyHead::Shared(head) => {
                let group = self.heads / self.key_value_heads;
                head * group..(head + 1) * group
            }
        }
    }

    /// The receivers of a layer's attention.
    pub fn attention_receivers(&self, layer: usize) -> impl Iterator<Item = Receiver> + use<> {
        let queries = (0..self.heads).map(move |head| Receiver::Query { layer, head });
        let keys = self.key_heads().map(move |head| Receiver::Key { layer, head });
        let values = self.key_heads().map(move |head| Receiver::Value { layer, head });
        queries.chain(keys).chain(values)
    }

    /// All receivers, in the order of the computation.
    pub fn receivers(&self) -> impl Iterator<Item = Receiver> + '_ {
        let of_layer = |layer| self.attention_receivers(layer).chain([Receiver::Mlp { layer }]);
        (0..self.layers).flat_map(of_layer).chain([Receiver::Logits])
    }

    /// How many senders a receiver reads: the first so many of [`Graph::senders`].
    pub fn read_by(&self, receiver: Receiver) -> usize {
        let before = |layer: usize| 1 + layer * (self.heads + 1);
        match receiver {
            Receiver::Query { layer, .. }
            | Receiver::Key { layer, .. }
            | Receiver::Value { layer, .. } => before(layer),
            // Beside attention it reads what attention reads.
            Receiver::Mlp { layer } if self.is_parallel => before(layer),
            Receiver::Mlp { layer } => before(layer) + self.heads,
            Receiver::Logits => self.sender_count(),
        }
    }

    /// All edges, those of a receiver together.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.receivers().flat_map(|receiver| {
            let senders = self.senders().take(self.read_by(receiver));
            senders.map(move |sender| Edge { sender, receiver })
        })
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.receivers().map(|receiver| self.read_by(receiver)).sum()
    }

    /// Whether a sender is in it.
    pub fn has_sender(&self, sender: Sender) -> bool {
        let is_head = match sender {
            Sender::Head { head, .. } => head < self.heads,
            Sender::Input | Sender::Mlp { .. } => true,
        };
        is_head && sender.layer().is_none_or(|layer| layer < self.layers)
    }

    /// Whether a receiver is in it.
    pub fn has_receiver(&self, receiver: Receiver) -> bool {
        let is_key_head = |head: KeyHead| match head {
            KeyHead::Own(head) => !self.is_grouped() && head < self.heads,
            KeyHead::Shared(head) => self.is_grouped() && head < self.key_value_heads,
        };
        let is_head = match receiver {
            Receiver::Query { head, .. } => head < self.heads,
            Receiver::Key { head, .. } | Receiver::Value { head, .. } => is_key_head(head),
            Receiver::Mlp { .. } | Receiver::Logits => true,
        };
        is_head && receiver.layer().is_none_or(|layer| layer < self.layers)
    }

    /// A receiver's number in the order of [`Graph::receivers`].
    pub fn receiver_index(&self, receiver: Receiver) -> usize {
        let (heads, keys) = (self.heads, self.key_heads().count());
        let of_layer = heads + 2 * keys + 1;
        let number = |head| match head {
            KeyHead::Own(head) | KeyHead::Shared(head) => head,
        };
        match receiver {
            Receiver::Query { layer, head } => layer * of_layer + head,
            Receiver::Key { layer, head } => layer * of_layer + heads + number(head),
            Receiver::Value { layer, head } => layer * of_layer + heads + keys + number(head),
            Receiver::Mlp { layer } => layer * of_layer + of_layer - 1,
            Receiver::Logits => self.layers * of_layer,
        }
    }

    /// Whether an edge is in it.
    pub fn contains(&self, edge: &Edge) -> bool {
        self.has_sender(edge.sender)
            && self.has_receiver(edge.receiver)
            && self.sender_index(edge.sender) < self.read_by(edge.receiver)
    }

    /// Refuses an edge that is not in it.
    ///
    /// # Errors
    /// [`GraphError::NoEdge`].
    pub fn expect(&self, edge: &Edge) -> Result<(), GraphError> {
        if self.contains(edge) {
            return Ok(());
        }
        Err(GraphError::NoEdge { edge: *edge, keys: self.keys, hint: self.hint(edge) })
    }

    fn hint(&self, edge: &Edge) -> String {
        let other_graph = |head: KeyHead| match (head, self.is_grouped()) {
            (KeyHead::Own(_), true) => {
                Some("keys and values are shared: `a0.kv0<k>`, or the ungrouped graph")
            }
            (KeyHead::Shared(_), false) => {
                Some("each head has keys and values of its own: `a0.h0<k>`")
            }
            _ => None,
        };
        let hint = match edge.receiver {
            Receiver::Key { head, .. } | Receiver::Value { head, .. } => other_graph(head),
            _ => None,
        };
        match hint {
            Some(hint) => format!("; in it {hint}"),
            None => format!(
                ": it has {} layers of {} heads, and an edge leads to what is computed later",
                self.layers, self.heads
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    fn graph(layers: usize, heads: usize, key_value_heads: usize, keys: GroupedKeys) -> Graph {
        Graph { layers, heads, key_value_heads, keys, is_parallel: false, d_model: 16 }
    }

    #[test]
    fn edges_are_as_many_as_in_other_tools() {
        // GPT-2 small as EAP-IG and ACDC count it; Gemma 3 270M and SmolLM2 135M.
        let count = |layers, heads, shared, keys| graph(layers, heads, shared, keys).edge_count();
        assert_eq!(count(12, 12, 12, GroupedKeys::Ungrouped), 32_491);
        assert_eq!(count(12, 12, 12, GroupedKeys::Grouped), 32_491);
        assert_eq!(count(18, 4, 1, GroupedKeys::Grouped), 5_644);
        assert_eq!(count(18, 4, 1, GroupedKeys::Ungrouped), 10_342);
        assert_eq!(count(30, 9, 3, GroupedKeys::Grouped), 70_651);
        assert_eq!(count(30, 9, 3, GroupedKeys::Ungrouped), 123_211);
    }

    #[test]
    fn edges_are_all_different_and_all_contained() {
        for keys in [GroupedKeys::Grouped, GroupedKeys::Ungrouped] {
            for is_parallel in [false, true] {
                let graph = Graph { is_parallel, ..graph(3, 4, 2, keys) };
                let edges: HashSet<Edge> = graph.edges().collect();
                assert_eq!(edges.len(), graph.edge_count());
                assert!(edges.iter().all(|edge| graph.contains(edge)));
                assert!(graph.senders().enumerate().all(|(index, sender)| {
                    graph.sender_index(sender) == index && graph.sender(index) == sender
                }));
            }
        }
    }

    #[test]
    fn beside_attention_an_mlp_reads_no_head_of_its_layer() {
        let edge = "a1.h0->m1".parse().unwrap();
        let sequential = graph(2, 2, 2, GroupedKeys::Grouped);
        assert!(sequential.contains(&edge));
        assert!(!Graph { is_parallel: true, ..sequential }.contains(&edge));
    }

    #[test]
    fn an_edge_of_the_other_graph_is_refused_with_what_is_meant() {
        let grouped = graph(2, 4, 2, GroupedKeys::Grouped);
        let error = grouped.expect(&"m0->a1.h0<k>".parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this model's grouped graph has no edge `m0->a1.h0<k>`; in it keys and values are shared: `a0.kv0<k>`, or the \
             ungrouped graph"
        );
        let error = grouped.expect(&"m1->a1.h0<q>".parse().unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("an edge leads to what is computed later"), "{error}");
    }
}
