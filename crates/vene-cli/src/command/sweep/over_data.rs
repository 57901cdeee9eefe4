//! `vene sweep --data`: the options of a sweep over a data set, and how they become a [`DataSweep`].

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use vene::data::{Role, Row};
use vene::data_sweep::Summary;
use vene::metric::{self, Metric};
use vene::statistics::{Bootstrap, Correction, Split, Together};
use vene::{
    Control, DataSweep, Direction, EffectType, Method, NoiseSize, Outline, SweepUnit, Treatment,
};

use super::{Arguments, MethodName};
use crate::data_sweep::{self, DataSet, Settings};
use crate::model;
use crate::selection::{self, Places};

/// A sweep over a data set
#[derive(Args)]
#[command(next_help_heading = "Over a data set")]
pub struct OverData {
    /// A file of rows: base, source, target, foil, spans, group (CSV, JSONL, JSON, Parquet)
    ///
    /// A row is {"base": "The capital of Spain is", "source": "The capital of Italy is", "target":
    /// " Madrid", "foil": " Rome", "subject": "Spain", "source_subject": "Italy", "group":
    /// "capital-1"}: the target is the base's answer, the foil the source's, `subject` one of any
    /// number of spans after which positions are named. AutoCircuit's and MIB's files are read too.
    /// `vene task` makes such files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["base", "source", "token", "subject"])]
    pub data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS", requires = "data",
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(long, value_name = "NAME", requires = "data")]
    counterfactual: Option<String>,

    /// What is measured [default: logit_difference]
    ///
    /// logit_difference (target minus foil), log_probability, probability, probability_difference, kl
    /// (nats, from the unedited run), rank (0 is the likeliest), accuracy (the target is the likeliest
    /// of all), forced_choice (the target is likelier than the foil)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "data")]
    metric: Vec<String>,

    /// How answers of several tokens are read [default: whole]
    #[arg(long, value_name = "HOW", requires = "data")]
    answers: Option<AnswersName>,

    /// Leave out rows in which two of --positions are the same token
    #[arg(long, requires = "data")]
    distinct_positions: bool,

    /// Which run is edited [default: noising]
    #[arg(long, value_name = "DIRECTION", requires = "data")]
    direction: Option<DirectionName>,

    /// How many adjacent layers are edited at once, around each layer [default: 1]
    #[arg(long, value_name = "LAYERS", requires = "data")]
    window: Option<usize>,

    /// What effects go through [default: total]
    #[arg(long, value_name = "TYPE", requires = "data")]
    effect: Option<EffectName>,

    /// resample, noise, restore: how many draws are averaged for each row [default: 1]
    #[arg(long, value_name = "DRAWS", requires = "data")]
    draws: Option<usize>,

    /// mean: over which tokens of the data set's bases [default: position]
    #[arg(long, value_name = "TOKENS", requires = "data")]
    mean_over: Option<MeanOver>,

    /// restore: the noise's standard deviation, as a multiple of that of the embeddings that get it
    ///
    /// 3 is what Meng et al. (2022) take; --noise-sd gives an absolute one instead
    #[arg(long, value_name = "TIMES", requires = "data", conflicts_with = "noise_sd",
        allow_hyphen_values = true, value_parser = super::deviation)]
    noise_times: Option<f64>,

    /// restore: the tokens whose embeddings get the noise, e.g. subject
    #[arg(long, value_name = "POSITION", requires = "data")]
    corrupt: Option<String>,

    /// Maps beside the first, of what should not matter
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "data")]
    control: Vec<ControlName>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(long, value_name = "COUNT", requires = "data")]
    resamples: Option<usize>,

    /// How p-values are adjusted for the number of places: none, holm, benjamini-hochberg [default: none]
    #[arg(long, value_name = "NAME", requires = "data")]
    correction: Option<String>,

    /// Share of the rows in which effects are looked for; the others show what was found
    #[arg(long, value_name = "SHARE", requires = "data")]
    discovery: Option<f64>,

    /// Which rows stay on one side of that split [default: prompts]
    #[arg(long, value_name = "ROWS", requires = "discovery")]
    together: Option<TogetherName>,

    /// Go on with a sweep over a data set that was stopped; its folder is all that is needed
    #[arg(long, value_name = "DIR", exclusive = true)]
    pub resume: Option<PathBuf>,
}

