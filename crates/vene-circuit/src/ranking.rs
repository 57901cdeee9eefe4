//! Edges in the order of their scores, of which a circuit is the first so many.

use std::collections::HashSet;

use vene_named::named;
use vene_table::TableSource;

use crate::edge_set::EdgeSet;
use crate::error::CircuitError;
use crate::graph::{Edge, Graph};

named! {
    /// Which edges come first.
    pub enum RankBy as "way to rank edges", default Absolute {
        /// Those with the largest effects, whichever way they go.
        Absolute = "absolute",
        /// Those whose patching lowers the metric most: what raises it comes last.
        Signed = "signed",
    }
}

/// All edges of a graph with their scores, the first to be taken first.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeRanking {
    graph: Graph,
    edges: Vec<(Edge, f64)>,
}

impl EdgeRanking {
    /// Ranks edges by how much larger a metric is where each is patched (the `effect` of tables). Edges of equal scores have one order, however they are given.
    ///
    /// # Errors
    /// An edge that the graph does not have, one twice, one of the graph that is missing, a score that is no number.
    pub fn new(
        graph: &Graph,
        scores: impl IntoIterator<Item = (Edge, f64)>,
        by: RankBy,
    ) -> Result<Self, CircuitError> {
        let (mut known, mut edges) = (HashSet::new(), Vec::new());
        for (edge, score) in scores {
            graph.expect(&edge)?;
            if !known.insert(edge) {
                return Err(CircuitError::EdgeTwice { edge });
            }
            if !score.is_finite() {
                return Err(CircuitError::NoScore { edge });
            }
            edges.push((edge, score));
        }
        if let Some(missing) = graph.edges().find(|edge| !known.contains(edge)) {
            let (scored, all) = (edges.len(), graph.edge_count());
            return Err(CircuitError::NotAllEdges { scored, all, missing });
        }
        edges.sort_by_key(|(edge, _)| *edge);
        let rank = |score: f64| match by {
            RankBy::Absolute => -score.abs(),
            RankBy::Signed => score,
        };
        edges.sort_by(|(_, one), (_, other)| rank(*one).total_cmp(&rank(*other)));
        Ok(Self { graph: graph.clone(), edges })
    }

