//! `vene run`: an experiment that stands in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use vene::data::Row;
use vene::data_sweep::Summary;
use vene::metric;
use vene::plan_file::{DataSection, ExperimentKind, Format, PlanFile, PlanGrid, Sections};
use vene::plan_sweep::PlanSweep;
use vene::statistics::{Bootstrap, Correction};
use vene::{AnswerTokens, BeginningOfSequence, ExecutorName, Outline, Precision};

use super::join::Shards;
use crate::arguments::{Given, ReadBy, by_name, memory_size, read};
use crate::data_set::DataSet;
use crate::folder::{Folder, Purpose};
use crate::model::{self, IgnoredKeys};
use crate::plan_given::PlanGiven;
use crate::plan_sweep::{self, Settings};
use crate::record::{Kind, Record, Status};
use crate::shard::{self, Shard};
use crate::training::comparison::Comparison;
use crate::{rows, terminal};

/// Run the experiment of a file: a plan over the rows of a data set
#[derive(Args)]
#[command(
    long_about = "\
Runs a plan, or each plan of its grid, in every row of a data set, and writes into --out:

  examples.parquet   for each row, run of the grid and number: the unedited run's value, the edited run's, the effect
  summary.parquet|csv  their means, with intervals that respect the rows' groups
  receipts.parquet   what each edit did in each row
  collected.safetensors, rows.parquet   what [[collect]] keeps, one tensor a site, and which row is which
  effects*.svg|png   figures
  run.json           the experiment as it was understood, which `vene run run.json` runs again

What is measured is named by --metric, and by `probabilities_of` and `logits_of` in the plan's [read].",
    after_help = "\
Examples:
  vene task capital -n 200 --out capital.jsonl
  vene run patch.toml --data capital.jsonl --model embedded --metric logit_difference --out patched
  vene run patch.toml --data capital.jsonl --model embedded --set grid.l=0..3
  vene run patched/run.json --out again
  vene run --resume patched                goes on with a run that was stopped

where patch.toml puts the country's activations in place, one layer after the other:

  [[edit]]
  intervention = \"interchange\"
  component = \"block_output\"
  layer = \"$l\"
  positions = { role = \"subject_last\" }

  [grid]
  l = \"all\"

docs/plans.md tells the format, docs/data-sets.md that of rows."
)]
pub struct Arguments {
    /// The experiment: a .toml or .json file, a saved plan's folder, or the run.json of an earlier run
    #[arg(value_name = "FILE", required_unless_present = "resume")]
    file: Option<PathBuf>,

    /// The model, in place of the file's: `embedded`, a folder, a .gguf file, or a Hugging Face id
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    /// Take a plan that was made for another model of the same shape and tokenizer
    #[arg(long)]
    another_model: bool,

    /// A file of rows, in place of the plan's: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(long, value_name = "NAME")]
    counterfactual: Option<String>,

    /// What is measured [default: logit_difference, or log_probability where rows have no foil]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    metric: Vec<String>,

    /// How answers of several tokens are read [default: whole; of an evaluation as its training, else first]
    #[arg(long, value_name = "HOW", value_parser = by_name::<AnswerTokens>())]
    answers: Option<AnswerTokens>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    resamples: Option<u32>,

    /// How p-values are adjusted for the number of runs [default: none]
    #[arg(long, value_name = "NAME", value_parser = by_name::<Correction>())]
    correction: Option<Correction>,

    /// The seed of the bootstrap [default: 0]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// A value in place of the file's: KEY=VALUE, such as grid.dose='[0.5, 1.0]' or edit.0.layer=3 (again for more)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// What runs it [default: forked]
    #[arg(long, value_name = "NAME", value_parser = by_name::<ExecutorName>())]
    executor: Option<ExecutorName>,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// Whether prompts begin with a beginning-of-sequence token [default: model]
    #[arg(long, value_name = "WHEN", value_parser = by_name::<BeginningOfSequence>())]
    bos: Option<BeginningOfSequence>,

    /// Precision of weights and activations [default: single]
    #[arg(long, value_name = "PRECISION", value_parser = by_name::<Precision>())]
    precision: Option<Precision>,

    /// Only a stretch of the rows, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    /// Say what would run and what it would cost; read no weights, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(long)]
    print_spec: bool,

