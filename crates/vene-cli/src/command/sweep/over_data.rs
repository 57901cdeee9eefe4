//! `vene sweep --data`: the options of a sweep over a data set, and how they become a [`DataSweep`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use vene::data::{Reason, Role, Row};
use vene::data_sweep::Summary;
use vene::metric::{self, BuiltIn, Metric};
use vene::statistics::{Bootstrap, Correction, Split, Together};
use vene::{
    AnswerTokens, Control, DataSweep, DataSweepError, Direction, EffectType, Method, NoiseSize,
    Outline, SweepUnit, Treatment,
};

use super::super::join::Shards;
use super::{Arguments, MethodName, READ_BY};
use crate::arguments::{Given, by_name, read};
use crate::data_set::DataSet;
use crate::data_sweep::{self, Settings};
use crate::folder::Folder;
use crate::record::Kind;
use crate::rows;
use crate::shard::{self, Shard};

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
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS",
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(long, value_name = "NAME")]
    counterfactual: Option<String>,

    /// What is measured [default: logit_difference]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', long_help = metric_help())]
    metric: Vec<String>,

    /// How answers of several tokens are read [default: whole]
    #[arg(long, value_name = "HOW", value_parser = by_name::<AnswerTokens>())]
    answers: Option<AnswerTokens>,

    /// Leave out rows in which two of --positions are the same token
    #[arg(long)]
    distinct_positions: bool,

    /// Which run is edited: noising (the base's, with the source's values: what breaks the answer), denoising (the source's,
    /// with the base's: what brings it back), or both [default: noising]
    #[arg(long, value_name = "DIRECTION", value_parser = directions)]
    direction: Option<Directions>,

    /// How many adjacent layers are edited at once, around each layer [default: 1]
    ///
    /// Of an even number one more lies before the layer than after it, as in the code of Meng et al. (2022).
    #[arg(long, value_name = "LAYERS")]
    window: Option<usize>,

    /// What effects go through [default: total]
    #[arg(long, value_name = "TYPE", value_parser = by_name::<EffectType>())]
    effect: Option<EffectType>,

    /// resample, noise, restore: how many draws are averaged for each row [default: 1]
    #[arg(long, value_name = "DRAWS")]
    draws: Option<usize>,

    /// mean: over which tokens of the data set's bases [default: position]
    #[arg(long, value_name = "TOKENS")]
    mean_over: Option<MeanOver>,

    /// restore: the noise's standard deviation, in units of that of the corrupted tokens' embeddings
    ///
    /// 3 is what Meng et al. (2022) take. Token embeddings alone: learned position embeddings (GPT-2's) have no part
    /// in it. --noise-sd gives an absolute one instead
    #[arg(long, value_name = "TIMES",
        allow_hyphen_values = true, value_parser = super::deviation)]
    noise_times: Option<f64>,

    /// restore: the tokens whose embeddings get the noise, e.g. subject
    #[arg(long, value_name = "POSITION")]
    corrupt: Option<String>,

    /// Maps beside the first, of what should not matter
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = by_name::<Control>())]
    control: Vec<Control>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(long, value_name = "COUNT")]
    resamples: Option<usize>,

    /// How p-values are adjusted for the number of places [default: none]
    #[arg(long, value_name = "NAME", value_parser = by_name::<Correction>())]
    correction: Option<Correction>,

    /// Share of the rows in which effects are looked for; the others show what was found
    #[arg(long, value_name = "SHARE")]
    discovery: Option<f64>,

    /// Which rows stay on one side of that split [default: prompts]
    #[arg(long, value_name = "ROWS", value_parser = by_name::<Together>())]
    together: Option<Together>,

    /// Only a stretch of the rows, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    /// Go on with a sweep over a data set that was stopped, by its own options: its folder is all that is needed
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
}

/// Which tokens a mean is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MeanOver {
    /// Those that play the role of the edited one
    Position,
    /// All but a beginning-of-sequence token
    All,
}

/// Directions, in their order.
#[derive(Clone, Debug)]
struct Directions(Vec<Direction>);

fn directions(text: &str) -> Result<Directions, String> {
    let each = match text {
        "both" | "all" => return Ok(Directions(Direction::ALL.to_vec())),
        list => list.split(',').map(|name| name.trim().parse::<Direction>()),
    };
    each.collect::<Result<_, _>>().map(Directions).map_err(|error| format!("{error}, both"))
}

impl Arguments {
    /// Runs a sweep over a data set, or says what it would cost.
    pub(super) fn run_over_data(
        &self,
        given: &Given,
        resume: Option<Folder>,
    ) -> anyhow::Result<()> {
        let is_resumed = resume.is_some();
        let claimed = self.claim_unless(resume, given)?;
        let (outline, sweep, settings) = self.prepare(given)?;
        match &claimed {
            None => data_sweep::forecast(outline, &sweep, &settings, &self.out),
            Some(folder) if is_resumed => data_sweep::go_on(outline, &sweep, &settings, folder),
            Some(folder) => data_sweep::start(outline, &sweep, &settings, folder),
        }
    }