    /// Ranks the edges of a [summary](crate::summary) by their mean effects on a metric (`None`: the only one that it has), patched at all positions.
    ///
    /// # Errors
    /// As [`EdgeRanking::new`]; a table that is no summary of edges, or has no such metric.
    pub fn of_summary(
        graph: &Graph,
        summary: &impl TableSource,
        metric: Option<&str>,
        by: RankBy,
    ) -> Result<Self, CircuitError> {
        let mut scores = Vec::new();
        let (mut metrics, mut places) = (Vec::<String>::new(), Vec::<String>::new());
        let columns = ["sender", "receiver", "position", "metric", "mean", "graph"];
        for chunk in summary.chunks(Some(&columns))? {
            let chunk = chunk?;
            let means = chunk.optional_floats("mean")?;
            let (senders, receivers) = (chunk.text("sender")?, chunk.text("receiver")?);
            let keys = chunk.text("graph")?;
            for (row, (place, of)) in
                chunk.text("position")?.into_iter().zip(chunk.text("metric")?).enumerate()
            {
                if keys[row] != graph.keys().name() {
                    let (scored, wanted) = (keys[row].to_owned(), graph.keys());
                    return Err(CircuitError::ScoredOnAnother { scored, wanted });
                }
                remember(&mut metrics, of);
                if place != "all" {
                    remember(&mut places, place);
                    continue;
                }
                if metric.is_some_and(|metric| metric != of) {
                    continue;
                }
                let sender = senders[row].parse()?;
                let edge = Edge { sender, receiver: receivers[row].parse()? };
                scores.push((edge, means[row].unwrap_or(f64::NAN)));
            }
        }
        CircuitError::expect_metric(metric, metrics)?;
        if scores.is_empty() && !places.is_empty() {
            return Err(CircuitError::NotAllPositions { places });
        }
        Self::new(graph, scores, by)
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The edges with their scores, the first to be taken first.
    pub fn edges(&self) -> &[(Edge, f64)] {
        &self.edges
    }

    /// The first so many, loose ends included ([`EdgeSet::pruned`]).
    pub fn first(&self, count: usize) -> EdgeSet {
        let mut set = EdgeSet::none(&self.graph);
        for (edge, _) in self.edges.iter().take(count) {
            set.set(edge, true);
        }
        set
    }
}

fn remember(known: &mut Vec<String>, word: &str) {
    if !known.iter().any(|known| known == word) {
        known.push(word.to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GroupedKeys;
    use vene_model::Model;
    use vene_table::Table;

    fn graph() -> Graph {
        let model = Model::load("embedded").unwrap();
        Graph::of(model.config(), GroupedKeys::Grouped).unwrap()
    }

    /// Scores that alternate in sign, and grow.
    fn scores(graph: &Graph) -> Vec<(Edge, f64)> {
        let score = |index: usize| index as f64 * if index.is_multiple_of(2) { 1.0 } else { -1.0 };
        graph.edges().enumerate().map(|(index, edge)| (edge, score(index))).collect()
    }

    #[test]
    fn the_first_are_the_largest_or_what_lowers_most() {
        let graph = graph();
        let count = graph.edge_count();
        let last = |back: usize| graph.edges().nth(count - back).unwrap();
        let absolute = EdgeRanking::new(&graph, scores(&graph), RankBy::Absolute).unwrap();
        assert_eq!(absolute.first(2).iter().collect::<Vec<_>>(), [last(2), last(1)]);
        let signed = EdgeRanking::new(&graph, scores(&graph), RankBy::Signed).unwrap();
        assert_eq!(signed.edges().last().unwrap().1, scores(&graph)[(count - 1) & !1].1);
        assert!(signed.edges()[0].1 < 0.0 && signed.edges()[1].1 < 0.0);
        assert_eq!(absolute.first(count), EdgeSet::all(&graph));
    }

    #[test]
    fn scores_are_of_every_edge_once() {
        let graph = graph();
        let mut scores = scores(&graph);
        let (edge, _) = scores.pop().unwrap();
        let error = EdgeRanking::new(&graph, scores.clone(), RankBy::Absolute).unwrap_err();
        assert!(error.to_string().contains(&format!("`{edge}` has none")), "{error}");
        let first = scores[0];
        scores.push(first);
        let error = EdgeRanking::new(&graph, scores, RankBy::Absolute).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
        let none = graph.edges().map(|edge| (edge, f64::NAN));
        assert!(EdgeRanking::new(&graph, none, RankBy::Absolute).is_err());
    }

    #[test]
    fn of_several_metrics_one_is_named() {
        let graph = graph();
        let edges: Vec<Edge> = graph.edges().collect();
        let twice = || edges.iter().chain(&edges);
        let half = edges.len();
        let metric = |index| if index < half { "kl" } else { "logit_difference" };
        let mean = |index: usize| if index < half { 1.0 } else { -(index as f64) };
        let table = Table::builder()
            .column("sender", twice().map(|edge| edge.sender.to_string()).collect::<Vec<_>>())
            .column("receiver", twice().map(|edge| edge.receiver.to_string()).collect::<Vec<_>>())
            .column("position", vec!["all"; 2 * half])
            .column("metric", (0..2 * half).map(metric).collect::<Vec<_>>())
            .column("mean", (0..2 * half).map(|index| Some(mean(index))).collect::<Vec<_>>())
            .column("graph", vec!["grouped"; 2 * half])
            .build()
            .unwrap();
        let by = |metric| EdgeRanking::of_summary(&graph, &table, metric, RankBy::Absolute);
        assert_eq!(by(Some("logit_difference")).unwrap().edges()[0].0, edges[half - 1]);
        assert_eq!(by(Some("kl")).unwrap().edges()[0].0, graph.edges().min().unwrap());
        let error = by(None).unwrap_err().to_string();
        assert!(error.contains("kl, logit_difference"), "{error}");
        let ungrouped =
            Graph::of(Model::load("embedded").unwrap().config(), GroupedKeys::Ungrouped);
        let error =
            EdgeRanking::of_summary(&ungrouped.unwrap(), &table, Some("kl"), RankBy::Signed);
        assert!(error.unwrap_err().to_string().contains("grouped graph"));
    }
}