/// How answers of several tokens are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnswersName {
    /// As a sequence, each token behind those before it
    Whole,
    /// Their first token stands for them
    First,
}

/// Which run is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DirectionName {
    /// The base's, with the source's values: what breaks the answer
    Noising,
    /// The source's, with the base's values: what brings it back
    Denoising,
    /// Each in turn
    Both,
}

/// What effects go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EffectName {
    /// Everything behind the edit
    Total,
    /// All but attention behind it, whose outputs are held where the answer is read
    Direct,
}

/// Which tokens a mean is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MeanOver {
    /// Those that play the role of the edited one
    Position,
    /// All but a beginning-of-sequence token
    All,
}

/// Maps of what should not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ControlName {
    /// The run's own values: the noise of the computation
    #[value(name = "self")]
    SelfSwap,
    /// Another row's source
    Shuffled,
    /// A change of the same size in a random direction
    Random,
}

/// Which rows stay together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TogetherName {
    /// Those of the same prompts
    Prompts,
    /// All rows of a group
    Groups,
}

impl Arguments {
    /// Runs a sweep over a data set, or says what it would cost.
    pub(super) fn run_over_data(&self, path: &Path, resume: Option<&Path>) -> anyhow::Result<()> {
        let outline = model::open(&self.model.model)?;
        let data = DataSet::read(path, self.data.counterfactual.as_deref(), self.data.limit)?;
        let sweep = self.data_sweep(&outline, &data.rows)?;
        let summary = self.summary(&data.rows)?;
        let settings = Settings {
            model_given: self.model.model.clone(),
            bos: self.run.bos,
            precision: self.run.precision,
            executor: self.executor,
            memory: self.memory,
            json: self.json,
            summary,
            data,
        };
        match (self.dry_run, resume) {
            (true, _) => data_sweep::forecast(outline, &sweep, &settings, &self.out),
            (false, None) => data_sweep::start(outline, &sweep, &settings, &self.out),
            (false, Some(folder)) => data_sweep::go_on(outline, &sweep, &settings, folder),
        }
    }

    fn data_sweep(&self, outline: &Outline, rows: &[Row]) -> anyhow::Result<DataSweep> {
        let places = Places::named(&self.component, self.layers.as_deref(), outline.config())?;
        let unit = places.unit(self.unit.map(SweepUnit::from))?;
        let options = &self.data;
        let mut builder = DataSweep::builder(outline)
            .rows(rows)
            .bos(self.run.bos.into())
            .unit(unit)
            .components(places.components)
            .layers(places.layers)
            .roles(self.roles(rows)?)
            .treatment(self.treatment()?)
            .directions(match options.direction {
                None | Some(DirectionName::Noising) => vec![Direction::Noising],
                Some(DirectionName::Denoising) => vec![Direction::Denoising],
                Some(DirectionName::Both) => vec![Direction::Noising, Direction::Denoising],
            })
            .window(options.window.unwrap_or(1))
            .effect(match options.effect {
                None | Some(EffectName::Total) => EffectType::Total,
                Some(EffectName::Direct) => EffectType::Direct,
            })
            .controls(options.control.iter().map(|control| match control {
                ControlName::SelfSwap => Control::SelfSwap,
                ControlName::Shuffled => Control::ShuffledSource,
                ControlName::Random => Control::RandomDirection,
            }))
            .first_tokens(options.answers == Some(AnswersName::First))
            .distinct_roles(options.distinct_positions)
            .seed(self.seed.unwrap_or(0));
        if !options.metric.is_empty() {
            builder = builder.metrics(metrics(&options.metric)?);
        }
        if let Some(heads) = &self.heads {
            let count = outline.config().heads;
            builder = builder.heads(selection::indices(heads, "head", count).context("--heads")?);
        }
        Ok(builder.build()?)
    }