    /// Checks everything before a weight is read.
    fn prepare(&self, given: &Given) -> anyhow::Result<(Outline, DataSweep, Settings)> {
        let path = read!(given, self.data => data).as_deref().unwrap_or(Path::new(""));
        let outline = self.model.read(given).open()?;
        let counterfactual = read!(given, self.data => counterfactual).as_deref();
        let limit = read!(given, self.data => limit).map(|limit| limit as usize);
        let data = DataSet::of_file(path, counterfactual).context("--data")?.limited(limit);
        let sweep = self.data_sweep(given, &outline, &data)?;
        let summary = self.summary(given, &sweep)?;
        let (executor, memory) = self.executor(given);
        let shard = *read!(given, self.data => shard);
        shard::rows_of(shard, sweep.rows().len())?;
        let settings = Settings {
            model_given: self.model.model.clone(),
            bos: *read!(given, self.run => bos),
            precision: *read!(given, self.run => precision),
            executor,
            memory,
            json: *read!(given, self => json),
            summary,
            data: data.into_source(),
            shard,
        };
        given.check(self.mode("a data set", sweep.unit()), READ_BY)?;
        if let Some(memory) = settings.memory {
            sweep.fits(&outline, memory)?;
        }
        Ok((outline, sweep, settings))
    }

    /// Puts the shards of this sweep together, in a folder that was claimed for that.
    pub(super) fn join(
        &self,
        given: &Given,
        shards: &Shards,
        folder: &Folder,
        json: bool,
    ) -> anyhow::Result<()> {
        // They are those of the shard.
        let _ = (read!(given, self => out), read!(given, self => force));
        let _ = read!(given, self => dry_run);
        let (outline, sweep, settings) = self.prepare(given)?;
        let settings = Settings { shard: None, json, ..settings };
        data_sweep::put_together(&outline, &sweep, &settings, folder, shards)
    }

    /// The folder of a sweep that is gone on with, else one for a new run; a forecast has none.
    fn claim_unless(
        &self,
        resume: Option<Folder>,
        given: &Given,
    ) -> anyhow::Result<Option<Folder>> {
        match resume {
            Some(folder) => {
                // They are those of the run when it began.
                let _ = (read!(given, self => out), read!(given, self => force));
                let _ = read!(given, self => dry_run);
                Ok(Some(folder))
            }
            None => self.claim(given, Kind::DataSweep),
        }
    }

    fn data_sweep(
        &self,
        given: &Given,
        outline: &Outline,
        data: &DataSet,
    ) -> anyhow::Result<DataSweep> {
        let (places, unit) = self.places(given, outline)?;
        let options = &self.data;
        let roles = self.roles(given, data, unit)?;
        let distinct = roles.len() > 1 && *read!(given, options => distinct_positions);
        let has_layers = places.components.iter().any(|component| component.per_layer());
        let window = has_layers.then(|| *read!(given, options => window)).flatten();
        let mut builder = DataSweep::builder(outline)
            .rows(&data.rows)
            .bos(*read!(given, self.run => bos))
            .unit(unit)
            .components(places.components)
            .layers(places.layers)
            .roles(roles)
            .treatment(self.treatment(given, data, unit)?)
            .directions(match read!(given, options => direction) {
                None => vec![Direction::Noising],
                Some(Directions(directions)) => directions.clone(),
            })
            .window(window.unwrap_or(1))
            .effect(read!(given, options => effect).unwrap_or_default())
            .controls(read!(given, options => control).iter().copied())
            .first_tokens(*read!(given, options => answers) == Some(AnswerTokens::First))
            .distinct_roles(distinct)
            .seed(read!(given, self => seed).unwrap_or(0));
        let names = read!(given, options => metric);
        if !names.is_empty() {
            builder = builder.metrics(metrics(names)?);
        }
        if let Some(heads) = self.heads(given, outline)? {
            builder = builder.heads(heads);
        }
        builder.build().map_err(with_option)
    }

