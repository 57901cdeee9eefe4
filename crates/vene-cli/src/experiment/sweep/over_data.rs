//! A sweep over the rows of a data set.

use anyhow::{Context, bail, ensure};
use vene::data::{Reason, Role};
use vene::plan_file::{List, MeanOver, SweepMethod};
use vene::{AnswerTokens, Method, NoiseSize, Outline, Sweep, SweepError, SweepUnit};

use super::super::{Delivery, Experiment, key};
use super::{READ_BY, factor, heads, measured, method, mode, places};
use crate::arguments::read;
use crate::command::join::Shards;
use crate::data_set::DataSet;
use crate::data_sweep::{self, Settings};
use crate::folder::Folder;
use crate::prompts;
use crate::record::Kind;
use crate::rows;
use crate::shard::{self, Shard};

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    let claimed = delivery.claim(&experiment, Kind::DataSweep)?;
    let json = *read!(experiment.given, delivery => json);
    let shard = *read!(experiment.given, delivery => shard);
    let (outline, sweep, settings) = prepare(&mut experiment, shard, json)?;
    match &claimed {
        None => {
            let folder = delivery.folder(&experiment)?;
            data_sweep::forecast(outline, &sweep, &settings, &folder)
        }
        Some(folder) => data_sweep::start(outline, &sweep, &settings, folder),
    }
}

pub fn go_on(
    mut experiment: Experiment,
    folder: &Folder,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, sweep, settings) = prepare(&mut experiment, shard, json)?;
    data_sweep::go_on(outline, &sweep, &settings, folder)
}

pub fn put_together(
    mut experiment: Experiment,
    shards: &Shards,
    folder: &Folder,
    json: bool,
) -> anyhow::Result<()> {
    let (outline, sweep, settings) = prepare(&mut experiment, None, json)?;
    data_sweep::put_together(&outline, &sweep, &settings, folder, shards)
}

/// Checks everything before a weight is read.
fn prepare(
    experiment: &mut Experiment,
    shard: Option<Shard>,
    json: bool,
) -> anyhow::Result<(Outline, Sweep, Settings)> {
    let (name, outline) = experiment.open()?;
    let data = experiment.rows(&outline)?;
    let sweep = data_sweep(experiment, &outline, &data)?;
    let summary = experiment.summary(sweep.rows(), sweep.method().reads_source())?;
    let (executor, memory) = experiment.executor();
    shard::rows_of(shard, sweep.rows().len())?;
    let settings = Settings {
        spec: experiment.spec(&name)?,
        form: prompts::form(experiment),
        precision: key!(experiment, model.precision).unwrap_or_default(),
        executor,
        memory,
        json,
        summary,
        data: data.into_source(),
        shard,
    };
    experiment.given.check(mode(experiment, "a data set", sweep.unit()), READ_BY)?;
    if let Some(memory) = settings.memory {
        sweep.fits(&outline, memory)?;
    }
    Ok((outline, sweep, settings))
}

pub(super) fn data_sweep(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<Sweep> {
    let (places, unit) = places(experiment, outline)?;
    let roles = roles(experiment, outline, data, unit)?;
    let distinct = roles.len() > 1 && key!(experiment, sweep.distinct_positions).unwrap_or(false);
    let method = method_of_rows(experiment, data, unit)?;
    let mut builder = measured(experiment, &places, Sweep::builder(outline))?
        .rows(&data.rows)
        .prompt_form(prompts::form(experiment))
        .unit(unit)
        .components(places.components)
        .layers(places.layers)
        .roles(roles)
        .method(method)
        .first_tokens(key!(experiment, measure.answers) == Some(AnswerTokens::First))
        .distinct_roles(distinct)
        .seed(key!(experiment, statistics.seed).unwrap_or(0));
    if let Some(heads) = heads(experiment, outline)? {
        builder = builder.heads(heads);
    }
    builder.build().map_err(with_option)
}

/// The positions; where none is named, the last one. None where all are edited at once.
fn roles(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
    unit: SweepUnit,
) -> anyhow::Result<Vec<Role>> {
    if unit == SweepUnit::Head {
        return Ok(Vec::new());
    }
    let Some(List(list)) = key!(experiment, sweep.positions) else { return Ok(vec![Role::Last]) };
    if list.trim() == "all" {
        return every_position(experiment, outline, data);
    }
    let mut roles = Vec::new();
    for item in list.split(',').map(str::trim) {
        ensure!(
            item != "all",
            "--positions: `all` stands alone: it cannot be listed with other positions"
        );
        ensure!(
            item != "aligned",
            "--positions {item} is for one pair of prompts: over a data set positions are named by \
             their role (last, {})",
            rows::spans(&data.rows)
        );
        if let Some((start, end)) = item.split_once("..") {
            let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) else {
                bail!("--positions {item}: expected a range of numbers such as 0..3");
            };
            ensure!(0 <= start && start < end, "--positions {item} names no position");
            ensure!(end - start <= 4096, "--positions {item} are too many");
            roles.extend((start..end).map(Role::Index));
            continue;
        }
        let role: Role = item.parse().context("--positions")?;
        let known = rows::check_role(&role, &data.rows, &data.unused);
        known.with_context(|| format!("--positions {item}"))?;
        roles.push(role);
    }
    Ok(roles)
}

