//! A plan over the rows of a data set, or the evaluation of one that was trained.

mod in_memory;

use std::sync::Arc;

use anyhow::{Context, bail};
use vene::metric::{self, Metric};
use vene::plan_file::{ExperimentKind, PlanGrid};
use vene::plan_sweep::PlanSweep;
use vene::sweep::Summary;
use vene::{AnswerTokens, Outline};

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, read};
use crate::command::join::Shards;
use crate::data_set::{DataSet, DataSource};
use crate::folder::Folder;
use crate::plan_sweep::{self, Settings};
use crate::prompts;
use crate::record::Kind;
use crate::rows;
use crate::shard::Shard;
use crate::training::comparison::Comparison;

const READ_BY: &ReadBy = &[
    (
        "[model] another",
        "with a plan that was made for another model of the same shape and tokenizer",
    ),
    ("[limits] memory", "with the executor `forked`"),
    ("[statistics] together", "with `discovery` beside it"),
    ("[data] path", "without --data"),
    ("[data] counterfactual", "with a file of rows"),
    ("[data] rows", "with a data set"),
    ("[data] limit", "with a data set"),
    ("[data] task", "without a `path` beside it"),
    ("[data] seed", "with a `task`"),
    ("[data] base", "without a `path` or `task` beside it"),
    ("[data] sources", "with `base`; of several the first"),
    ("[read] positions", "with `probabilities_of` or `logits_of`"),
];

pub use in_memory::{PlanRan, run_in_memory};

/// What runs, made ready.
struct Prepared {
    outline: Outline,
    sweep: PlanSweep,
    settings: Settings,
}

/// What an experiment asks for, on a model.
struct Checked {
    sweep: PlanSweep,
    summary: Summary,
    data: DataSource,
    also: Option<plan_sweep::Also>,
}

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let folder = delivery.claim(&experiment, Kind::PlanSweep)?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let Prepared { outline, sweep, settings } = prepare(&mut experiment, shard, json)?;
    match &folder {
        None => plan_sweep::forecast(outline, &sweep, &settings),
        Some(folder) => plan_sweep::start(outline, &sweep, &settings, folder),
    }
}

pub(super) fn go_on(
    mut experiment: Experiment,
    folder: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    let Prepared { outline, sweep, settings } = prepare(&mut experiment, shard, json)?;
    plan_sweep::go_on(outline, &sweep, &settings, folder)
}

pub(super) fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    folder: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    let Prepared { outline, sweep, settings } = prepare(&mut experiment, None, json)?;
    plan_sweep::put_together(outline, &sweep, &settings, folder, shards)
}

/// Says what is read of the plan itself.
fn account_of_plan(experiment: &Experiment) {
    let given = &experiment.given;
    for section in ["grid", "edit", "collect"] {
        given.read_section(section);
    }
    // Known to be for other commands.
    for section in ["train", "generate", "sweep", "tensors", "circuit"] {
        given.skip_section(section);
    }
    given.read_of_plan("read", &["probabilities_of", "logits_of"]);
    let reads = |key| experiment.says("read", Some(key));
    if reads("probabilities_of") || reads("logits_of") {
        // The unedited run's numbers stand beside the edited one's anyway.
        given.read_of_plan("read", &["positions", "original"]);
    }
}

/// Checks everything before a weight is read.
fn prepare(
    experiment: &mut Experiment,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<Prepared> {
    let (model, outline) = experiment.open()?;
    let (executor, memory) = experiment.executor();
    let precision = key!(experiment, model.precision).unwrap_or_default();
    let Checked { sweep, summary, data, also } = check(experiment, &outline, memory)?;
    let settings = Settings {
        spec: experiment.spec(&model)?,
        precision,
        executor,
        memory,
        json,
        summary,
        data,
        shard,
        also,
    };
    let sweep = plan_sweep::shared(sweep, shard)?;
    Ok(Prepared { outline, sweep, settings })
}

/// Checks what an experiment asks for on a model.
fn check(
    experiment: &Experiment,
    outline: &Outline,
    memory: Option<usize>,
) -> anyhow::Result<Checked> {
    let mut grid = experiment.grid(outline)?;
    let mut data = experiment.rows(outline)?;
    for run in &grid.runs {
        rows::check_roles(&run.plan, &data)?;
    }
    let form = prompts::form(experiment);
    let mut names = key!(experiment, measure.metrics);
    let answers = key!(experiment, measure.answers);
    let mut first_tokens = answers == Some(AnswerTokens::First);
    let mut also: Option<plan_sweep::Also> = None;
    if experiment.kind == ExperimentKind::Evaluate {
        let comparison = comparison(experiment, outline, grid, &data)?;
        rows::warn_of_left_out(&comparison.left_out, data.rows.len());
        (grid, data.rows) = (comparison.grid.clone(), comparison.rows.clone());
        // As a training reads them, where nothing else is said.
        first_tokens = answers.or(key!(experiment, train.answers)) != Some(AnswerTokens::Whole);
        let has_foils = data.rows.iter().all(|row| !row.foil.is_empty());
        let usual = if has_foils { &["accuracy", "logit_difference"][..] } else { &["accuracy"] };
        let usual = || usual.iter().map(|&name| name.to_owned()).collect();
        names = Some(names.unwrap_or_else(usual));
        also = Some(Box::new(move |model| comparison.evaluate(model)));
    }
    let seed = key!(experiment, statistics.seed).unwrap_or(0);
    let mut builder = PlanSweep::builder(outline)
        .grid(grid)
        .rows(&data.rows)
        .prompt_form(form)
        .first_tokens(first_tokens)
        .seed(seed);
    if let Some(names) = &names {
        builder = builder.metrics(metrics(experiment, names)?);
    }
    let sweep = builder.build()?;
    let reads_source = sweep.grid().runs.iter().any(|run| run.plan.reads_sources());
    let summary = experiment.summary(sweep.rows(), reads_source)?;
    let what = match experiment.kind {
        ExperimentKind::Evaluate => "an evaluation",
        _ => "a plan over a data set",
    };
    experiment.given.check(what, READ_BY)?;
    if let Some(memory) = memory {
        sweep.fits(outline, memory)?;
    }
    Ok(Checked { sweep, summary, data: data.into_source(), also })
}

/// The trained plan and what it is compared with.
fn comparison(
    experiment: &Experiment,
    outline: &Outline,
    grid: PlanGrid,
    data: &DataSet,
) -> anyhow::Result<Comparison> {
    let only = |grid: PlanGrid| match <[_; 1]>::try_from(grid.runs) {
        Ok([run]) => Ok(run.plan),
        Err(runs) => {
            bail!("one trained plan is evaluated, and the file's grid makes {}", runs.len())
        }
    };
    // How it was trained says what it should answer.
    experiment.given.read_of_plan("train", &["labels", "answers", "end_token", "loss"]);
    let section = experiment.sections.train.clone().unwrap_or_default();
    let form = prompts::form(experiment);
    let again = || only(experiment.grid(outline)?);
    Comparison::new(outline, only(grid)?, again, section, &data.rows, form)
}

/// Metrics by their names; `none` is none.
fn metrics(experiment: &Experiment, names: &[String]) -> anyhow::Result<Vec<Arc<dyn Metric>>> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let metric = |name: &String| {
        experiment.metric(name).with_context(|| {
            let known: Vec<&str> = metric::BUILT_IN.iter().map(|row| row.name).collect();
            vene::UnknownName::new("metric", name, &known).to_string()
        })
    };
    names.iter().map(metric).collect()
}
