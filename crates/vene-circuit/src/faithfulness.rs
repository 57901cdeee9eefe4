//! How much of what a model does a circuit does by itself, over the sizes of the circuit.
//!
//! For each share of the graph's edges the first so many of a ranking make a circuit C; all other edges are patched. Its faithfulness is
//! (m(C) − m(∅)) / (m(M) − m(∅)), of the metric's means over examples, where M is the whole model and in ∅ every edge is patched (Marks et al.
//! 2024; Mueller et al. 2025, MIB). Beside it stand the controls that say whether a number means anything: the *complement*, where the circuit alone is
//! patched; *random* circuits in which each receiver reads as many senders as in C; and the *self-swap*, in which all but C carries what it carries
//! anyway, so that nothing may change.

use std::ops::ControlFlow;

use vene_model::Model;
use vene_named::named;
use vene_random::Draws;
use vene_table::Table;

use crate::circuits::{Carry, Circuits, Patched};
use crate::edge_set::EdgeSet;
use crate::error::CircuitError;
use crate::graph::Edge;
use crate::place::PatchPlace;
use crate::ranking::{EdgeRanking, RankBy};

/// The shares of MIB.
pub const SHARES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

named! {
    /// What is run beside a circuit.
    pub enum CircuitRole as "role of a circuit", default Circuit {
        /// The circuit; all other edges are patched.
        Circuit = "circuit",
        /// The circuit alone is patched.
        Complement = "complement",
        /// Each receiver reads as many senders as in the circuit, drawn at random.
        Random = "random",
        /// All but the circuit carries what it carries anyway.
        SelfSwap = "self_swap",
    }
}

/// Circuits of growing size, with controls.
#[derive(Clone, Debug)]
pub struct Faithfulness {
    circuits: Circuits,
    points: Vec<Point>,
    by: RankBy,
    is_pruned: bool,
}

/// A circuit that is run.
#[derive(Clone, Debug)]
struct Point {
    role: CircuitRole,
    /// Of random ones, which it is.
    draw: usize,
    share: f64,
    /// What is in the circuit, or of controls in their own.
    circuit: EdgeSet,
    edges: usize,
}

/// How circuits are made of a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitSizes {
    /// Shares of the graph's edges, of which a circuit has ⌊share · edges⌋.
    pub shares: Vec<f64>,
    /// How the ranking was made.
    pub by: RankBy,
    /// Whether loose ends are taken out.
    pub prune: bool,
    /// How many random circuits stand beside each.
    pub random: usize,
    /// The seed of these.
    pub seed: u64,
}

impl Default for CircuitSizes {
    fn default() -> Self {
        Self { shares: SHARES.to_vec(), by: RankBy::default(), prune: true, random: 1, seed: 0 }
    }
}

/// What a row's circuits gave.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFaithfulness {
    base: Vec<f64>,
    /// With every edge patched.
    empty: Vec<f64>,
    /// `[point][metric]`.
    values: Vec<Vec<f64>>,
}

impl Faithfulness {
    /// Of the circuits that a ranking makes.
    ///
    /// # Errors
    /// A ranking of another graph; shares that are none or do not grow; places other than all positions at once.
    pub fn new(
        circuits: Circuits,
        ranking: &EdgeRanking,
        sizes: &CircuitSizes,
    ) -> Result<Self, CircuitError> {
        let graph = ranking.graph();
        if circuits.rows().graph() != graph {
            return Err(CircuitError::AnotherGraph);
        }
        if circuits.rows().places() != [PatchPlace::All] {
            return Err(CircuitError::CircuitPlaces);
        }
        let grows = sizes.shares.windows(2).all(|pair| pair[0] < pair[1]);
        if sizes.shares.is_empty()
            || !grows
            || sizes.shares.iter().any(|share| !(0.0..=1.0).contains(share))
        {
            return Err(CircuitError::Shares);
        }
        let mut points = Vec::new();
        for &share in &sizes.shares {
            let count = (share * graph.edge_count() as f64) as usize;
            let circuit = ranking.first(count);
            let circuit = if sizes.prune { circuit.pruned() } else { circuit };
            let mut add = |role, draw, circuit: EdgeSet| {
                let edges = circuit.len();
                points.push(Point { role, draw, share, circuit, edges });
            };
            for draw in 0..sizes.random {
                add(CircuitRole::Random, draw, matched(&circuit, sizes.seed, share, draw));
            }
            add(CircuitRole::Complement, 0, circuit.clone().complement());
            add(CircuitRole::SelfSwap, 0, circuit.clone());
            add(CircuitRole::Circuit, 0, circuit);
        }
        Ok(Self { circuits, points, by: sizes.by, is_pruned: sizes.prune })
    }

    /// Of one circuit, as it is, beside the same controls.
    ///
    /// # Errors
    /// A circuit of another graph; places other than all positions at once.
    pub fn of_circuit(
        circuits: Circuits,
        circuit: &EdgeSet,
        sizes: &CircuitSizes,
    ) -> Result<Self, CircuitError> {
        let graph = circuit.graph();
        let share = circuit.len() as f64 / graph.edge_count() as f64;
        // Its edges first, then all others: the share of its own size makes it whole.
        let score = |edge: Edge| (edge, f64::from(u8::from(circuit.contains(&edge))));
        let ranking = EdgeRanking::new(graph, graph.edges().map(score), RankBy::Absolute)?;
        // Half an edge more, so that rounding loses none.
        let share = (share + 0.5 / graph.edge_count() as f64).min(1.0);
        let sizes = CircuitSizes { shares: vec![share], prune: false, ..sizes.clone() };
        let mut of = Self::new(circuits, &ranking, &sizes)?;
        for point in &mut of.points {
            point.share = circuit.len() as f64 / graph.edge_count() as f64;
        }
        Ok(of)
    }