    /// Print the record (run.json), or with --dry-run the forecast, as JSON
    #[arg(long)]
    json: bool,

    /// The folder for tables, figures and record [default: vene-out/ and the file's name and the time]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(long)]
    force: bool,

    /// Go on with a run that was stopped, by its own experiment: its folder is all that is needed
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    resume: Option<PathBuf>,
}

const READ_BY: &ReadBy = &[
    (
        "another_model",
        "with a plan that was made for another model of the same shape and tokenizer",
    ),
    ("memory", "with --executor forked"),
    ("counterfactual", "with a file of rows"),
    ("limit", "with a data set"),
    ("[data] path", "without --data"),
    ("[data] task", "without a `path` beside it, or --data"),
    ("[data] rows", "with a `path` or a `task`, and without --data"),
    ("[data] seed", "with a `task`"),
    ("[data] counterfactual", "with a `path`, or with --data"),
    ("[data] base", "without a `path` or `task` beside it, or --data"),
    ("[data] sources", "with `base`; of several the first"),
    ("[read] positions", "with `probabilities_of` or `logits_of`"),
    ("[limits] memory", "with the executor `forked`"),
];

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.run_as(given, None)
    }

    /// Runs an experiment of this kind, whatever the file says of it.
    pub fn run_as(&self, mut given: Given, kind: Option<ExperimentKind>) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self => resume).as_deref().unwrap_or(Path::new(""));
            let json = *read!(given, self => json);
            given.check("a run that is resumed with its own experiment", READ_BY)?;
            return Self::resume(folder, json);
        }
        let path = read!(given, self => file).as_deref().unwrap_or(Path::new(""));
        let plan = PlanGiven::read(path)?.set(read!(given, self => set))?;
        let kind = kind.or(plan.file().kind).unwrap_or_default();
        plan.account(&mut given);
        let sections = self.sections(&given, &plan)?;
        self.account_of_plan(&given, plan.file());
        // So that the line of a run may be tried: what it says names a folder, and writes nothing.
        let (out, force) = (read!(given, self => out), *read!(given, self => force));
        let json = *read!(given, self => json);
        let shard = *read!(given, self => shard);
        if *read!(given, self => print_spec) {
            let _ = read!(given, self => dry_run);
            given.check("an experiment that is printed", READ_BY)?;
            let format = if json { Format::Json } else { Format::Toml };
            let text = with(plan.file(), kind, sections).text(format);
            return terminal::print(&(text.trim_end().to_owned() + "\n"));
        }
        let dry_run = *read!(given, self => dry_run);
        let folder = if dry_run {
            None
        } else {
            let out = out.clone().map_or_else(|| crate::folder::named_by_time(path), Ok)?;
            Some(Folder::claim(&out, Purpose::New { kind: Kind::PlanSweep, force })?)
        };
        let model = model_of(&sections)?;
        let ignored = self.ignored.read(&given).to_vec();
        let outline = model::open(&model, &ignored)?;
        let is_meant = || *read!(given, self => another_model);
        let grid = plan.grid(&outline, is_meant)?;
        let again = || plan.grid(&outline, || self.another_model);
        let what = match kind {
            ExperimentKind::Plan => "a plan over a data set",
            ExperimentKind::Evaluate => "an evaluation",
        };
        given.check(what, READ_BY)?;
        let experiment = Experiment {
            kind,
            text: with(plan.file(), kind, sections.clone()).text(Format::Json),
            folder: absolute(plan.file().folder())?,
            ignored,
            is_of_another_model: self.another_model,
            sections,
        };
        let (sweep, mut settings) = experiment.prepare(&outline, &model, grid, again, json)?;
        settings.shard = shard;
        shard::rows_of(shard, sweep.rows().len())?;
        match &folder {
            None => plan_sweep::forecast(outline, &sweep, &settings),
            Some(folder) => plan_sweep::start(outline, &sweep, &settings, folder),
        }
    }

    /// Goes on with a run in its folder.
    fn resume(folder: &Path, json: bool) -> anyhow::Result<()> {
        let folder =
            folder.canonicalize().with_context(|| format!("--resume {}", folder.display()))?;
        let claimed = Folder::claim(&folder, Purpose::Resume(Kind::PlanSweep))?;
        let record = claimed.earlier().context("there is no run to go on with")?;
        if record.status() == Some(Status::Complete) {
            return terminal::print(&format!("{} is complete\n", folder.display()));
        }
        let (outline, sweep, mut settings) = of_record(record, json)?;
        settings.shard = Shard::of_record(record);
        plan_sweep::go_on(outline, &sweep, &settings, &claimed)
    }

    /// The sections of the experiment: what the command line says in place of what the file says, paths absolute.
    fn sections(&self, given: &Given, plan: &PlanGiven) -> anyhow::Result<Sections> {
        let file = plan.file();
        let mut sections = file.sections.clone();
        let mut model = sections.model.take().unwrap_or_default();
        let named = read!(given, self => model).clone();
        model.id = match named.or_else(|| model.id.as_ref().map(|id| beside(file.folder(), id))) {
            Some(id) => Some(absolute_if_there(&id)?),
            None => None,
        };
        model.bos = read!(given, self => bos).or(model.bos);
        model.precision = read!(given, self => precision).or(model.precision);
        sections.model = filled(model);
        let data = sections.data.take().unwrap_or_default();
        let limit = read!(given, self => limit).map(|limit| limit as usize);
        let counterfactual = read!(given, self => counterfactual).clone();
        let mut data = match read!(given, self => data) {
            Some(path) => DataSection { path: Some(path.clone()), ..DataSection::default() },
            None => DataSection {
                path: data.path.map(|path| file.folder().join(path)),
                // What counts is read in this order: a file, a task, a pair.
                ..data
            },
        };
        data.path = data.path.as_deref().map(absolute).transpose()?;
        data.rows = limit.into_iter().chain(data.rows).min();
        data.counterfactual = counterfactual.or(data.counterfactual);
        sections.data = filled(data);
        let mut measure = sections.measure.take().unwrap_or_default();
        let metrics = read!(given, self => metric);
        if !metrics.is_empty() {
            measure.metrics = Some(metrics.clone());
        }
        measure.answers = read!(given, self => answers).or(measure.answers);
        sections.measure = filled(measure);
        let mut statistics = sections.statistics.take().unwrap_or_default();
        let resamples = read!(given, self => resamples).map(|resamples| resamples as usize);
        statistics.resamples = resamples.or(statistics.resamples);
        statistics.correction = read!(given, self => correction).or(statistics.correction);
        statistics.seed = read!(given, self => seed).or(statistics.seed);
        sections.statistics = filled(statistics);
        let mut limits = sections.limits.take().unwrap_or_default();
        limits.executor = read!(given, self => executor).or(limits.executor);
        if limits.executor != Some(ExecutorName::Reference) {
            limits.memory = read!(given, self => memory).or(limits.memory);
            given.read_of_plan("limits", &["memory"]);
        }
        sections.limits = filled(limits);
        Ok(sections)
    }

    /// Says what is read of the plan's file.
    fn account_of_plan(&self, given: &Given, file: &PlanFile) {
        for section in ["model", "measure", "statistics", "grid", "edit", "collect"] {
            given.read_section(section);
        }
        // Known to be for other commands.
        given.read_section("train");
        given.read_section("generate");
        given.read_of_plan("limits", &["executor"]);
        given.read_of_plan("read", &["probabilities_of", "logits_of"]);
        let reads = |key: &str| file.keys().contains(&("read", Some(key)));
        if reads("probabilities_of") || reads("logits_of") {
            // The unedited run's numbers stand beside the edited one's anyway.
            given.read_of_plan("read", &["positions", "original"]);
        }
        let has = |key: &str| file.keys().contains(&("data", Some(key)));
        if self.data.is_some() {
            return;
        }
        if has("path") {
            given.read_of_plan("data", &["path", "rows", "counterfactual"]);
        } else if has("task") {
            given.read_of_plan("data", &["task", "rows", "seed"]);
        } else {
            given.read_of_plan("data", &["base", "sources"]);
        }
    }
}

