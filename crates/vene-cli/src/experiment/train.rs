//! A plan's interventions, trained on the rows of a data set.

mod in_memory;

use vene::Outline;
use vene::plan_file::PlanGrid;

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, read};
use crate::command::join::Shards;
use crate::folder::Folder;
use crate::prompts;
use crate::record::Kind;
use crate::rows;
use crate::shard::Shard;
use crate::training::{Settings, go_on as resume, grid, start};
pub use in_memory::{TrainedPlan, train_in_memory};

const READ_BY: &ReadBy = &[
    (
        "[model] another",
        "with a plan that was made for another model of the same shape and tokenizer",
    ),
    ("[data] task", "without a `path` beside it"),
    ("[data] seed", "with a `task`"),
    ("[data] counterfactual", "with a `path`, or with --data"),
    ("[data] base", "by `vene generate`: the rows of a data set are trained on"),
    ("[data] sources", "by `vene generate`: the rows of a data set are trained on"),
    ("[read] logits_of", "by `vene run`, and by programs (the library)"),
    ("[read] probabilities_of", "by `vene run`, and by programs (the library)"),
    ("[read] original", "by `vene generate` and by programs"),
    ("[[collect]]", "by `vene run`, and by programs (the library)"),
];

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    let folder = delivery.claim_folder(&experiment, Kind::Training)?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let (outline, grid, settings) = prepare(&mut experiment, shard, json)?;
    start(outline, &grid, &settings, &folder)
}

pub(super) fn go_on(
    mut experiment: Experiment,
    folder: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, grid, settings) = prepare(&mut experiment, shard, json)?;
    resume(outline, &grid, &settings, folder)
}

pub(super) fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    folder: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, grid, settings) = prepare(&mut experiment, None, json)?;
    grid::put_together(&outline, &grid, &settings, folder, shards)
}

/// Checks everything before a weight is read.
fn prepare(
    experiment: &mut Experiment,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<(Outline, PlanGrid, Settings)> {
    account_of_plan(experiment);
    let (model, outline) = experiment.open()?;
    let grid = experiment.grid(&outline)?;
    let settings = settings(experiment, &outline, &grid, &model)?;
    Ok((outline, grid, Settings { shard, json, ..settings }))
}

/// Says what is read of the plan itself.
fn account_of_plan(experiment: &Experiment) {
    let given = &experiment.given;
    for section in ["train", "edit", "grid"] {
        given.read_section(section);
    }
    // For other commands, which the same plan may be given to.
    for section in ["generate", "measure", "statistics", "sweep", "tensors", "circuit"] {
        given.skip_section(section);
    }
    given.skip_of_plan("limits", &["executor"]);
    given.read_of_plan("read", &["positions"]);
}

/// What is trained on what.
fn settings(
    experiment: &Experiment,
    outline: &Outline,
    grid: &PlanGrid,
    model: &str,
) -> anyhow::Result<Settings> {
    let data = experiment.rows(outline)?;
    for run in &grid.runs {
        rows::check_roles(&run.plan, &data)?;
    }
    let settings = Settings {
        spec: experiment.spec(model)?,
        sections: experiment.sections.clone(),
        rows: data,
        together: key!(experiment, train.together).unwrap_or_default(),
        memory: key!(experiment, limits.memory),
        shard: None,
        json: false,
        form: prompts::form(experiment),
        precision: key!(experiment, model.precision).unwrap_or_default(),
    };
    experiment.given.check("this training", READ_BY)?;
    Ok(settings)
}
