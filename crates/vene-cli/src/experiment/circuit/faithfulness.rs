//! Circuits made of scored edges, and what they do by themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use vene::Outline;
use vene::circuit::{
    CircuitSizes, Circuits, EdgeRanking, Faithfulness, Graph, PatchPlace, RankBy, SHARES,
    SavedCircuit,
};
use vene::plan_file::List;
use vene_table::TableFile;

use crate::arguments::ReadBy;
use crate::circuit::Measure;
use crate::data_set::DataSet;
use crate::experiment::{Experiment, key};

const READ_BY: &ReadBy = &[
    ("[circuit] shares", "where edges have scores: a circuit that is saved is run as it is"),
    ("[circuit] rank", "where edges have scores: a circuit that is saved is run as it is"),
    ("[circuit] prune", "where edges have scores: a circuit that is saved is run as it is"),
];

/// Where scores come from.
pub enum Scored {
    /// Every edge has one.
    Ranking(EdgeRanking),
    /// A circuit, as it is.
    Circuit(SavedCircuit),
}

pub(super) fn prepare(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<(Box<dyn Measure>, String, &'static ReadBy)> {
    let rows = super::circuit_rows(experiment, outline, data, vec![PatchPlace::All])?;
    let graph = rows.graph().clone();
    let circuits = Circuits::new(rows).ablation(super::ablation(experiment));
    let mut sizes = CircuitSizes {
        random: key!(experiment, circuit.random).unwrap_or(1),
        seed: key!(experiment, statistics.seed).unwrap_or(0),
        ..CircuitSizes::default()
    };
    let faithfulness = match scored(experiment, &graph)? {
        Scored::Circuit(saved) => Faithfulness::of_circuit(circuits, &saved.circuit, &sizes)?,
        Scored::Ranking(ranking) => {
            sizes.shares = shares(experiment)?;
            sizes.by = key!(experiment, circuit.rank).unwrap_or_default();
            sizes.prune = key!(experiment, circuit.prune).unwrap_or(true);
            Faithfulness::new(circuits, &ranking, &sizes)?
        }
    };
    Ok((Box::new(faithfulness), "circuits over a data set".to_owned(), READ_BY))
}

fn shares(experiment: &Experiment) -> anyhow::Result<Vec<f64>> {
    let Some(List(list)) = key!(experiment, circuit.shares) else { return Ok(SHARES.to_vec()) };
    let share = |text: &str| {
        let text = text.trim();
        text.parse::<f64>().with_context(|| format!("--shares: `{text}` is no number such as 0.01"))
    };
    list.split(',').map(share).collect()
}

/// The edges that are named.
fn scored(experiment: &Experiment, graph: &Graph) -> anyhow::Result<Scored> {
    let path = key!(experiment, circuit.edges).context(
        "--edges is missing: a folder of `vene circuit edges`, its edges.parquet, or a circuit as JSON or GraphML",
    )?;
    let metric = key!(experiment, circuit.by_metric);
    // On the account only where edges are ranked.
    let by = experiment.sections.circuit.as_ref().and_then(|circuit| circuit.rank);
    let by = by.unwrap_or_default();
    experiment.read_file(&file_of(&path)).with_context(|| format!("--edges {}", path.display()))?;
    scored_edges(&path, metric.as_deref(), by, graph)
}

/// The table of a folder of edges, or the file itself.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("edges.parquet") } else { path.to_owned() }
}

/// Reads scored edges: the folder or the table of `vene circuit edges`, or a circuit's file.
///
/// # Errors
/// What is no such file, or of another graph; several metrics of which none is named.
pub fn scored_edges(
    path: &Path,
    metric: Option<&str>,
    by: RankBy,
    graph: &Graph,
) -> anyhow::Result<Scored> {
    let path = file_of(path);
    let what = || format!("--edges {}", path.display());
    if ends(&path, &["json", "graphml"]) {
        ensure!(
            metric.is_none(),
            "--by-metric says which of several metrics' scores are meant, and {} has one for each edge",
            path.display()
        );
        let saved = SavedCircuit::read(&path, graph)?;
        if !saved.circuit.is_empty() && saved.circuit.len() < graph.edge_count() {
            return Ok(Scored::Circuit(saved));
        }
        // All edges or none: what the file is about are its scores.
        let scores = graph.edges().filter_map(|edge| Some((edge, *saved.scores.get(&edge)?)));
        return Ok(Scored::Ranking(EdgeRanking::new(graph, scores, by).with_context(what)?));
    }
    ensure!(
        ends(&path, &["parquet"]),
        "--edges {}: expected a folder of `vene circuit edges`, a .parquet file of one, or a circuit as .json or .graphml",
        path.display()
    );
    let table = TableFile::open(&path).with_context(what)?;
    let ranking = EdgeRanking::of_summary(graph, &table, metric, by);
    Ok(Scored::Ranking(ranking.with_context(what)?))
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
}
