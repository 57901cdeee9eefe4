//! GraphML, as drawing programs and NetworkX read it: the nodes and edges of a circuit.

use std::fmt::Write;

use crate::error::CircuitError;
use crate::graph::Graph;
use crate::saved::SavedCircuit;

/// The circuit's nodes, and its edges with their scores and inputs (`q`, `k`, `v`).
pub(crate) fn written(saved: &SavedCircuit) -> String {
    let mut text = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
        "<key id=\"name\" for=\"edge\" attr.name=\"name\" attr.type=\"string\"/>\n",
        "<key id=\"score\" for=\"edge\" attr.name=\"score\" attr.type=\"double\"/>\n",
        "<graph edgedefault=\"directed\">\n",
    ));
    for (name, is_in) in saved.nodes() {
        if is_in {
            let _ = writeln!(text, "<node id=\"{name}\"/>");
        }
    }
    for edge in saved.circuit.iter() {
        // Keys of a group are read by its first head; the edge's name says which input is meant.
        let (sender, receiver) =
            (edge.sender.to_string(), target(saved.circuit.graph(), edge.receiver));
        let name = edge.to_string().replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(
            text,
            "<edge source=\"{sender}\" target=\"{receiver}\"><data key=\"name\">{name}</data>"
        );
        if let Some(score) = saved.scores.get(&edge) {
            let _ = write!(text, "<data key=\"score\">{score:?}</data>");
        }
        text.push_str("</edge>\n");
    }
    text.push_str("</graph>\n</graphml>\n");
    text
}

/// The node that a receiver is an input of.
fn target(graph: &Graph, receiver: crate::Receiver) -> String {
    use crate::{Receiver, Sender};
    match receiver {
        Receiver::Query { layer, head } => Sender::Head { layer, head }.to_string(),
        Receiver::Key { layer, head } | Receiver::Value { layer, head } => {
            Sender::Head { layer, head: graph.readers_of(head).start }.to_string()
        }
        Receiver::Mlp { layer } => Sender::Mlp { layer }.to_string(),
        Receiver::Logits => "logits".to_owned(),
    }
}

/// Reads what [`written`] wrote, for a model's graph: the edges that are in the file make the circuit.
pub(crate) fn read(bytes: &[u8], graph: &Graph) -> Result<SavedCircuit, CircuitError> {
    let failed = |reason: &dyn std::fmt::Display| CircuitError::NoGraph(reason.to_string());
    let text = std::str::from_utf8(bytes).map_err(|error| failed(&error))?;
    let document = roxmltree::Document::parse(text).map_err(|error| failed(&error))?;
    let mut edges = Vec::new();
    for edge in document
        .descendants()
        .filter(|node| node.has_tag_name(("http://graphml.graphdrawing.org/xmlns", "edge")))
    {
        let data = |key: &str| {
            let mut children = edge.children().filter(|child| child.tag_name().name() == "data");
            children
                .find(|child| child.attribute("key") == Some(key))
                .and_then(|child| child.text())
        };
        let name = data("name").ok_or_else(|| {
            failed(&"an edge has no <data key=\"name\"> that says sender->receiver, such as input->a0.h1<q>")
        })?;
        let score = data("score").map(str::parse::<f64>).transpose();
        let score = score.map_err(|_| failed(&format!("the score of {name} is no number")))?;
        edges.push((name, score, true));
    }
    SavedCircuit::of_edges(graph, edges)
}
