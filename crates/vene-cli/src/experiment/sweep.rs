//! A sweep: the same intervention at many places, over one pair of prompts or the rows of a data set.

mod in_memory;
mod over_data;
mod read_by;

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use vene::metric::{self, BuiltIn, Metric};
use vene::plan_file::{List, SweepMethod};
use vene::{
    AnswerTokens, Control, Direction, Method, Outline, PositionError, Sweep, SweepBuilder,
    SweepError, SweepPositions, SweepUnit, Whose,
};

use super::{Delivery, Experiment, key};
use crate::arguments::read;
use crate::prompts;
use crate::record::{Kind, with_results};
use crate::selection::{self, Places, Subject};
use crate::sweep::{self, Run};
use crate::terminal;
pub use in_memory::{Swept, sweep_in_memory};
pub(super) use over_data::{go_on, put_together};
use read_by::READ_BY;

pub(super) fn run(experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    // Known to be for other commands.
    for section in ["train", "generate", "tensors", "read", "circuit"] {
        experiment.given.skip_section(section);
    }
    if experiment.has_rows() {
        over_data::run(experiment, delivery)
    } else {
        over_a_pair(experiment, delivery)
    }
}

fn over_a_pair(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    // Before anything is claimed or opened.
    method(&experiment)?;
    let folder = delivery.claim(&experiment, Kind::Sweep)?;
    let run = of_pair(&mut experiment)?;
    let json = *read!(experiment.given, delivery => json);
    experiment.given.check(mode(&experiment, "one pair of prompts", run.sweep.unit()), READ_BY)?;
    if let Some(memory) = run.memory {
        run.sweep.fits(&run.outline, memory)?;
    }
    sweep::warn(&run.outline, &run.sweep)?;
    let Some(folder) = folder else {
        return sweep::forecast(&run, &delivery.folder(&experiment)?, json);
    };
    run.run_in(Kind::Sweep, &folder, |finished, written| {
        if json {
            terminal::print_json(&with_results(&written.record, finished.results()))
        } else {
            terminal::print(&(finished.summary() + &written.listing(&folder)))
        }
    })
}

/// Checks a sweep over one pair of prompts, before a weight is read.
pub fn of_pair(experiment: &mut Experiment) -> anyhow::Result<Run> {
    let (name, outline) = experiment.open()?;
    let sweep = pair(experiment, &outline, method(experiment)?)?;
    let (executor, memory) = experiment.executor();
    Ok(Run {
        spec: experiment.spec(&name)?,
        sweep,
        form: prompts::form(experiment),
        precision: key!(experiment, model.precision).unwrap_or_default(),
        executor,
        memory,
        outline,
    })
}

/// What an option that is not read is told it stands in.
fn mode(experiment: &Experiment, over: &str, unit: SweepUnit) -> String {
    let name = match &experiment.own_method {
        Some(own) => own.name(),
        None => key!(experiment, sweep.intervention).unwrap_or_default().name(),
    };
    let executor = key!(experiment, limits.executor).unwrap_or_default();
    format!("a sweep over {over} (--intervention {name}, --unit {unit}, --executor {executor})")
}

fn factor(experiment: &Experiment) -> anyhow::Result<f64> {
    key!(experiment, sweep.factor)
        .context("--intervention scaling needs --factor, e.g. --factor 0.5")
}

fn method(experiment: &Experiment) -> anyhow::Result<Method> {
    if let Some(own) = &experiment.own_method {
        return Ok(Method::Custom(Arc::clone(own)));
    }
    let intervention = key!(experiment, sweep.intervention).unwrap_or_default();
    let name = intervention.name();
    Ok(match intervention {
        SweepMethod::Scaling => Method::Scaling { factor: factor(experiment)? },
        SweepMethod::Noise => Method::Noise {
            standard_deviation: key!(experiment, sweep.noise_sd)
                .context("--intervention noise needs --noise-sd, its standard deviation")?,
            draws: key!(experiment, sweep.draws).unwrap_or(1),
        },
        SweepMethod::Resample | SweepMethod::Restore => {
            bail!("--intervention {name} draws on a data set: give one with --data")
        }
        _ => Method::named(name)
            .with_context(|| format!("--intervention {name} is none of a sweep"))?,
    })
}

/// What is visited: components in layers, and what is edited at once.
fn places(experiment: &Experiment, outline: &Outline) -> anyhow::Result<(Places, SweepUnit)> {
    let layers = key!(experiment, sweep.layers).map(|List(list)| list);
    let components = key!(experiment, sweep.components);
    let places = Places::named(&components, layers.as_deref(), outline.config())?;
    let unit = places.unit(key!(experiment, sweep.unit))?;
    Ok((places, unit))
}

fn heads(experiment: &Experiment, outline: &Outline) -> anyhow::Result<Option<Vec<usize>>> {
    let heads = key!(experiment, sweep.heads);
    let indices = |List(list)| vene::indices(&list, "head", outline.config().heads);
    heads.map(|list| indices(list).context("--heads")).transpose()
}

/// The positions of a pair, unless all are edited at once; phrases where positions are named after them.
fn positions(
    experiment: &Experiment,
    outline: &Outline,
    unit: SweepUnit,
    reads_source: bool,
) -> anyhow::Result<SweepPositions> {
    if unit == SweepUnit::Head {
        return Ok(SweepPositions::All);
    }
    let list =
        key!(experiment, sweep.positions).map_or_else(|| "all".to_owned(), |List(list)| list);
    let mut subject = Subject::default();
    if selection::name_a_phrase(&list) {
        subject.base = key!(experiment, sweep.subject);
        subject.occurrence = key!(experiment, sweep.subject_occurrence);
        if reads_source {
            subject.source = key!(experiment, sweep.source_subject);
            subject.source_occurrence = key!(experiment, sweep.source_subject_occurrence);
        }
    }
    selection::sweep_positions(&list, &subject, outline.config().context)
}

