//! Circuits without loose ends.

use crate::edge_set::EdgeSet;
use crate::graph::{Graph, Receiver, Sender};

impl EdgeSet {
    /// The same without edges that are on no way from the input to the logits: nothing that a text says enters them, or nothing that they carry is
    /// read. As EAP-IG prunes its graphs, whose nodes are a head with all that it reads, and an MLP.
    #[must_use]
    pub fn pruned(&self) -> Self {
        let graph = self.graph();
        let (entered, read) = (self.entered(), self.read());
        let mut pruned = Self::none(graph);
        for edge in self.iter() {
            let receives = match edge.receiver {
                Receiver::Logits => true,
                receiver => nodes(graph, receiver).any(|node| entered[node] && read[node]),
            };
            let sender = graph.sender_index(edge.sender);
            if entered[sender] && read[sender] && receives {
                pruned.set(&edge, true);
            }
        }
        pruned
    }

    /// Of each sender, whether a way leads to it from the input.
    fn entered(&self) -> Vec<bool> {
        let graph = self.graph();
        let mut entered = vec![false; graph.sender_count()];
        entered[0] = true;
        for receiver in graph.receivers() {
            let reads =
                self.of(receiver).iter().zip(&entered).any(|(is_in, entered)| *is_in && *entered);
            if reads {
                nodes(graph, receiver).for_each(|node| entered[node] = true);
            }
        }
        entered
    }

    /// Of each sender, whether a way leads from it to the logits.
    fn read(&self) -> Vec<bool> {
        let graph = self.graph();
        let mut read = vec![false; graph.sender_count()];
        let receivers: Vec<Receiver> = graph.receivers().collect();
        for &receiver in receivers.iter().rev() {
            let leads =
                receiver == Receiver::Logits || nodes(graph, receiver).any(|node| read[node]);
            if leads {
                let senders = self.of(receiver).iter().zip(&mut read);
                senders.for_each(|(is_in, read)| *read |= *is_in);
            }
        }
        read
    }
}

/// The senders that a receiver is an input of, by number: none of the logits.
fn nodes(graph: &Graph, receiver: Receiver) -> impl Iterator<Item = usize> + use<> {
    let (layer, heads, mlp) = match receiver {
        Receiver::Query { layer, head } => (layer, head..head + 1, false),
        Receiver::Key { layer, head } | Receiver::Value { layer, head } => {
            (layer, graph.readers_of(head), false)
        }
        Receiver::Mlp { layer } => (layer, 0..0, true),
        Receiver::Logits => (0, 0..0, false),
    };
    let first = graph.sender_index(Sender::Head { layer, head: 0 });
    let mlp = mlp.then(|| graph.sender_index(Sender::Mlp { layer }));
    heads.map(move |head| first + head).chain(mlp)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GroupedKeys;
    use vene_model::Model;

    fn pruned(edges: &[&str]) -> Vec<String> {
        let model = Model::load("embedded").unwrap();
        let graph = Graph::of(model.config(), GroupedKeys::Grouped).unwrap();
        let mut set = EdgeSet::none(&graph);
        assert!(edges.iter().all(|edge| set.set(&edge.parse().unwrap(), true)));
        set.pruned().iter().map(|edge| edge.to_string()).collect()
    }

    #[test]
    fn ways_from_the_input_to_the_logits_stay() {
        assert_eq!(pruned(&["input->a0.h1<v>", "a0.h1->logits"]).len(), 2);
        assert_eq!(pruned(&["input->logits"]), ["input->logits"]);
        // By another of the head's inputs.
        assert_eq!(pruned(&["input->a0.h1<q>", "a0.h1->m2", "m2->logits"]).len(), 3);
    }

    #[test]
    fn loose_ends_go_however_long() {
        assert!(pruned(&["a0.h1->m2", "m2->logits"]).is_empty(), "nothing enters");
        assert!(pruned(&["input->a0.h1<v>", "a0.h1->m2"]).is_empty(), "nobody reads");
        let edges = ["input->logits", "input->m0", "m0->m1", "m1->a2.h0<k>"];
        assert_eq!(pruned(&edges), ["input->logits"]);
        let edges = ["input->m0", "m0->logits", "a1.h1->m1", "m1->logits"];
        assert_eq!(pruned(&edges), ["input->m0", "m0->logits"]);
    }

    #[test]
    fn whole_graphs_have_no_loose_end() {
        let model = Model::load("embedded").unwrap();
        for keys in [GroupedKeys::Grouped, GroupedKeys::Ungrouped] {
            let all = EdgeSet::all(&Graph::of(model.config(), keys).unwrap());
            assert_eq!(all.pruned(), all);
        }
    }
}