    /// The runs of circuits, and what is measured of them.
    pub fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// How many circuits are run in each row, the one in which every edge is patched among them.
    pub fn runs_per_row(&self) -> usize {
        self.points.len() + 1
    }

    /// The sizes: each share with the edges of its circuit.
    pub fn sizes(&self) -> Vec<(f64, usize)> {
        let circuits = self.points.iter().filter(|point| point.role == CircuitRole::Circuit);
        circuits.map(|point| (point.share, point.edges)).collect()
    }

    /// Runs the circuits of a row, by its place among the rows. `progress` is told how many are done, and may break off.
    ///
    /// # Errors
    /// As [`Circuits::run_row`].
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowFaithfulness, CircuitError> {
        let graph = self.circuits.rows().graph();
        let patched: Vec<(EdgeSet, Carry)> = self
            .points
            .iter()
            .map(|point| {
                let carry = match point.role {
                    CircuitRole::SelfSwap => Carry::Own,
                    _ => Carry::Counterpart,
                };
                (point.circuit.clone().complement(), carry)
            })
            .chain([(EdgeSet::all(graph), Carry::Counterpart)])
            .collect();
        let patched: Vec<Patched<'_>> =
            patched.iter().map(|(edges, carry)| Patched { edges, carry: *carry }).collect();
        let mut found = self.circuits.run_row(model, row, &patched, progress)?;
        let empty = found.values.pop().unwrap_or_default();
        Ok(RowFaithfulness { base: found.base, empty, values: found.values })
    }

    /// What a row gave as a table: a line for each circuit and metric.
    ///
    /// # Errors
    /// A row that there is not.
    pub fn table(&self, row: usize, found: &RowFaithfulness) -> Result<Table, CircuitError> {
        let rows = self.circuits.rows();
        let all = rows.prepared();
        let prepared = all.get(row).ok_or(CircuitError::NoRow { row, rows: all.len() })?;
        let metrics: Vec<&str> = rows.metrics().iter().map(|metric| metric.name()).collect();
        let each: Vec<(usize, &Point, usize)> = self
            .points
            .iter()
            .enumerate()
            .flat_map(|(number, point)| {
                (0..metrics.len()).map(move |metric| (number, point, metric))
            })
            .collect();
        let lines = each.len();
        let prune = if self.is_pruned { "pruned" } else { "unpruned" };
        let table = Table::builder()
            .column("example", vec![prepared.index as i64; lines])
            .column("group", vec![prepared.row.group.clone(); lines])
            .column("role", each.iter().map(|(_, point, _)| point.role.name()).collect::<Vec<_>>())
            .column("draw", each.iter().map(|(_, point, _)| point.draw as i64).collect::<Vec<_>>())
            .column("share", each.iter().map(|(_, point, _)| point.share).collect::<Vec<_>>())
            .column(
                "edges",
                each.iter().map(|(_, point, _)| point.edges as i64).collect::<Vec<_>>(),
            )
            .column(
                "metric",
                each.iter().map(|(_, _, metric)| metrics[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "base_value",
                each.iter().map(|(_, _, metric)| found.base[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "empty_value",
                each.iter().map(|(_, _, metric)| found.empty[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "value",
                each.iter()
                    .map(|(number, _, metric)| found.values[*number][*metric])
                    .collect::<Vec<_>>(),
            )
            .column("ablation", vec![self.circuits.ablated_by().name(); lines])
            .column("graph", vec![rows.graph().keys().name(); lines])
            .column("ranked_by", vec![self.by.name(); lines])
            .column("loose_ends", vec![prune; lines]);
        Ok(table.build()?)
    }
}

/// A circuit in which each receiver reads as many senders as in this one.
fn matched(circuit: &EdgeSet, seed: u64, share: f64, draw: usize) -> EdgeSet {
    let graph = circuit.graph();
    let mut drawn = EdgeSet::none(graph);
    for (number, receiver) in graph.receivers().enumerate() {
        let count = circuit.of(receiver).iter().filter(|is_in| **is_in).count();
        let mut draws = Draws::new([seed, share.to_bits(), draw as u64, number as u64]);
        for sender in draws.order(graph.read_by(receiver)).into_iter().take(count) {
            drawn.set(&Edge { sender: graph.sender(sender), receiver }, true);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Graph, GroupedKeys, Receiver};

    #[test]
    fn random_circuits_have_as_many_edges_at_each_receiver() {
        let model = Model::load("embedded").unwrap();
        let graph = Graph::of(model.config(), GroupedKeys::Grouped).unwrap();
        let mut circuit = EdgeSet::none(&graph);
        for (index, edge) in graph.edges().enumerate() {
            circuit.set(&edge, index.is_multiple_of(5));
        }
        let counts = |set: &EdgeSet| -> Vec<usize> {
            let count =
                |receiver: Receiver| set.of(receiver).iter().filter(|is_in| **is_in).count();
            graph.receivers().map(count).collect()
        };
        let one = matched(&circuit, 0, 0.2, 0);
        assert_eq!(counts(&one), counts(&circuit));
        assert_ne!(one, circuit);
        assert_ne!(one, matched(&circuit, 0, 0.2, 1));
        assert_ne!(one, matched(&circuit, 1, 0.2, 0));
        assert_eq!(one, matched(&circuit, 0, 0.2, 0));
    }
}
