//! Circuits in files: the graph of EAP-IG and the MIB benchmark as JSON, and GraphML.
//!
//! Both hold every edge with its score, and whether it is in the circuit. Names are EAP-IG's; where query heads share keys and values and the graph is
//! grouped, `cfg` has `n_key_value_heads`, and edges lead to `a5.kv0<k>`, which other tools do not know.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge_set::EdgeSet;
use crate::error::CircuitError;
use crate::graph::{Edge, Graph, Sender};

/// The most bytes of a file: 100,000,000 edges have no more.
const MOST_BYTES: u64 = 1 << 33;

/// Edges with their scores, and those of them that make a circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedCircuit {
    /// The edges of the circuit.
    pub circuit: EdgeSet,
    /// What each edge that has a score is worth.
    pub scores: HashMap<Edge, f64>,
}

#[derive(Deserialize)]
struct Saved {
    cfg: Configuration,
    edges: HashMap<String, SavedEdge>,
}

/// What a graph depends on.
#[derive(Deserialize)]
struct Configuration {
    n_layers: usize,
    n_heads: usize,
    parallel_attn_mlp: bool,
    #[serde(default)]
    n_key_value_heads: Option<usize>,
}

#[derive(Deserialize)]
struct SavedEdge {
    #[serde(default)]
    score: Option<f64>,
    in_graph: bool,
}

