//! The edges of a model's graph, each scored.

use anyhow::ensure;
use vene::Outline;
use vene::circuit::{
    Ablation, CircuitRows, Edge, EdgeAttribution, EdgeEffects, EdgeMethod, EdgeScores, ExactCheck,
    Graph, PatchPlace,
};
use vene::plan_file::List;

use super::list::{receives, sends};
use crate::arguments::ReadBy;
use crate::circuit::Measure;
use crate::data_set::DataSet;
use crate::experiment::{Experiment, key};

/// The steps of integrated gradients where nothing is said, as EAP-IG's.
const STEPS: usize = 5;

const READ_BY: &ReadBy = &[
    ("[circuit] steps", "with --method eap-ig"),
    ("[circuit] check", "with --method eap or eap-ig"),
    ("[circuit] check_largest", "with --method eap or eap-ig"),
    ("[circuit] norm", "with --method exact"),
    ("[circuit] senders", "with --method exact: gradients score all edges at once"),
    ("[circuit] receivers", "with --method exact: gradients score all edges at once"),
    ("[limits] memory", "with --method exact"),
    ("[circuit] through", "by `vene circuit paths`"),
    ("[circuit] together", "by `vene circuit paths`"),
];

pub(super) fn prepare(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<(Box<dyn Measure>, String, &'static ReadBy)> {
    let rows = super::circuit_rows(
        experiment,
        outline,
        data,
        super::places(experiment, data, PatchPlace::All)?,
    )?;
    let ablation = super::ablation(experiment);
    let method = key!(experiment, circuit.method).unwrap_or_default();
    let scores = if method == EdgeMethod::Exact {
        EdgeScores::Exact(exact(experiment, rows, ablation)?)
    } else {
        let mut attribution = EdgeAttribution::new(rows)?.ablation(ablation);
        if method == EdgeMethod::EapIg {
            attribution =
                attribution.integrated(key!(experiment, circuit.steps).unwrap_or(STEPS))?;
        }
        let known = ExactCheck::default();
        let check = ExactCheck {
            share: key!(experiment, circuit.check).unwrap_or(known.share),
            largest: key!(experiment, circuit.check_largest).unwrap_or(known.largest),
            seed: key!(experiment, statistics.seed).unwrap_or(0),
        };
        ensure!(
            (0.0..=1.0).contains(&check.share),
            "--check {}: a share is from 0 to 1, such as 0.01",
            check.share
        );
        if check.share > 0.0 || check.largest > 0 {
            attribution = attribution.checked(check);
        }
        EdgeScores::Gradient(attribution)
    };
    let mode = format!("edges scored over a data set (--method {method})");
    Ok((Box::new(scores), mode, READ_BY))
}

fn exact(
    experiment: &Experiment,
    rows: CircuitRows,
    ablation: Ablation,
) -> anyhow::Result<EdgeEffects> {
    let edges = chosen(experiment, rows.graph())?;
    let mut effects = EdgeEffects::new(rows)
        .ablation(ablation)
        .norm(key!(experiment, circuit.norm).unwrap_or_default());
    if let Some(memory) = key!(experiment, limits.memory) {
        effects = effects.memory(memory);
    }
    match edges {
        Some(edges) => Ok(effects.edges(edges)?),
        None => Ok(effects),
    }
}

/// The edges between the senders and receivers that are named; `None`: all.
fn chosen(experiment: &Experiment, graph: &Graph) -> anyhow::Result<Option<Vec<Edge>>> {
    let named = |given: Option<List>| match given {
        Some(List(list)) if list.trim() != "all" => Some(list),
        _ => None,
    };
    let senders = named(key!(experiment, circuit.senders));
    let receivers = named(key!(experiment, circuit.receivers));
    if senders.is_none() && receivers.is_none() {
        return Ok(None);
    }
    let sending = senders.as_deref().map(|given| sends(given, graph)).transpose()?;
    let receiving = receivers.as_deref().map(|given| receives(given, graph)).transpose()?;
    let is_meant = |edge: &Edge| {
        sending.as_ref().is_none_or(|senders| senders.contains(&edge.sender))
            && receiving.as_ref().is_none_or(|receivers| receivers.contains(&edge.receiver))
    };
    let edges: Vec<Edge> = graph.edges().filter(is_meant).collect();
    ensure!(
        !edges.is_empty(),
        "this model's {} graph has no edge from --senders {} to --receivers {} (`vene circuit graph` lists them)",
        graph.keys(),
        senders.as_deref().unwrap_or("all"),
        receivers.as_deref().unwrap_or("all"),
    );
    Ok(Some(edges))
}