fn pair(experiment: &Experiment, outline: &Outline, method: Method) -> anyhow::Result<Sweep> {
    let (places, unit) = places(experiment, outline)?;
    let positions = positions(experiment, outline, unit, method.reads_source())?;
    let sources = experiment.sections.data.as_ref().map(|data| data.sources.clone());
    let sources = sources.unwrap_or_default();
    // All, or the one that is read or compared with.
    let read = if method.reads_all_sources() { sources.len() } else { 1 };
    experiment.given.read_values("data", "sources", read, sources.len());
    let section = experiment.sections.sweep.as_ref();
    let is_random = section.is_some_and(|sweep| sweep.controls.contains(&Control::RandomDirection));
    let mut builder = measured(experiment, &places, Sweep::builder(outline))?;
    if is_random || matches!(method, Method::Noise { .. }) {
        builder = builder.seed(key!(experiment, statistics.seed).unwrap_or(0));
    }
    if experiment.sections.measure.as_ref().is_some_and(|measure| measure.metrics.is_some()) {
        let answers = key!(experiment, measure.answers);
        builder = builder.first_tokens(answers == Some(AnswerTokens::First));
        for target in key!(experiment, data.target) {
            builder = builder.target(target);
        }
        for foil in key!(experiment, data.foil) {
            builder = builder.foil(foil);
        }
    }
    builder = builder
        .prompt_form(prompts::form(experiment))
        .base(key!(experiment, data.base).unwrap_or_default())
        .unit(unit)
        .components(places.components)
        .layers(places.layers)
        .positions(positions)
        .method(method)
        .tokens(key!(experiment, sweep.tokens));
    for source in sources {
        builder = builder.source(source);
    }
    if let Some(heads) = heads(experiment, outline)? {
        builder = builder.heads(heads);
    }
    let list = experiment.sections.sweep.as_ref().and_then(|sweep| sweep.positions.clone());
    builder.build().map_err(|error| with_option(error, list))
}

/// The sweep with what is asked for in the same way of a pair and of rows: directions, windows, effects, controls, metrics.
fn measured<'a>(
    experiment: &Experiment,
    places: &Places,
    builder: SweepBuilder<'a>,
) -> anyhow::Result<SweepBuilder<'a>> {
    let has_layers = places.components.iter().any(|component| component.per_layer());
    let window = has_layers.then(|| key!(experiment, sweep.window)).flatten();
    let directions = match key!(experiment, sweep.directions) {
        directions if directions.is_empty() => vec![Direction::Noising],
        directions => directions,
    };
    let builder = builder
        .directions(directions)
        .window(window.unwrap_or(1))
        .effect(key!(experiment, sweep.effect).unwrap_or_default())
        .controls(key!(experiment, sweep.controls));
    Ok(match key!(experiment, measure.metrics) {
        Some(names) => builder.metrics(metrics(experiment, &names)?),
        None => builder,
    })
}

/// Metrics by their names, each once.
pub(super) fn metrics(
    experiment: &Experiment,
    names: &[String],
) -> anyhow::Result<Vec<Arc<dyn Metric>>> {
    let mut metrics: Vec<Arc<dyn Metric>> = Vec::new();
    for name in names {
        let name = name.trim();
        let Some(metric) = experiment.metric(name) else {
            let described = |row: &BuiltIn| format!("{} ({})", row.name, row.documentation);
            let all: Vec<String> = metric::BUILT_IN.iter().map(described).collect();
            let near = vene_named::meant_text(name, metric::BUILT_IN.iter().map(|row| row.name));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            bail!("--metric {name}: no such metric{near}; there are {}", all.join(", "));
        };
        let is_new = metrics.iter().all(|other| other.name() != metric.name());
        ensure!(is_new, "--metric {} is named twice", metric.name());
        metrics.push(metric);
    }
    Ok(metrics)
}

/// The error, with the option that would help where the library cannot know its name.
fn with_option(error: SweepError, positions: Option<List>) -> anyhow::Error {
    let of_source = matches!(&error, SweepError::Position { whose: Whose::Source { .. }, .. });
    let option =
        match &error {
            SweepError::NoSource { .. } | SweepError::DenoisingSeveral { .. } => "--source",
            SweepError::NoTarget { .. } | SweepError::AnswersUnread => "--target, --metric",
            SweepError::NoFoil { .. } => "--target, --foil",
            SweepError::OneRow { .. } => "--data",
            SweepError::Position { error: PositionError::SeveralPhrases { .. }, .. } => {
                if of_source { "--source-subject-occurrence" } else { "--subject-occurrence" }
            }
            SweepError::Position { error: PositionError::NoPhrase { .. }, .. } => {
                if of_source {
                    "--source-subject"
                } else {
                    "--subject"
                }
            }
            SweepError::DifferentLengths { .. }
            | SweepError::UnequalSpans { .. }
            | SweepError::NoPositions => "--positions",
            SweepError::PositionTwice { .. } | SweepError::PositionShared { .. } => {
                let list = positions.map_or_else(String::new, |List(list)| list);
                return anyhow::anyhow!("{error} (--positions {list})");
            }
            SweepError::SourceLists { .. } => "--source-subject",
            SweepError::HeadsWithoutUnit | SweepError::NoHeads { .. } => "--unit",
            _ => return error.into(),
        };
    anyhow::anyhow!("{error} ({option})")
}