/// Puts the shards of a run together, in a folder that was claimed for that.
pub fn join(shards: &Shards, folder: &Folder, json: bool) -> anyhow::Result<()> {
    let (outline, sweep, settings) = of_record(shards.first(), json)?;
    plan_sweep::put_together(outline, &sweep, &settings, folder, shards)
}

/// What a record says was run, made ready once more.
fn of_record(record: &Record, json: bool) -> anyhow::Result<(Outline, PlanSweep, Settings)> {
    let plan = PlanGiven::of_record(record)?;
    let sections = plan.file().sections.clone();
    let ignored: Vec<String> =
        serde_json::from_value(record.get("ignored_keys").clone()).unwrap_or_default();
    let model = model_of(&sections)?;
    let outline = model::open(&model, &ignored)?;
    let is_of_another_model = record.get("another_model").as_bool().unwrap_or(false);
    let grid = plan.grid(&outline, || is_of_another_model)?;
    let again = || plan.grid(&outline, || is_of_another_model);
    let experiment = Experiment {
        kind: plan.file().kind.unwrap_or_default(),
        text: plan.file().text(Format::Json),
        folder: plan.file().folder().to_owned(),
        sections,
        ignored,
        is_of_another_model,
    };
    let (sweep, settings) = experiment.prepare(&outline, &model, grid, again, json)?;
    Ok((outline, sweep, settings))
}

