//! The error bar of an estimate: some of its edges are patched exactly in the same run.
//!
//! A share of the edges, drawn once and the same in every row, says how far estimates are off on the whole; of the edges with the largest estimates of
//! each row, which are what one looks at, the exact effects stand beside them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use vene_model::Model;
use vene_random::Draws;
use vene_statistics::{Bootstrap, ClusterSums, correlation, estimates, rank_correlation};
use vene_table::{Table, TableSource};

use crate::attribution::EdgeAttribution;
use crate::edges::{EdgeEffects, RowEdges};
use crate::error::CircuitError;
use crate::graph::{Edge, Graph};
use crate::table::Examples;

/// Which edges are patched exactly beside their estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactCheck {
    /// A share of all edges, drawn at random.
    pub share: f64,
    /// So many of each row's largest estimates, at each place.
    pub largest: usize,
    /// The seed of the draw.
    pub seed: u64,
}

impl Default for ExactCheck {
    fn default() -> Self {
        Self { share: 0.01, largest: 20, seed: 0 }
    }
}

/// Why an edge was patched exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It was drawn.
    Sample,
    /// Its estimate is among the largest of its row.
    Largest,
}

impl Checked {
    /// As tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Largest => "largest",
        }
    }
}

impl ExactCheck {
    /// How many edges are drawn.
    pub fn sampled(&self, graph: &Graph) -> usize {
        self.sample(graph).len()
    }

    /// The edges that are drawn: at least one, where the share is not 0.
    fn sample(&self, graph: &Graph) -> HashSet<Edge> {
        let all = graph.edge_count();
        if self.share <= 0.0 {
            return HashSet::new();
        }
        let count = ((self.share * all as f64).round() as usize).clamp(1, all);
        let drawn: HashSet<usize> =
            Draws::new([self.seed, 0x00ED_6E50]).order(all).into_iter().take(count).collect();
        graph
            .edges()
            .enumerate()
            .filter(|(index, _)| drawn.contains(index))
            .map(|(_, edge)| edge)
            .collect()
    }

    /// Patches the edges of a row exactly, beside its estimates.
    pub(crate) fn fill(
        &self,
        attribution: &EdgeAttribution,
        model: &Model,
        row: usize,
        found: &mut RowEdges,
    ) -> Result<(), CircuitError> {
        let rows = attribution.rows();
        let sample = self.sample(rows.graph());
        let mut why: HashMap<(Edge, usize), Checked> = HashMap::new();
        for place in 0..rows.places().len() {
            let mut largest: Vec<(f64, Edge)> = found
                .edges
                .iter()
                .filter(|of| of.place == place)
                .map(|of| {
                    (of.effects.iter().fold(0.0, |most: f64, one| most.max(one.abs())), of.edge)
                })
                .collect();
            largest.sort_by(|(one, edge), (other, beside)| {
                other.total_cmp(one).then_with(|| edge.cmp(beside))
            });
            for (_, edge) in largest.into_iter().take(self.largest) {
                why.insert((edge, place), Checked::Largest);
            }
            // What was drawn is a fair sample only if all of it is.
            why.extend(sample.iter().map(|edge| ((*edge, place), Checked::Sample)));
        }
        if why.is_empty() {
            return Ok(());
        }
        let edges: HashSet<Edge> = why.keys().map(|(edge, _)| *edge).collect();
        let exact = EdgeEffects::new(rows.clone()).ablation(attribution.ablation).edges(edges)?;
        let exact = exact.run_row(model, row, &mut |_| ControlFlow::Continue(()))?;
        let exact: HashMap<(Edge, usize), Vec<f64>> =
            exact.edges.into_iter().map(|of| ((of.edge, of.place), of.effects)).collect();
        for of in &mut found.edges {
            let key = (of.edge, of.place);
            if let (Some(why), Some(effects)) = (why.get(&key), exact.get(&key)) {
                of.exact = Some((*why, effects.clone()));
            }
        }
        Ok(())
    }
}

