//! Sets of a graph's edges.

use crate::graph::{Edge, Graph, Receiver};

/// Edges of a graph, by receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSet {
    graph: Graph,
    /// Of each receiver, in the graph's order, which of the senders that it reads.
    read: Vec<Vec<bool>>,
    receivers: Vec<Receiver>,
}

impl EdgeSet {
    /// None of a graph's edges.
    pub fn none(graph: &Graph) -> Self {
        let receivers: Vec<Receiver> = graph.receivers().collect();
        let read = receivers.iter().map(|receiver| vec![false; graph.read_by(*receiver)]).collect();
        Self { graph: graph.clone(), read, receivers }
    }

    /// All of them.
    pub fn all(graph: &Graph) -> Self {
        let mut set = Self::none(graph);
        set.read.iter_mut().for_each(|read| read.fill(true));
        set
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Those that are not in it.
    #[must_use]
    pub fn complement(mut self) -> Self {
        self.read.iter_mut().flatten().for_each(|is_in| *is_in = !*is_in);
        self
    }

    /// Adds an edge, or takes it out; whether that changed the set. An edge that the graph does not have changes nothing.
    pub fn set(&mut self, edge: &Edge, is_in: bool) -> bool {
        if !self.graph.contains(edge) {
            return false;
        }
        let (receiver, sender) =
            (self.graph.receiver_index(edge.receiver), self.graph.sender_index(edge.sender));
        std::mem::replace(&mut self.read[receiver][sender], is_in) != is_in
    }

    /// Whether an edge is in it.
    pub fn contains(&self, edge: &Edge) -> bool {
        let sender = self.graph.sender_index(edge.sender);
        self.graph.contains(edge) && self.of(edge.receiver).get(sender) == Some(&true)
    }

    /// Which of the senders that a receiver reads, by number.
    pub(crate) fn of(&self, receiver: Receiver) -> &[bool] {
        &self.read[self.graph.receiver_index(receiver)]
    }

    /// How many edges are in it.
    pub fn len(&self) -> usize {
        self.read.iter().flatten().filter(|is_in| **is_in).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its edges, in the graph's order.
    pub fn iter(&self) -> impl Iterator<Item = Edge> + '_ {
        self.receivers.iter().zip(&self.read).flat_map(move |(&receiver, read)| {
            let senders = read.iter().enumerate().filter(|(_, is_in)| **is_in);
            senders.map(move |(sender, _)| Edge { sender: self.graph.sender(sender), receiver })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GroupedKeys;
    use vene_model::Model;

    #[test]
    fn sets_hold_what_was_added() {
        let model = Model::load("embedded").unwrap();
        let graph = Graph::of(model.config(), GroupedKeys::Grouped).unwrap();
        let mut set = EdgeSet::none(&graph);
        assert!(set.is_empty());
        for edge in graph.edges() {
            assert!(set.set(&edge, true) && !set.set(&edge, true));
        }
        assert_eq!(set, EdgeSet::all(&graph));
        assert!(set.iter().eq(graph.edges()));
        let edge = "a0.h0->m1".parse().unwrap();
        assert!(set.set(&edge, false) && !set.contains(&edge));
        assert_eq!(set.len(), graph.edge_count() - 1);
        assert_eq!(set.complement().iter().collect::<Vec<_>>(), [edge]);
        assert!(!EdgeSet::none(&graph).set(&"a99.h0->logits".parse().unwrap(), true));
    }
}