/// The model: where a user's data is run it must be named.
fn model_of(sections: &Sections) -> anyhow::Result<String> {
    model::named(sections.model.as_ref().and_then(|model| model.id.clone()))
}

/// An experiment that is about to be run.
struct Experiment {
    kind: ExperimentKind,
    /// As a file has it, in JSON.
    text: String,
    /// Where the files are that it names.
    folder: PathBuf,
    sections: Sections,
    ignored: Vec<String>,
    is_of_another_model: bool,
}

impl Experiment {
    /// Checks everything before a weight is read.
    fn prepare(
        self,
        outline: &Outline,
        model: &str,
        mut grid: PlanGrid,
        again: impl FnOnce() -> anyhow::Result<PlanGrid>,
        json: bool,
    ) -> anyhow::Result<(PlanSweep, Settings)> {
        let Sections { model: of_model, data, measure, statistics, limits, .. } = &self.sections;
        let of_model = of_model.clone().unwrap_or_default();
        let (measure, limits) =
            (measure.clone().unwrap_or_default(), limits.clone().unwrap_or_default());
        let statistics = statistics.clone().unwrap_or_default();
        let mut data = rows_of(&data.clone().unwrap_or_default(), outline)?;
        for run in &grid.runs {
            for role in run.plan.roles() {
                let known = rows::check_role(&role, &data.rows, &data.unused);
                known.with_context(|| format!("the plan's role `{role}`"))?;
            }
        }
        let bos = of_model.bos.unwrap_or_default();
        let mut names = measure.metrics.clone();
        let mut first_tokens = measure.answers == Some(AnswerTokens::First);
        let mut also: Option<plan_sweep::Also> = None;
        if self.kind == ExperimentKind::Evaluate {
            let comparison = self.comparison(outline, grid, again, &data)?;
            rows::warn_of_left_out(&comparison.left_out, data.rows.len());
            (grid, data.rows) = (comparison.grid.clone(), comparison.rows.clone());
            // As a training reads them, where nothing else is said.
            let of_training = self.sections.train.as_ref().and_then(|train| train.answers);
            first_tokens = measure.answers.or(of_training) != Some(AnswerTokens::Whole);
            let has_foils = data.rows.iter().all(|row| !row.foil.is_empty());
            let usual =
                if has_foils { &["accuracy", "logit_difference"][..] } else { &["accuracy"] };
            let usual = || usual.iter().map(|&name| name.to_owned()).collect();
            names = Some(names.unwrap_or_else(usual));
            also = Some(Box::new(move |model| comparison.evaluate(model)));
        }
        let mut builder = PlanSweep::builder(outline)
            .grid(grid)
            .rows(&data.rows)
            .bos(bos)
            .first_tokens(first_tokens)
            .seed(statistics.seed.unwrap_or(0));
        if let Some(names) = &names {
            builder = builder.metrics(metrics(names)?);
        }
        let sweep = builder.build()?;
        let executor = limits.executor.unwrap_or_default();
        let memory = limits.memory.filter(|_| executor == ExecutorName::Forked);
        if let Some(memory) = memory {
            sweep.fits(outline, memory)?;
        }
        let usual = Bootstrap::default();
        let summary = Summary {
            bootstrap: Bootstrap {
                seed: statistics.seed.unwrap_or(0),
                resamples: statistics.resamples.unwrap_or(usual.resamples),
                ..usual
            },
            correction: statistics.correction.unwrap_or_default(),
            discovery: None,
        };
        let settings = Settings {
            model_given: model.to_owned(),
            experiment: serde_json::from_str(&self.text)?,
            folder: self.folder,
            ignored: self.ignored,
            is_of_another_model: self.is_of_another_model,
            precision: of_model.precision.unwrap_or_default(),
            executor,
            memory,
            json,
            summary,
            data: data.into_source(),
            shard: None,
            also,
        };
        Ok((sweep, settings))
    }

