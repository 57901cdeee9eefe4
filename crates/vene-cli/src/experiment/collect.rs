//! What a plan collects, of prompts or of rows: one stacked tensor a site.

mod in_memory;

use std::sync::Arc;

use anyhow::{bail, ensure};
use vene::plan_sweep::{PlanSweep, PlanSweepError};
use vene::{Outline, Plan};

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, must_end_with, read};
use crate::collection::{Checked, CollectedSite, Layout, Settings, file, folder};
use crate::command::join::Shards;
use crate::data_set::DataSet;
use crate::folder::Folder;
use crate::prompts;
use crate::record::Kind;
use crate::rows;
use crate::shard::Shard;
use crate::stacked::ENDINGS;
pub use in_memory::{Collection, collect_in_memory};

const READ_BY: &ReadBy = &[
    ("set", "with --plan"),
    ("[data] limit", "with --data"),
    (
        "[model] another",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("shard", INTO_A_FOLDER),
    ("json", INTO_A_FOLDER),
    ("layers", "with --component"),
    ("positions", "with --component"),
    ("[data] spans", "with a --plan whose positions are roles, and prompts that are typed"),
    (
        "[data] source_spans",
        "with --source, as the plan's edits read it, and prompts that are typed",
    ),
    ("[data] sources", "with a --plan whose edits read a source, and prompts that are typed"),
];

const INTO_A_FOLDER: &str = "where the results go into a folder, rather than one file (--out)";

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let out = read!(experiment.given, delivery => out).as_deref();
    let Some(out) = out.filter(|out| file::is_file(out)) else {
        return run_in_folder(experiment, delivery);
    };
    let force = *read!(experiment.given, delivery => force);
    // Prompts that are typed need no table that says which is which.
    let claimed = file::Claimed::new(out, force, experiment.has_rows())?;
    let (outline, checked, settings) = prepare(&mut experiment)?;
    file::write(outline, &checked, &settings, claimed)
}

fn run_in_folder(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    if let Some(out) = delivery.out.as_deref().filter(|out| !out.is_dir()) {
        must_end_with(out, &ENDINGS)?;
    }
    let claimed = delivery.claim_folder(&experiment, Kind::Collection)?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let (outline, checked, settings) = prepare(&mut experiment)?;
    folder::start(outline, &checked, &Settings { json, shard, ..settings }, &claimed)
}

pub(super) fn go_on(
    mut experiment: Experiment,
    claimed: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let (outline, checked, settings) = prepare(&mut experiment)?;
    folder::go_on(outline, &checked, &Settings { json, shard, ..settings }, claimed)
}

pub(super) fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    claimed: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let (outline, checked, settings) = prepare(&mut experiment)?;
    folder::put_together(&outline, &checked, &Settings { json, ..settings }, claimed, shards)
}

/// Checks everything before a weight is read.
fn prepare(experiment: &mut Experiment) -> anyhow::Result<(Outline, Checked, Settings)> {
    let (name, outline) = experiment.open()?;
    let precision = key!(experiment, model.precision).unwrap_or_default();
    let checked = check(experiment, &outline)?;
    warn(&outline, &checked);
    let spec = experiment.spec(&name)?;
    Ok((outline, checked, Settings { spec, precision, json: false, shard: None }))
}

/// Warns of what may make a result other than was meant.
fn warn(outline: &Outline, checked: &Checked) {
    rows::warn_of_left_out(checked.sweep.left_out(), checked.data.rows);
    if let Some(row) = checked.sweep.rows().first() {
        prompts::warn_about_bos(outline, &row.base);
    }
}

/// Checks what an experiment asks for on a model.
fn check(experiment: &Experiment, outline: &Outline) -> anyhow::Result<Checked> {
    let has_table = experiment.has_rows();
    let plan = experiment.plan(outline)?;
    let mut data = experiment.rows(outline)?;
    if !has_table && plan.reads_sources() {
        add_source(experiment, &mut data);
    }
    rows::check_roles(&plan, &data)?;
    let form = prompts::form(experiment);
    let pad = key!(experiment, tensors.pad).unwrap_or(false);
    let memory = key!(experiment, limits.memory);
    experiment.given.check("a collection of activations", READ_BY)?;
    let (sites, items) = sites(&plan)?;
    let sweep = PlanSweep::builder(outline)
        .plan(plan)
        .rows(&data.rows)
        .prompt_form(form)
        .metrics([])
        .padded()
        .build()
        .map_err(|error| of_prompts(has_table, error))?;
    if let Some(memory) = memory {
        sweep.fits(outline, memory)?;
    }
    if let (false, Some(row)) = (has_table, sweep.left_out().first()) {
        bail!("prompt {}: {}", row.index, row.reason);
    }
    let layout = Layout::of(outline, &sweep, &sites, items, pad)?;
    Ok(Checked { data: data.into_source(), sweep, sites: sites.len(), layout, memory })
}

/// Gives prompts that were typed the source that the plan's edits read.
fn add_source(experiment: &Experiment, data: &mut DataSet) {
    let Some(source) = key!(experiment, data.sources).into_iter().next() else { return };
    let in_source = key!(experiment, data.source_spans);
    for row in &mut data.rows {
        row.source = Some(source.clone());
        for (name, span) in Arc::make_mut(&mut row.spans) {
            if let Some(phrase) = in_source.get(name) {
                span.source = Some(phrase.as_str().into());
            }
        }
    }
}

/// Says what of a plan a collection reads.
fn account_of_plan(experiment: &Experiment) {
    let given = &experiment.given;
    for section in ["edit", "collect", "grid"] {
        given.read_section(section);
    }
    // Known to be for other commands.
    for section in ["train", "generate", "measure", "statistics", "read", "sweep", "circuit"] {
        given.skip_section(section);
    }
    given.skip_of_plan("limits", &["executor"]);
    if experiment.sections.train.is_some() || experiment.sections.generate.is_some() {
        // What is trained on, or continued.
        given.skip_section("data");
    }
}

/// The sites of which a plan collects, and at how many lists of positions each.
fn sites(plan: &Plan) -> anyhow::Result<(Vec<CollectedSite>, usize)> {
    let collects: Vec<_> = plan.collects().collect();
    let mut sites: Vec<CollectedSite> = Vec::new();
    for (component, layer, _) in &collects {
        if !sites.contains(&(*component, *layer)) {
            sites.push((*component, *layer));
        }
    }
    ensure!(
        !sites.is_empty(),
        "nothing is collected: say what with --component, or by [[collect]] in the plan"
    );
    let items = collects.len() / sites.len();
    for (index, (component, layer, positions)) in collects.iter().enumerate() {
        let first = &collects[index % items].2;
        ensure!(
            (*component, *layer) == sites[index / items] && positions == first,
            "a file of tensors has each site at the same positions, and {component} is collected at others than the \
             first: collect them one after the other"
        );
    }
    Ok((sites, items))
}

/// What is wrong, by the prompt's number where prompts were given.
fn of_prompts(has_table: bool, error: PlanSweepError) -> anyhow::Error {
    match error {
        PlanSweepError::NoneUsable { reason, .. } if !has_table => {
            anyhow::anyhow!("prompt 0: {reason}")
        }
        error => error.into(),
    }
}