/// How far estimates are from exact effects: a line for each metric, and for what was drawn and what was largest. `None` where nothing was checked.
///
/// # Errors
/// A table that is no examples' table of estimated edges; intervals that cannot be drawn.
pub fn check_summary(
    examples: &impl TableSource,
    bootstrap: &Bootstrap,
) -> Result<Option<Table>, CircuitError> {
    if !examples.fields().iter().any(|(name, _)| name == "exact_effect") {
        return Ok(None);
    }
    let known = Examples::of(examples)?;
    let mut cells: Vec<Cell> = Vec::new();
    let columns = [
        "example",
        "sender",
        "receiver",
        "position",
        "metric",
        "effect",
        "exact_effect",
        "checked",
    ];
    for chunk in examples.chunks(Some(&columns))? {
        let chunk = chunk?;
        let (why, exact) =
            (chunk.optional_text("checked")?, chunk.optional_floats("exact_effect")?);
        let (numbers, metrics) = (chunk.integers("example")?, chunk.text("metric")?);
        let (senders, receivers) = (chunk.text("sender")?, chunk.text("receiver")?);
        let (places, effects) = (chunk.text("position")?, chunk.floats("effect")?);
        for row in 0..chunk.rows() {
            let (Some(why), Some(exact)) = (why[row], exact[row]) else { continue };
            let is_here = |cell: &Cell| cell.why == why && cell.metric == metrics[row];
            let place = cells.iter().position(is_here).unwrap_or_else(|| {
                cells.push(Cell {
                    why: why.to_owned(),
                    metric: metrics[row].to_owned(),
                    errors: ClusterSums::new(&known.clusters),
                    sizes: ClusterSums::new(&known.clusters),
                    means: HashMap::new(),
                    agree: 0,
                    count: 0,
                });
                cells.len() - 1
            });
            let cell = &mut cells[place];
            let observation = known.number(numbers[row])?;
            cell.errors.add(&known.clusters, observation, (effects[row] - exact).abs());
            cell.sizes.add(&known.clusters, observation, exact.abs());
            let edge = format!("{}->{} at {}", senders[row], receivers[row], places[row]);
            let sums = cell.means.entry(edge).or_default();
            sums.0 += effects[row];
            sums.1 += exact;
            sums.2 += 1;
            cell.agree += usize::from(effects[row] * exact > 0.0);
            cell.count += 1;
        }
    }
    let errors: Vec<&ClusterSums> = cells.iter().map(|cell| &cell.errors).collect();
    let errors = estimates(&errors, &known.clusters, bootstrap)?;
    let sizes: Vec<&ClusterSums> = cells.iter().map(|cell| &cell.sizes).collect();
    let sizes = estimates(&sizes, &known.clusters, bootstrap)?;
    let means = |cell: &Cell, which: fn(&(f64, f64, usize)) -> f64| -> Vec<f64> {
        let mut keys: Vec<&String> = cell.means.keys().collect();
        keys.sort();
        keys.into_iter().map(|key| which(&cell.means[key])).collect()
    };
    let estimated = |cell: &Cell| means(cell, |(estimate, _, n)| estimate / *n as f64);
    let exact = |cell: &Cell| means(cell, |(_, exact, n)| exact / *n as f64);
    let absolute = |values: Vec<f64>| values.into_iter().map(f64::abs).collect::<Vec<_>>();
    let ranked = |cell: &Cell| rank_correlation(&absolute(estimated(cell)), &absolute(exact(cell)));
    let table = Table::builder()
        .column("checked", cells.iter().map(|cell| cell.why.clone()).collect::<Vec<_>>())
        .column("metric", cells.iter().map(|cell| cell.metric.clone()).collect::<Vec<_>>())
        .column("edges", cells.iter().map(|cell| cell.means.len() as i64).collect::<Vec<_>>())
        .column("n", cells.iter().map(|cell| cell.count as i64).collect::<Vec<_>>())
        .column("mean_error", errors.iter().map(|found| found.mean).collect::<Vec<_>>())
        .column("low", errors.iter().map(|found| Some(found.interval?.low)).collect::<Vec<_>>())
        .column("high", errors.iter().map(|found| Some(found.interval?.high)).collect::<Vec<_>>())
        .column("mean_size", sizes.iter().map(|found| found.mean).collect::<Vec<_>>())
        .column("rank_correlation", cells.iter().map(ranked).collect::<Vec<_>>())
        .column(
            "correlation",
            cells
                .iter()
                .map(|cell| correlation(&estimated(cell), &exact(cell)))
                .collect::<Vec<_>>(),
        )
        .column(
            "sign_agreement",
            cells.iter().map(|cell| cell.agree as f64 / cell.count as f64).collect::<Vec<_>>(),
        );
    Ok(Some(table.build()?))
}

/// What was checked for one reason, on one metric.
struct Cell {
    why: String,
    metric: String,
    /// |estimate − exact|.
    errors: ClusterSums,
    /// |exact|.
    sizes: ClusterSums,
    /// Of each edge, the sums of both over the rows in which it was checked, and their number.
    means: HashMap<String, (f64, f64, usize)>,
    agree: usize,
    count: usize,
}