    /// The trained plan and what it is compared with.
    fn comparison(
        &self,
        outline: &Outline,
        grid: PlanGrid,
        again: impl FnOnce() -> anyhow::Result<PlanGrid>,
        data: &DataSet,
    ) -> anyhow::Result<Comparison> {
        let only = |grid: PlanGrid| match <[_; 1]>::try_from(grid.runs) {
            Ok([run]) => Ok(run.plan),
            Err(runs) => {
                bail!("one trained plan is evaluated, and the file's grid makes {}", runs.len())
            }
        };
        let section = self.sections.train.clone().unwrap_or_default();
        let bos = self.sections.model.as_ref().and_then(|model| model.bos).unwrap_or_default();
        let plan = only(grid)?;
        Comparison::new(outline, plan, || only(again()?), section, &data.rows, bos)
    }
}

/// Metrics by their names; `none` is none.
fn metrics(names: &[String]) -> anyhow::Result<Vec<std::sync::Arc<dyn metric::Metric>>> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let metric = |name: &String| {
        metric::named(name).with_context(|| {
            let known: Vec<&str> = metric::BUILT_IN.iter().map(|row| row.name).collect();
            vene::UnknownName::new("metric", name, &known).to_string()
        })
    };
    names.iter().map(metric).collect()
}

/// The rows that a section names: a file's, a task's, or one of a pair.
fn rows_of(data: &DataSection, outline: &Outline) -> anyhow::Result<DataSet> {
    let counterfactual = data.counterfactual.as_deref();
    match (&data.path, &data.task, &data.base) {
        (Some(path), ..) => {
            Ok(DataSet::of_file(path, counterfactual).context("the data set")?.limited(data.rows))
        }
        (None, Some(task), _) => DataSet::of_task(task, data, outline),
        (None, None, Some(base)) => {
            let row = match data.sources.as_slice() {
                [] => Row::of_base(base),
                [source, ..] => Row::new(base, source),
            };
            let sha256 = vene_files::sha256(format!("{base}\n{:?}", data.sources));
            let from = "one pair of prompts".to_owned();
            Ok(DataSet { rows: vec![row], unused: Vec::new(), from, sha256 })
        }
        (None, None, None) => bail!(
            "there are no rows to run on: give a file with --data, or a path, a task or a base in the plan's [data]"
        ),
    }
}

/// The file with other sections.
fn with(file: &PlanFile, kind: ExperimentKind, sections: Sections) -> PlanFile {
    let mut file = file.clone();
    file.kind = Some(kind);
    file.sections = sections;
    file
}

/// A path from the root on; an empty one is the folder that one is in.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    if path.as_os_str().is_empty() { std::env::current_dir() } else { std::path::absolute(path) }
}

/// A section that says something.
fn filled<T: Default + PartialEq>(section: T) -> Option<T> {
    (section != T::default()).then_some(section)
}

/// A model's name, if it is that of a file beside a plan.
fn beside(folder: &Path, id: &str) -> String {
    let path = folder.join(id);
    if path.exists() { path.display().to_string() } else { id.to_owned() }
}

/// A model's name, by its absolute path where it is a file's or a folder's.
fn absolute_if_there(id: &str) -> anyhow::Result<String> {
    let path = Path::new(id);
    Ok(if path.exists() { std::path::absolute(path)?.display().to_string() } else { id.to_owned() })
}
