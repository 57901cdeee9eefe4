//! The edges of a model's graph, scored in the rows of a data set.

use anyhow::{Context, bail, ensure};
use vene::circuit::{
    Ablation, CircuitRows, Edge, EdgeAttribution, EdgeEffects, EdgeMethod, EdgeScores, Graph,
    PatchPlace, Receiver, Sender,
};
use vene::data::Role;
use vene::metric::LOGIT_DIFFERENCE;
use vene::plan_file::List;
use vene::statistics::Bootstrap;
use vene::{AnswerTokens, Outline};

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, read};
use crate::command::join::Shards;
use crate::data_set::DataSet;
use crate::edges::{self, Settings};
use crate::folder::Folder;
use crate::record::Kind;
use crate::rows;
use crate::shard::{self, Shard};

/// The steps of integrated gradients where nothing is said, as EAP-IG's.
const STEPS: usize = 5;

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    let claimed = delivery.claim(&experiment, Kind::Edges)?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let (outline, scores, settings) = prepare(&mut experiment, shard, json)?;
    match &claimed {
        None => edges::forecast(&outline, &scores, &settings, &delivery.folder(&experiment)?),
        Some(folder) => edges::start(outline, &scores, &settings, folder),
    }
}

pub(super) fn go_on(
    mut experiment: Experiment,
    folder: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, scores, settings) = prepare(&mut experiment, shard, json)?;
    edges::go_on(outline, &scores, &settings, folder)
}

pub(super) fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    folder: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, scores, settings) = prepare(&mut experiment, None, json)?;
    edges::put_together(&outline, &scores, &settings, folder, shards)
}

const READ_BY: &ReadBy = &[
    ("[circuit] steps", "with --method eap-ig"),
    ("[circuit] norm", "with --method exact"),
    ("[circuit] senders", "with --method exact: gradients score all edges at once"),
    ("[circuit] receivers", "with --method exact: gradients score all edges at once"),
    ("[limits] memory", "with --method exact"),
];

/// Checks everything before a weight is read.
fn prepare(
    experiment: &mut Experiment,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<(Outline, EdgeScores, Settings)> {
    // Known to be for other commands.
    for section in ["sweep", "train", "generate", "tensors", "read"] {
        experiment.given.skip_section(section);
    }
    ensure!(
        experiment.has_rows(),
        "edges are scored in the rows of a data set: give one with --data, e.g. of `vene task ioi --out ioi.jsonl`"
    );
    let (name, outline) = experiment.open()?;
    let data = experiment.rows(&outline)?;
    let scores = scores(experiment, &outline, &data)?;
    shard::rows_of(shard, scores.rows().prepared().len())?;
    let mut bootstrap =
        Bootstrap { seed: key!(experiment, statistics.seed).unwrap_or(0), ..Bootstrap::default() };
    if let Some(resamples) = key!(experiment, statistics.resamples) {
        bootstrap.resamples = resamples;
    }
    bootstrap.check().context("--resamples")?;
    let settings = Settings {
        spec: experiment.spec(&name)?,
        precision: key!(experiment, model.precision).unwrap_or_default(),
        json,
        bootstrap,
        data: data.into_source(),
        shard,
    };
    let mode = format!("edges scored over a data set (--method {})", scores.method());
    experiment.given.check(mode, READ_BY)?;
    Ok((outline, scores, settings))
}

fn scores(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<EdgeScores> {
    let ablation = key!(experiment, circuit.ablation).unwrap_or_default();
    let metrics = match key!(experiment, measure.metrics) {
        Some(names) => super::sweep::metrics(experiment, &names)?,
        None => vec![std::sync::Arc::new(LOGIT_DIFFERENCE) as _],
    };
    let rows = CircuitRows::builder(outline, &data.rows)
        .graph(key!(experiment, circuit.graph).unwrap_or_default())
        .places(places(experiment, data)?)
        .metrics(metrics)
        .beginning_of_sequence(key!(experiment, model.bos).unwrap_or_default())
        .first_tokens(key!(experiment, measure.answers) == Some(AnswerTokens::First))
        .reads_source(ablation.reads_source())
        .build()?;
    let method = key!(experiment, circuit.method).unwrap_or_default();
    if method == EdgeMethod::Exact {
        return exact(experiment, rows, ablation).map(EdgeScores::Exact);
    }
    let mut attribution = EdgeAttribution::new(rows)?.ablation(ablation);
    if method == EdgeMethod::EapIg {
        attribution = attribution.integrated(key!(experiment, circuit.steps).unwrap_or(STEPS))?;
    }
    Ok(EdgeScores::Gradient(attribution))
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
    let list = |list: Option<List>| match list {
        Some(List(list)) if list.trim() != "all" => Some(list),
        _ => None,
    };
    let senders = list(key!(experiment, circuit.senders));
    let receivers = list(key!(experiment, circuit.receivers));
    if senders.is_none() && receivers.is_none() {
        return Ok(None);
    }
    let sends = |sender: Sender| match &senders {
        None => Ok(true),
        Some(list) => any(list, |name| match name {
            "heads" => Ok(matches!(sender, Sender::Head { .. })),
            "mlps" => Ok(matches!(sender, Sender::Mlp { .. })),
            name => Ok(name.parse::<Sender>().context("--senders")? == sender),
        }),
    };
    let receives = |receiver: Receiver| match &receivers {
        None => Ok(true),
        Some(list) => any(list, |name| match name {
            "heads" => Ok(!matches!(receiver, Receiver::Mlp { .. } | Receiver::Logits)),
            "mlps" => Ok(matches!(receiver, Receiver::Mlp { .. })),
            name => Ok(name.parse::<Receiver>().context("--receivers")? == receiver),
        }),
    };
    let mut edges = Vec::new();
    for edge in graph.edges() {
        if sends(edge.sender)? && receives(edge.receiver)? {
            edges.push(edge);
        }
    }
    ensure!(
        !edges.is_empty(),
        "this model's {} graph has no edge from --senders {} to --receivers {} (`vene circuit graph` lists them)",
        graph.keys(),
        senders.as_deref().unwrap_or("all"),
        receivers.as_deref().unwrap_or("all"),
    );
    Ok(Some(edges))
}

/// Whether any name of a list is meant; all of them are looked at.
fn any(list: &str, mut is_meant: impl FnMut(&str) -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let mut found = false;
    for name in list.split(',').map(str::trim) {
        found |= is_meant(name)?;
    }
    Ok(found)
}

fn places(experiment: &Experiment, data: &DataSet) -> anyhow::Result<Vec<PatchPlace>> {
    let Some(List(list)) = key!(experiment, circuit.positions) else {
        return Ok(vec![PatchPlace::All]);
    };
    let mut places = Vec::new();
    for item in list.split(',').map(str::trim) {
        let place = if item == "all" {
            PatchPlace::All
        } else {
            let role: Role = item.parse().context("--positions")?;
            let known = rows::check_role(&role, &data.rows, &data.unused);
            known.with_context(|| format!("--positions {item}"))?;
            PatchPlace::Role(role)
        };
        if places.contains(&place) {
            bail!("--positions {item} is named twice");
        }
        places.push(place);
    }
    Ok(places)
}