impl SavedCircuit {
    /// Reads a file for a model's graph: `.json`, or `.graphml`.
    ///
    /// # Errors
    /// A file that cannot be read, is none, or is of another graph.
    pub fn read(path: &Path, graph: &Graph) -> Result<Self, CircuitError> {
        let failed = |reason: String| CircuitError::SavedCircuit { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if size > MOST_BYTES {
            return Err(failed(format!("it has {size} bytes, and no graph has so many")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let read = match path.extension().is_some_and(|ending| ending == "graphml") {
            true => super::graphml::read(&bytes, graph),
            false => Self::of_json(&bytes, graph),
        };
        read.map_err(|error| failed(error.to_string()))
    }

    /// Reads JSON for a model's graph.
    ///
    /// # Errors
    /// As [`SavedCircuit::read`].
    pub fn of_json(bytes: &[u8], graph: &Graph) -> Result<Self, CircuitError> {
        let saved: Saved = serde_json::from_slice(bytes)
            .map_err(|error| CircuitError::NoGraph(error.to_string()))?;
        let shared = graph.is_grouped().then_some(graph.key_value_heads());
        let of_file = &saved.cfg;
        let is_same = (of_file.n_layers, of_file.n_heads, of_file.parallel_attn_mlp)
            == (graph.layers(), graph.heads(), graph.is_parallel())
            && of_file.n_key_value_heads == shared;
        if !is_same {
            return Err(CircuitError::NoGraph(format!(
                "it is of {} layers of {} heads{}{}, and this model's {} graph has {} layers of {} heads{}{}",
                of_file.n_layers,
                of_file.n_heads,
                sharing(of_file.n_key_value_heads),
                beside(of_file.parallel_attn_mlp),
                graph.keys(),
                graph.layers(),
                graph.heads(),
                sharing(shared),
                beside(graph.is_parallel()),
            )));
        }
        let edges =
            saved.edges.iter().map(|(name, edge)| (name.as_str(), edge.score, edge.in_graph));
        Self::of_edges(graph, edges)
    }

    /// Of edges by name, with scores, and whether they are in the circuit.
    pub(crate) fn of_edges<'n>(
        graph: &Graph,
        edges: impl IntoIterator<Item = (&'n str, Option<f64>, bool)>,
    ) -> Result<Self, CircuitError> {
        let (mut circuit, mut scores) = (EdgeSet::none(graph), HashMap::new());
        for (name, score, is_in) in edges {
            let edge: Edge = name.parse()?;
            graph.expect(&edge)?;
            if is_in {
                circuit.set(&edge, true);
            }
            if let Some(score) = score {
                scores.insert(edge, score);
            }
        }
        Ok(Self { circuit, scores })
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let graph = self.circuit.graph();
        let mut cfg = json!({
            "n_layers": graph.layers(),
            "n_heads": graph.heads(),
            "parallel_attn_mlp": graph.is_parallel(),
            "d_model": graph.d_model(),
        });
        if graph.is_grouped() {
            cfg["n_key_value_heads"] = json!(graph.key_value_heads());
        }
        let entry = |edge: Edge| {
            let score = self.scores.get(&edge);
            (edge.to_string(), json!({ "score": score, "in_graph": self.circuit.contains(&edge) }))
        };
        let edges: Map<String, Value> = graph.edges().map(entry).collect();
        let nodes: Map<String, Value> =
            self.nodes().map(|(name, is_in)| (name, json!({ "in_graph": is_in }))).collect();
        json!({ "cfg": cfg, "nodes": nodes, "edges": edges })
    }

    /// Writes a file, which appears whole or not at all: `.json`, or `.graphml` with the circuit's edges alone.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CircuitError> {
        let text = match path.extension().is_some_and(|ending| ending == "graphml") {
            true => super::graphml::written(self),
            false => self.to_json().to_string(),
        };
        vene_files::write_atomically(path, |file| {
            use std::io::Write;
            file.write_all(text.as_bytes())
        })
        .map_err(|error| CircuitError::SavedCircuit {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Every node by name, and whether an edge of the circuit leaves it or, of the logits, leads to it.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (String, bool)> + '_ {
        let graph = self.circuit.graph();
        let mut sends = vec![false; graph.sender_count()];
        for edge in self.circuit.iter() {
            sends[graph.sender_index(edge.sender)] = true;
        }
        let senders = graph
            .senders()
            .map(move |sender: Sender| (sender.to_string(), sends[graph.sender_index(sender)]));
        senders.chain([("logits".to_owned(), true)])
    }
}

fn sharing(heads: Option<usize>) -> String {
    heads.map_or_else(String::new, |heads| format!(" that share {heads} keys and values"))
}

fn beside(is_parallel: bool) -> &'static str {
    if is_parallel { " beside the MLPs" } else { "" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GroupedKeys;
    use vene_model::Model;
    use vene_test_support::Fixture;

    fn graph(name: &str, keys: GroupedKeys) -> Graph {
        let model = match name {
            "embedded" => Model::load("embedded").unwrap(),
            name => Fixture::new(name).load(vene_model::Precision::Single),
        };
        Graph::of(model.config(), keys).unwrap()
    }

    fn circuit(graph: &Graph) -> SavedCircuit {
        let mut circuit = EdgeSet::none(graph);
        let mut scores = HashMap::new();
        for (index, edge) in graph.edges().enumerate() {
            circuit.set(&edge, index % 7 == 2);
            scores.insert(edge, index as f64 / 3.0 - 5.0);
        }
        SavedCircuit { circuit, scores }
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        for (name, keys) in [
            ("embedded", GroupedKeys::Grouped),
            ("llama-gqa", GroupedKeys::Grouped),
            ("llama-gqa", GroupedKeys::Ungrouped),
        ] {
            let graph = graph(name, keys);
            let saved = circuit(&graph);
            let path = folder.path().join("circuit.json");
            saved.write(&path).unwrap();
            assert_eq!(SavedCircuit::read(&path, &graph).unwrap(), saved);
            let path = folder.path().join("circuit.graphml");
            saved.write(&path).unwrap();
            let read = SavedCircuit::read(&path, &graph).unwrap();
            assert_eq!(read.circuit, saved.circuit);
            assert!(read.scores.iter().all(|(edge, score)| saved.scores[edge] == *score));
            assert_eq!(read.scores.len(), saved.circuit.len());
        }
    }

    #[test]
    fn what_eap_ig_writes_is_read() {
        let graph = graph("llama-gqa", GroupedKeys::Ungrouped);
        let text = format!(
            r#"{{"cfg": {{"n_layers": {}, "n_heads": {}, "parallel_attn_mlp": false, "d_model": 16}},
                "nodes": {{"input": {{"in_graph": true}}}},
                "edges": {{"input->a0.h1<q>": {{"score": 0.25, "in_graph": true}},
                           "a0.h1->logits": {{"score": -1.5, "in_graph": false}}}}}}"#,
            graph.layers(),
            graph.heads()
        );
        let saved = SavedCircuit::of_json(text.as_bytes(), &graph).unwrap();
        assert_eq!(saved.circuit.len(), 1);
        assert_eq!(saved.scores[&"a0.h1->logits".parse().unwrap()], -1.5);
    }

    #[test]
    fn other_graphs_and_other_files_are_refused() {
        let grouped = graph("llama-gqa", GroupedKeys::Grouped);
        let written = circuit(&graph("llama-gqa", GroupedKeys::Ungrouped)).to_json().to_string();
        let error = SavedCircuit::of_json(written.as_bytes(), &grouped).unwrap_err().to_string();
        assert!(error.contains("this model's grouped graph has"), "{error}");
        for text in ["", "[]", "{\"cfg\": 1}", "{\"cfg\": {}, \"edges\": {}}"] {
            assert!(SavedCircuit::of_json(text.as_bytes(), &grouped).is_err(), "{text}");
        }
        let mut strange = circuit(&grouped).to_json();
        strange["edges"]["a0.h99->logits"] = json!({ "score": 1.0, "in_graph": true });
        let error = SavedCircuit::of_json(strange.to_string().as_bytes(), &grouped).unwrap_err();
        assert!(error.to_string().contains("a0.h99->logits"), "{error}");
    }
}