/// Every position by its number, of rows that are equally long.
fn every_position(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<Vec<Role>> {
    let form = prompts::form(experiment);
    let mut lengths: Option<(usize, usize)> = None;
    for row in &data.rows {
        // One that is no prompt is left out with its reason later.
        let Ok(prompt) = row.base_prompt(outline, &form) else { continue };
        let (least, most) = lengths.unwrap_or((prompt.len(), prompt.len()));
        lengths = Some((least.min(prompt.len()), most.max(prompt.len())));
    }
    let (least, most) = lengths.unwrap_or_default();
    ensure!(
        least == most,
        "--positions all is for rows that are equally long, and these have {least} to {most} tokens, so that a position's \
         number is another place in each: name positions by their role (last, {}), or those that all rows have (0..{least})",
        rows::spans(&data.rows)
    );
    Ok((0..most as i64).map(Role::Index).collect())
}

fn method_of_rows(
    experiment: &Experiment,
    data: &DataSet,
    unit: SweepUnit,
) -> anyhow::Result<Method> {
    if experiment.own_method.is_some() {
        return method(experiment);
    }
    let draws = || key!(experiment, sweep.draws).unwrap_or(1);
    Ok(match key!(experiment, sweep.intervention).unwrap_or_default() {
        SweepMethod::Interchange => Method::Interchange,
        SweepMethod::Zero => Method::Zero,
        // Where all positions are edited at once none has a role, and the mean is over all tokens.
        SweepMethod::Mean if unit == SweepUnit::Head => {
            Method::MeanAblation { per_position: false }
        }
        SweepMethod::Mean => Method::MeanAblation {
            per_position: key!(experiment, sweep.mean_over) != Some(MeanOver::All),
        },
        SweepMethod::Resample => Method::Resample { draws: draws() },
        SweepMethod::Noise => Method::Noise {
            standard_deviation: key!(experiment, sweep.noise_sd)
                .context("--intervention noise needs --noise-sd, its standard deviation")?,
            draws: draws(),
        },
        SweepMethod::Restore => Method::Restore {
            noise: noise(experiment)?,
            draws: draws(),
            corrupted: corrupted(experiment, data)?,
        },
        SweepMethod::Scaling => Method::Scaling { factor: factor(experiment)? },
        SweepMethod::Addition
        | SweepMethod::Subtraction
        | SweepMethod::Skip
        | SweepMethod::Knockout => method(experiment)?,
    })
}

/// Where the noise is that `restore` repairs.
fn corrupted(experiment: &Experiment, data: &DataSet) -> anyhow::Result<Role> {
    let role = key!(experiment, sweep.corrupt)
        .context("--intervention restore needs --corrupt, e.g. --corrupt subject")?;
    let known = rows::check_role(&role, &data.rows, &data.unused);
    known.with_context(|| format!("--corrupt {role}"))?;
    Ok(role)
}

/// How strong the noise is that `restore` repairs.
fn noise(experiment: &Experiment) -> anyhow::Result<NoiseSize> {
    if let Some(times) = key!(experiment, sweep.noise_times) {
        return Ok(NoiseSize::OfEmbeddings(times));
    }
    let deviation = key!(experiment, sweep.noise_sd).context(
        "--intervention restore needs --noise-sd, the noise's standard deviation, or --noise-times, in units of \
         the token embeddings' own",
    )?;
    Ok(NoiseSize::Absolute(deviation))
}

/// The error, with the option that would help, which the library does not know.
fn with_option(error: SweepError) -> anyhow::Error {
    let SweepError::NoneUsable { reason, .. } = &error else { return error.into() };
    match **reason {
        Reason::SeveralTokens { .. } => {
            anyhow::anyhow!("{error} (--answers first lets an answer's first token stand for it)")
        }
        Reason::SameFirstToken { .. } => {
            anyhow::anyhow!("{error} (--answers whole compares all of their tokens)")
        }
        _ => error.into(),
    }
}