    /// The positions; where none is named, the last one. None where all are edited at once.
    fn roles(&self, given: &Given, data: &DataSet, unit: SweepUnit) -> anyhow::Result<Vec<Role>> {
        if unit == SweepUnit::Head {
            return Ok(Vec::new());
        }
        let Some(list) = read!(given, self => positions) else { return Ok(vec![Role::Last]) };
        let mut roles = Vec::new();
        for item in list.split(',').map(str::trim) {
            ensure!(
                item != "all" && item != "aligned",
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

    fn treatment(
        &self,
        given: &Given,
        data: &DataSet,
        unit: SweepUnit,
    ) -> anyhow::Result<Treatment> {
        let options = &self.data;
        let draws = || read!(given, options => draws).unwrap_or(1);
        Ok(match *read!(given, self => intervention) {
            MethodName::Interchange => Treatment::Interchange,
            MethodName::Zero => Treatment::Zero,
            // Where all positions are edited at once none has a role, and the mean is over all tokens.
            MethodName::Mean if unit == SweepUnit::Head => Treatment::Mean { per_position: false },
            MethodName::Mean => Treatment::Mean {
                per_position: *read!(given, options => mean_over) != Some(MeanOver::All),
            },
            MethodName::Resample => Treatment::Resample { draws: draws() },
            MethodName::Noise => Treatment::Noise {
                standard_deviation: read!(given, self => noise_sd)
                    .context("--intervention noise needs --noise-sd, its standard deviation")?,
                draws: draws(),
            },
            MethodName::Restore => Treatment::Restore {
                noise: self.noise(given)?,
                draws: draws(),
                corrupted: self.corrupted(given, data)?,
            },
            MethodName::Scaling => {
                Treatment::Other(Method::Scaling { factor: self.factor(given)? })
            }
            MethodName::Addition
            | MethodName::Subtraction
            | MethodName::Skip
            | MethodName::Knockout => Treatment::Other(self.method(given)?),
        })
    }

    /// Where the noise is that `restore` repairs.
    fn corrupted(&self, given: &Given, data: &DataSet) -> anyhow::Result<Role> {
        let named = read!(given, self.data => corrupt).as_deref();
        let role: Role = named
            .context("--intervention restore needs --corrupt, e.g. --corrupt subject")?
            .parse()
            .context("--corrupt")?;
        let known = rows::check_role(&role, &data.rows, &data.unused);
        known.with_context(|| format!("--corrupt {role}"))?;
        Ok(role)
    }

    /// How strong the noise is that `restore` repairs.
    fn noise(&self, given: &Given) -> anyhow::Result<NoiseSize> {
        if let Some(times) = read!(given, self.data => noise_times) {
            return Ok(NoiseSize::OfEmbeddings(*times));
        }
        let deviation = read!(given, self => noise_sd).context(
            "--intervention restore needs --noise-sd, the noise's standard deviation, or --noise-times, in units of \
             the token embeddings' own",
        )?;
        Ok(NoiseSize::Absolute(deviation))
    }

    fn summary(&self, given: &Given, sweep: &DataSweep) -> anyhow::Result<Summary> {
        let options = &self.data;
        let seed = read!(given, self => seed).unwrap_or(0);
        let mut bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        if let Some(resamples) = *read!(given, options => resamples) {
            bootstrap.resamples = resamples;
        }
        let rows: Vec<Row> = sweep.rows().iter().map(|row| row.row.clone()).collect();
        bootstrap.check().context("--resamples")?;
        let correction = read!(given, options => correction).unwrap_or_default();
        let discovery = match *read!(given, options => discovery) {
            None => None,
            Some(discovery) => {
                let together = read!(given, options => together);
                let together = together.unwrap_or_default();
                let reads_source = sweep.treatment().reads_source();
                let split = Split { discovery, seed, together, reads_source };
                let found = split.rows(&rows).context("--discovery")?.discovery;
                rows::warn_of_share("--discovery", discovery, found.len(), rows.len());
                Some(found.into_iter().map(|row| sweep.rows()[row].index).collect())
            }
        };
        Ok(Summary { bootstrap, correction, discovery })
    }
}

/// The error, with the option that would help, which the library does not know.
fn with_option(error: DataSweepError) -> anyhow::Error {
    let DataSweepError::NoneUsable { reason, .. } = &error else { return error.into() };
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

/// The help of `--metric`.
fn metric_help() -> String {
    let line = |row: &BuiltIn| format!("\n- {}: {}", with_aliases(row), row.documentation);
    let lines: String = metric::BUILT_IN.iter().map(line).collect();
    format!("What is measured [default: {}]\n{lines}", metric::BUILT_IN[0].name)
}

fn with_aliases(row: &BuiltIn) -> String {
    let names: Vec<&str> = [row.name].into_iter().chain(row.aliases.iter().copied()).collect();
    names.join(", ")
}

fn metrics(names: &[String]) -> anyhow::Result<Vec<Arc<dyn Metric>>> {
    let mut metrics: Vec<Arc<dyn Metric>> = Vec::new();
    for name in names {
        let name = name.trim();
        let Some(metric) = metric::named(name) else {
            let described = |row: &BuiltIn| format!("{} ({})", row.name, row.documentation);
            let all: Vec<String> = metric::BUILT_IN.iter().map(described).collect();
            bail!("--metric {name}: no such metric; there are {}", all.join(", "));
        };
        let is_new = metrics.iter().all(|other| other.name() != metric.name());
        ensure!(is_new, "--metric {} is named twice", metric.name());
        metrics.push(metric);
    }
    Ok(metrics)
}
