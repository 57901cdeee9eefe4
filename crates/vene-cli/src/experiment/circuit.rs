//! What is measured of circuits in the rows of a data set: edges, paths, circuits of growing size.

mod edges;
mod faithfulness;
mod in_memory;
mod list;
mod pairs;
mod paths;
mod scrub;

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use vene::circuit::{Ablation, CircuitRows, CircuitRowsBuilder, PatchPlace};
use vene::data::Role;
use vene::metric::{BuiltIn, LOGIT_DIFFERENCE, Metric};
use vene::plan_file::{ExperimentKind, List};
use vene::statistics::Bootstrap;
use vene::{AnswerTokens, Outline};

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, read};
use crate::circuit::{self, Measure, Settings};
use crate::command::join::Shards;
use crate::data_set::{DataSet, DataSource};
use crate::folder::Folder;
use crate::prompts;
use crate::rows;
use crate::shard::{self, Shard};

pub use faithfulness::{Scored, scored_edges};
pub use in_memory::{Measured, measure_in_memory};

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    let claimed = delivery.claim(&experiment, kind(&experiment))?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let (outline, measure, settings) = prepare(&mut experiment, shard, json)?;
    match &claimed {
        None => circuit::forecast(&outline, &*measure, &settings, &delivery.folder(&experiment)?),
        Some(folder) => circuit::start(outline, &*measure, &settings, folder),
    }
}

pub(super) fn go_on(
    mut experiment: Experiment,
    folder: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, measure, settings) = prepare(&mut experiment, shard, json)?;
    circuit::go_on(outline, &*measure, &settings, folder)
}

pub(super) fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    folder: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, measure, settings) = prepare(&mut experiment, None, json)?;
    circuit::put_together(&outline, &*measure, &settings, folder, shards)
}

/// The kind of run that an experiment makes.
fn kind(experiment: &Experiment) -> crate::record::Kind {
    match experiment.kind {
        ExperimentKind::Paths => crate::record::Kind::Paths,
        ExperimentKind::Faithfulness => crate::record::Kind::Faithfulness,
        ExperimentKind::Scrub => crate::record::Kind::Scrubbing,
        ExperimentKind::Pairs => crate::record::Kind::Pairs,
        _ => crate::record::Kind::Edges,
    }
}

/// What an experiment asks for, on a model.
struct Checked {
    measure: Box<dyn Measure>,
    bootstrap: Bootstrap,
    data: DataSource,
    /// What messages call it, and what it does not read.
    mode: String,
    read_by: &'static ReadBy,
}

/// Checks everything before a weight is read.
fn prepare(
    experiment: &mut Experiment,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<(Outline, Box<dyn Measure>, Settings)> {
    expect_rows(experiment)?;
    let (name, outline) = experiment.open()?;
    let Checked { measure, bootstrap, data, mode, read_by } = check(experiment, &outline)?;
    shard::rows_of(shard, measure.rows().prepared().len())?;
    let settings = Settings {
        spec: experiment.spec(&name)?,
        precision: key!(experiment, model.precision).unwrap_or_default(),
        json,
        bootstrap,
        data,
        shard,
    };
    experiment.given.check(mode, read_by)?;
    Ok((outline, measure, settings))
}

fn expect_rows(experiment: &Experiment) -> anyhow::Result<()> {
    ensure!(
        experiment.has_rows(),
        "circuits are measured in the rows of a data set: give one with --data, e.g. of `vene task ioi --out ioi.jsonl`"
    );
    Ok(())
}

fn check(experiment: &mut Experiment, outline: &Outline) -> anyhow::Result<Checked> {
    // Known to be for other commands.
    for section in ["sweep", "train", "generate", "tensors", "read"] {
        experiment.given.skip_section(section);
    }
    let data = experiment.rows(outline)?;
    let (measure, mode, read_by): (Box<dyn Measure>, _, _) = match experiment.kind {
        ExperimentKind::Paths => paths::prepare(experiment, outline, &data)?,
        ExperimentKind::Faithfulness => faithfulness::prepare(experiment, outline, &data)?,
        ExperimentKind::Scrub => scrub::prepare(experiment, outline, &data)?,
        ExperimentKind::Pairs => pairs::prepare(experiment, outline, &data)?,
        _ => edges::prepare(experiment, outline, &data)?,
    };
    let mut bootstrap =
        Bootstrap { seed: key!(experiment, statistics.seed).unwrap_or(0), ..Bootstrap::default() };
    if let Some(resamples) = key!(experiment, statistics.resamples) {
        bootstrap.resamples = resamples;
    }
    bootstrap.check().context("--resamples")?;
    Ok(Checked { measure, bootstrap, data: data.into_source(), mode, read_by })
}

/// The rows of a data set, and what is measured of them.
fn circuit_rows(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
    places: Vec<PatchPlace>,
) -> anyhow::Result<CircuitRows> {
    let rows = rows_measured(experiment, outline, data, LOGIT_DIFFERENCE)?
        .graph(key!(experiment, circuit.graph).unwrap_or_default())
        .places(places)
        .reads_source(ablation(experiment).reads_source());
    Ok(rows.build()?)
}

/// The rows, and what is measured of them: by default this metric.
fn rows_measured<'a>(
    experiment: &Experiment,
    outline: &'a Outline,
    data: &'a DataSet,
    otherwise: BuiltIn,
) -> anyhow::Result<CircuitRowsBuilder<'a>> {
    let metrics: Vec<Arc<dyn Metric>> = match key!(experiment, measure.metrics) {
        Some(names) => super::sweep::metrics(experiment, &names)?,
        None => vec![Arc::new(otherwise) as _],
    };
    Ok(CircuitRows::builder(outline, &data.rows)
        .metrics(metrics)
        .prompt_form(prompts::form(experiment))
        .first_tokens(key!(experiment, measure.answers) == Some(AnswerTokens::First)))
}

fn ablation(experiment: &Experiment) -> Ablation {
    key!(experiment, circuit.ablation).unwrap_or_default()
}

/// Where is patched: at this place, where nothing is said.
fn places(
    experiment: &Experiment,
    data: &DataSet,
    otherwise: PatchPlace,
) -> anyhow::Result<Vec<PatchPlace>> {
    let Some(List(list)) = key!(experiment, circuit.positions) else {
        return Ok(vec![otherwise]);
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
