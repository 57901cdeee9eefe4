//! A model's graph, and circuits of it: names of edges and scores cross as lists.

use std::path::PathBuf;

use pyo3::prelude::*;
use vene::circuit::{
    Edge, EdgeRanking, EdgeSet, Graph as Edges, GroupedKeys, RankBy, SavedCircuit,
};

use crate::compute::briefly;
use crate::error;
use crate::model::Model;

/// The graph of a model, with names for its edges.
#[pyclass(frozen, module = "vene._vene")]
pub struct Graph {
    inner: Edges,
}

/// Names of edges, and of each its score or none.
type Scored = (Vec<String>, Vec<(String, f64)>);

#[pymethods]
impl Graph {
    #[new]
    fn new(model: &Model, keys: &str) -> PyResult<Self> {
        let keys: GroupedKeys = keys.parse().map_err(error::of_input)?;
        Ok(Self { inner: Edges::of(model.inner.config(), keys).map_err(error::of_input)? })
    }

    #[getter]
    fn keys(&self) -> &'static str {
        self.inner.keys().name()
    }

    fn edges(&self) -> Vec<String> {
        self.inner.edges().map(|edge| edge.to_string()).collect()
    }

    fn senders(&self) -> Vec<String> {
        self.inner.senders().map(|sender| sender.to_string()).collect()
    }

    fn receivers(&self) -> Vec<String> {
        self.inner.receivers().map(|receiver| receiver.to_string()).collect()
    }

    /// The first so many edges of all, by their scores.
    fn first(&self, scores: Vec<(String, f64)>, count: usize, by: &str) -> PyResult<Vec<String>> {
        let by: RankBy = by.parse().map_err(error::of_input)?;
        let scores = scores.into_iter().map(|(name, score)| Ok((self.edge(&name)?, score)));
        let scores: Vec<(Edge, f64)> = scores.collect::<PyResult<_>>()?;
        let ranking = EdgeRanking::new(&self.inner, scores, by).map_err(error::of_input)?;
        Ok(names(&ranking.first(count)))
    }

    /// These edges without loose ends.
    fn pruned(&self, circuit: Vec<String>) -> PyResult<Vec<String>> {
        Ok(names(&self.set(&circuit)?.pruned()))
    }

    fn write(
        &self,
        path: PathBuf,
        circuit: Vec<String>,
        scores: Vec<(String, f64)>,
    ) -> PyResult<()> {
        let scores = scores.into_iter().map(|(name, score)| Ok((self.edge(&name)?, score)));
        let saved =
            SavedCircuit { circuit: self.set(&circuit)?, scores: scores.collect::<PyResult<_>>()? };
        briefly(|| saved.write(&path).map_err(error::of_input))
    }

    /// The circuit of a file, and the scores that its edges have.
    fn read(&self, path: PathBuf) -> PyResult<Scored> {
        let saved = briefly(|| SavedCircuit::read(&path, &self.inner).map_err(error::of_input))?;
        let scores = self.inner.edges().filter_map(|edge| {
            let score = saved.scores.get(&edge)?;
            Some((edge.to_string(), *score))
        });
        Ok((names(&saved.circuit), scores.collect()))
    }
}

impl Graph {
    fn edge(&self, name: &str) -> PyResult<Edge> {
        let edge: Edge = name.parse().map_err(error::of_input)?;
        self.inner.expect(&edge).map_err(error::of_input)?;
        Ok(edge)
    }

    fn set(&self, circuit: &[String]) -> PyResult<EdgeSet> {
        let mut set = EdgeSet::none(&self.inner);
        for name in circuit {
            set.set(&self.edge(name)?, true);
        }
        Ok(set)
    }
}

fn names(set: &EdgeSet) -> Vec<String> {
    set.iter().map(|edge| edge.to_string()).collect()
}