    /// The positions; where none is named, the last one.
    fn roles(&self, rows: &[Row]) -> anyhow::Result<Vec<Role>> {
        let Some(list) = &self.positions else { return Ok(vec![Role::Last]) };
        let mut roles = Vec::new();
        for item in list.split(',').map(str::trim) {
            ensure!(
                item != "all" && item != "aligned",
                "--positions {item} is for one pair of prompts: over a data set positions are named by \
                 their role (last, {})",
                spans(rows)
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
            if let Some(span) = role.span()
                && !rows.iter().any(|row| row.spans.contains_key(span))
            {
                bail!(
                    "--positions {item}: no row has a span `{span}`; expected last, a number, or {}",
                    spans(rows)
                );
            }
            roles.push(role);
        }
        Ok(roles)
    }

    fn treatment(&self) -> anyhow::Result<Treatment> {
        let options = &self.data;
        let name = model::name_of(self.intervention);
        let draws = options.draws.unwrap_or(1);
        let by = |names: &[MethodName]| names.contains(&self.intervention);
        if options.draws.is_some()
            && !by(&[MethodName::Resample, MethodName::Noise, MethodName::Restore])
        {
            bail!("--draws is for --intervention resample, noise and restore, not for {name}");
        }
        if options.mean_over.is_some() && !by(&[MethodName::Mean]) {
            bail!("--mean-over is for --intervention mean, not for {name}");
        }
        if options.corrupt.is_some() && !by(&[MethodName::Restore]) {
            bail!("--corrupt is for --intervention restore, not for {name}");
        }
        if options.noise_times.is_some() && !by(&[MethodName::Restore]) {
            bail!("--noise-times is for --intervention restore, not for {name}");
        }
        let deviation = || {
            self.noise_sd.with_context(|| {
                format!("--intervention {name} needs --noise-sd, its standard deviation")
            })
        };
        Ok(match self.intervention {
            MethodName::Interchange => Treatment::Interchange,
            MethodName::Zero => Treatment::Zero,
            MethodName::Mean => {
                Treatment::Mean { per_position: options.mean_over != Some(MeanOver::All) }
            }
            MethodName::Resample => Treatment::Resample { draws },
            MethodName::Noise => Treatment::Noise { standard_deviation: deviation()?, draws },
            MethodName::Restore => Treatment::Restore {
                noise: match (options.noise_times, self.noise_sd) {
                    (Some(times), _) => NoiseSize::OfEmbeddings(times),
                    (None, Some(deviation)) => NoiseSize::Absolute(deviation),
                    (None, None) => bail!(
                        "--intervention restore needs --noise-sd, the noise's standard deviation, or \
                         --noise-times, as a multiple of the embeddings' own"
                    ),
                },
                draws,
                corrupted: options
                    .corrupt
                    .as_deref()
                    .context("--intervention restore needs --corrupt, e.g. --corrupt subject")?
                    .parse()
                    .context("--corrupt")?,
            },
            _ => match self.method()? {
                Method::Interchange => Treatment::Interchange,
                method => Treatment::Other(method),
            },
        })
    }

    fn summary(&self, rows: &[Row]) -> anyhow::Result<Summary> {
        let options = &self.data;
        let seed = self.seed.unwrap_or(0);
        let mut bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        if let Some(resamples) = options.resamples {
            bootstrap.resamples = resamples;
        }
        bootstrap.check().context("--resamples")?;
        let correction: Correction = match &options.correction {
            Some(name) => name.parse().context("--correction")?,
            None => Correction::None,
        };
        let together = match options.together {
            None | Some(TogetherName::Prompts) => Together::Prompts,
            Some(TogetherName::Groups) => Together::Groups,
        };
        let discovery = match options.discovery {
            None => None,
            Some(share) => {
                let split = Split { discovery: share, seed, together };
                Some(split.rows(rows).context("--discovery")?.discovery)
            }
        };
        Ok(Summary { bootstrap, correction, discovery })
    }
}

fn metrics(names: &[String]) -> anyhow::Result<Vec<&'static dyn Metric>> {
    let mut metrics: Vec<&'static dyn Metric> = Vec::new();
    for name in names {
        let name = name.trim();
        let Some(metric) = metric::named(name) else {
            let all: Vec<String> = metric::ALL
                .iter()
                .map(|metric| format!("{} ({})", metric.name(), metric.description()))
                .collect();
            bail!("--metric {name}: no such metric; there are {}", all.join(", "));
        };
        ensure!(metrics.iter().all(|other| other.name() != name), "--metric {name} is named twice");
        metrics.push(metric);
    }
    Ok(metrics)
}

/// The positions that the rows' spans name, for messages.
fn spans(rows: &[Row]) -> String {
    let mut names: Vec<&String> = rows.iter().flat_map(|row| row.spans.keys()).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => "the rows' spans, of which there are none".to_owned(),
        names => names
            .iter()
            .take(8)
            .map(|name| format!("{name}_first, {name}_last, after_{name}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
