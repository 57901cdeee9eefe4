//! `vene sweep`: the same intervention at many places, from the command line to a [`Sweep`].

mod over_data;
mod read_by;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{ArgAction, Args, ValueEnum};
use vene::{
    ExecutorName, Method, Outline, PositionError, Sweep, SweepError, SweepPositions, SweepUnit,
    Whose,
};

use super::Command;
use super::join::Shards;
use crate::arguments::{Given, by_name, memory_size, prompt_text, read};
use crate::folder::{Folder, Purpose};
use crate::model::{ModelArgument, RunArguments};
use crate::record::{Kind, Record, Status};
use crate::selection::{self, Places, Subject};
use crate::sweep::{self, Experiment};
use crate::terminal;
use over_data::OverData;
use read_by::READ_BY;

/// Intervene at every layer and position, and see what the model then says
#[derive(Args)]
#[command(
    long_about = "\
The same intervention at every one of many places: each component in each layer at each position (or \
head), one at a time. For each place the probabilities of the target tokens after the last position are \
measured.

Writes into --out: sweep.csv and sweep.parquet (a row for each place and target token), heatmap.svg|png, \
bars.svg|png, and run.json with everything needed to run it again and a receipt for every intervention. \
With --unit h.pos there is a pair of figures for each position (heatmap-position-3.png).",
    after_help = "\
Examples:
  The tutorial's sweep:
    vene sweep --base \"The capital of Spain is\" --source \"The capital of Italy is\" \\
      --component mlp_output,attention_input --token \" Madrid\" --token \" Rome\"
  What would it cost on a larger model?
    vene sweep ... --model gpt2 --dry-run
  Heads, in the second half of eight layers:
    vene sweep ... --component head_attention_value_output --layers 4..8
  Prompts of different lengths: the country's last token, and the token after it:
    vene sweep ... --source \"The capital of Papua New Guinea is\" \\
      --positions subject_last,after_subject --subject Spain --source-subject \"Papua New Guinea\"
  Over a data set, by the role of the positions, with intervals:
    vene task capital -n 200 --out capital.jsonl
    vene sweep --data capital.jsonl --component block_output --positions subject_last,last
  Without a source: which MLPs does the answer need?
    vene sweep --base \"The capital of Spain is\" --intervention zero \\
      --component mlp_output --token \" Madrid\""
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// The prompt whose run is edited
    ///
    /// `@FILE` is the text of a file, `-` that of standard input, without the line break at its end; `@@` stands for
    /// a text's own @.
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["data", "resume"], value_parser = prompt_text)]
    base: Option<String>,

    /// A prompt whose run is read, written as --base is (again for more, of which `mean` takes the mean)
    ///
    /// An intervention that reads no source (zero, noise ...) takes one all the same: the table then has its
    /// probabilities beside the base's.
    #[arg(long, value_name = "TEXT", value_parser = prompt_text)]
    source: Vec<String>,

    /// What is edited, e.g. mlp_output,attention_input
    ///
    /// `vene sites` lists them. pyvene's and TransformerLens's names are understood where they mean
    /// the same tensor; blocks.3.hook_resid_pre says its layer, head_query_output means --unit h.
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        required_unless_present = "resume"
    )]
    component: Vec<String>,

    /// In which layers: 0..12 (0 to 11), 0,3,5, -1 (the last), or a mix [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// In which heads, where the unit is h or h.pos; written as layers are [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    heads: Option<String>,

    /// At which positions: all, aligned, last, 0,3,-1, 0..4, first:3, last:3, subject, subject_first, subject_last, after_subject
    ///
    /// `all` needs base and source of one length. `aligned` pairs what both begin and end with, and
    /// what stands between. Names with `subject` are about the phrases of --subject and
    /// --source-subject. All but `all` and `aligned` can be listed. Over a data set: last, numbers, and
    /// the rows' spans by name. [default: all; last over a data set]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// The phrase of the base that positions such as subject_last are about
    #[arg(long, value_name = "PHRASE")]
    subject: Option<String>,

    /// The phrase of the source that replaces it (again for each source, in their order) [default: the
    /// same as --subject]
    #[arg(long, value_name = "PHRASE")]
    source_subject: Vec<String>,

    /// Which occurrence of --subject is meant, counted from 0, where there are several
    #[arg(long, value_name = "INDEX")]
    subject_occurrence: Option<usize>,

    /// Which occurrence of --source-subject is meant (again for each source)
    #[arg(long, value_name = "INDEX")]
    source_subject_occurrence: Vec<usize>,

    /// What is edited at once [default: pos; h for head_... components]
    #[arg(long, value_name = "UNIT", value_parser = by_name::<SweepUnit>())]
    unit: Option<SweepUnit>,

    /// What is done
    #[arg(long, value_name = "NAME", default_value = "interchange")]
    intervention: MethodName,

    /// scaling: the factor
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = finite)]
    factor: Option<f64>,

    /// noise, and over a data set restore: the standard deviation
    #[arg(long, visible_alias = "standard-deviation", value_name = "NUMBER",
        allow_hyphen_values = true, value_parser = deviation)]
    noise_sd: Option<f64>,

    /// The seed of noise, and over a data set of all that is drawn [default: 0]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// A token whose probability is followed, with its leading space: " Madrid" (again for more)
    #[arg(long, value_name = "TOKEN", action = ArgAction::Append,
        required_unless_present_any = ["data", "resume"])]
    token: Vec<String>,

    #[command(flatten)]
    data: OverData,

    /// What runs it
    #[arg(long, value_name = "NAME", default_value = "forked", value_parser = by_name::<ExecutorName>())]
    executor: ExecutorName,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    ///
    /// What needs more is run in several passes [default: an eighth of what is free, 128M at most]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    #[command(flatten)]
    run: RunArguments,

    /// Say what would run and what it would cost; read no weights, write nothing (in --out neither)
    #[arg(long)]
    dry_run: bool,

    /// Print the record (run.json), or with --dry-run the forecast, as JSON
    #[arg(long)]
    json: bool,

    /// The folder for table, figures and record
    #[arg(long, value_name = "DIR", default_value = "vene-out")]
    out: PathBuf,

    /// Replace the run that is in the folder, if there is one
    #[arg(long)]
    force: bool,
}

/// What is done at each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// The source's values replace the base's
    Interchange,
    /// 0 replaces the base's values
    Zero,
    /// The mean of all sources replaces the base's values
    Mean,
    /// The source's values are added
    Addition,
    /// The source's values are subtracted
    Subtraction,
    /// The base's values are multiplied (--factor)
    Scaling,
    /// Gaussian noise is added (--noise-sd, --seed)
    Noise,
    /// A module's output becomes its input (attention_output, mlp_output, block_output)
    Skip,
    /// The last position no longer sees the position (attention_score)
    Knockout,
    /// Other rows' values replace the base's, drawn at random (--data)
    Resample,
    /// Noise on the embeddings of --corrupt; the values without it are put back (--data)
    Restore,
}

/// The name under which it is written on the command line.
fn name_of(method: MethodName) -> String {
    method.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("expected a finite number".to_owned()),
    }
}

fn deviation(text: &str) -> Result<f64, String> {
    match finite(text)? {
        number if number >= 0.0 => Ok(number),
        _ => Err("expected a number that is not negative".to_owned()),
    }
}

/// Goes on with a sweep over a data set, with the arguments with which it was started.
fn resume(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.canonicalize().with_context(|| format!("--resume {}", folder.display()))?;
    let claimed = Folder::claim(&folder, Purpose::Resume(Kind::DataSweep))?;
    let record = claimed.earlier().context("there is no sweep to go on with")?;
    if record.status() == Some(Status::Complete) {
        return terminal::print(&format!("{} is complete\n", folder.display()));
    }
    let (arguments, given) = started(record, &folder)?;
    match &arguments.command {
        Command::Sweep(sweep) => sweep.run_over_data(&given, Some(claimed)),
        _ => bail!("{} was not started by `vene sweep --data`", folder.display()),
    }
}

/// Puts the shards of a sweep over a data set together, in a folder that was claimed for that.
pub fn join(shards: &Shards, folder: &Folder, json: bool) -> anyhow::Result<()> {
    let (arguments, given) = started(shards.first(), folder.path())?;
    match &arguments.command {
        Command::Sweep(sweep) => sweep.join(&given, shards, folder, json),
        _ => bail!("the shards were not started by `vene sweep --data`"),
    }
}

/// The arguments with which a sweep over a data set was started, read in the folder that it was started in.
fn started(record: &Record, folder: &Path) -> anyhow::Result<(crate::arguments::Arguments, Given)> {
    let (command, directory) = record.arguments()?;
    // Its paths were given from there.
    std::env::set_current_dir(&directory).with_context(|| {
        format!("the sweep was started in {directory}, and that folder is gone")
    })?;
    let (arguments, given) = crate::arguments::Arguments::of(&command)?;
    match &arguments.command {
        Command::Sweep(sweep) if sweep.data.data.is_some() => Ok((arguments, given)),
        _ => bail!("{} was not started by `vene sweep --data`", folder.display()),
    }
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self.data => resume).as_deref().unwrap_or(Path::new(""));
            given.check("a sweep that is resumed with its own options", READ_BY)?;
            return resume(folder);
        }
        if given.has("data") {
            return self.run_over_data(given, None);
        }
        let method = self.method(given)?;
        let folder = self.claim(given, Kind::Sweep)?;
        let outline = self.model.read(given).open()?;
        let sweep = self.sweep(given, &outline, method)?;
        let (bos, precision) =
            (*read!(given, self.run => bos), *read!(given, self.run => precision));
        let (executor, memory) = self.executor(given);
        let json = *read!(given, self => json);
        given.check(self.mode("one pair of prompts", sweep.unit()), READ_BY)?;
        if let Some(memory) = memory {
            sweep.fits(&outline, memory)?;
        }
        sweep::warn(&outline, &sweep);
        let Some(folder) = folder else {
            let by = (executor, memory);
            return sweep::forecast(&outline, &sweep, precision, by, &self.out, json);
        };
        let experiment = Experiment {
            model_given: self.model.model.clone(),
            outline,
            sweep,
            bos,
            precision,
            executor,
            memory,
        };
        experiment.run_in(Kind::Sweep, &folder, |finished, written| {
            if json {
                terminal::print_json(&written.record.value())
            } else {
                terminal::print(&(finished.summary() + &written.listing(&folder)))
            }
        })
    }

    /// The folder, for a new run; a forecast has none.
    fn claim(&self, given: &Given, kind: Kind) -> anyhow::Result<Option<Folder>> {
        let out = read!(given, self => out);
        // So that a dry run may be tried of any command line: what it says names the folder, and writes nothing.
        let force = *read!(given, self => force);
        if *read!(given, self => dry_run) {
            return Ok(None);
        }
        Folder::claim(out, Purpose::New { kind, force }).map(Some)
    }

    /// What an option that is not read is told it stands in.
    fn mode(&self, over: &str, unit: SweepUnit) -> String {
        let name = name_of(self.intervention);
        let executor = self.executor;
        format!("a sweep over {over} (--intervention {name}, --unit {unit}, --executor {executor})")
    }

    /// The executor, and how much memory its passes may take, which only the forked one knows.
    fn executor(&self, given: &Given) -> (ExecutorName, Option<usize>) {
        let executor = *read!(given, self => executor);
        let memory = match executor {
            ExecutorName::Forked => *read!(given, self => memory),
            ExecutorName::Reference => None,
        };
        (executor, memory)
    }

    fn factor(&self, given: &Given) -> anyhow::Result<f64> {
        read!(given, self => factor)
            .context("--intervention scaling needs --factor, e.g. --factor 0.5")
    }

    fn method(&self, given: &Given) -> anyhow::Result<Method> {
        let intervention = *read!(given, self => intervention);
        let name = name_of(intervention);
        Ok(match intervention {
            MethodName::Scaling => Method::Scaling { factor: self.factor(given)? },
            MethodName::Noise => Method::Noise {
                standard_deviation: read!(given, self => noise_sd)
                    .context("--intervention noise needs --noise-sd, its standard deviation")?,
                seed: read!(given, self => seed).unwrap_or(0),
            },
            MethodName::Resample | MethodName::Restore => {
                bail!("--intervention {name} draws on a data set: give one with --data")
            }
            _ => Method::named(&name)
                .with_context(|| format!("--intervention {name} is none of a sweep"))?,
        })
    }

    /// What is visited: components in layers, and what is edited at once.
    fn places(&self, given: &Given, outline: &Outline) -> anyhow::Result<(Places, SweepUnit)> {
        let layers = read!(given, self => layers).as_deref();
        let places = Places::named(read!(given, self => component), layers, outline.config())?;
        let unit = places.unit(*read!(given, self => unit))?;
        Ok((places, unit))
    }

    fn heads(&self, given: &Given, outline: &Outline) -> anyhow::Result<Option<Vec<usize>>> {
        let heads = read!(given, self => heads).as_deref();
        let indices = |list| vene::indices(list, "head", outline.config().heads);
        heads.map(|list| indices(list).context("--heads")).transpose()
    }

    /// The positions of a pair, unless all are edited at once; phrases where positions are named after them.
    fn positions(
        &self,
        given: &Given,
        outline: &Outline,
        unit: SweepUnit,
        reads_source: bool,
    ) -> anyhow::Result<SweepPositions> {
        if unit == SweepUnit::Head {
            return Ok(SweepPositions::All);
        }
        let list = read!(given, self => positions).as_deref().unwrap_or("all");
        let mut subject = Subject::default();
        if selection::name_a_phrase(list) {
            subject.base.clone_from(read!(given, self => subject));
            subject.occurrence = *read!(given, self => subject_occurrence);
            if reads_source {
                subject.source.clone_from(read!(given, self => source_subject));
                let occurrences = read!(given, self => source_subject_occurrence);
                subject.source_occurrence.clone_from(occurrences);
            }
        }
        selection::sweep_positions(list, &subject, outline.config().context)
    }

    fn sweep(&self, given: &Given, outline: &Outline, method: Method) -> anyhow::Result<Sweep> {
        let (places, unit) = self.places(given, outline)?;
        let positions = self.positions(given, outline, unit, method.reads_source())?;
        // All, or the one that is read or compared with.
        match method {
            Method::Mean => given.read("source"),
            _ => given.read_first("source", 1),
        }
        let mut builder = Sweep::builder(outline)
            .bos(*read!(given, self.run => bos))
            .base(read!(given, self => base).as_deref().unwrap_or_default())
            .unit(unit)
            .components(places.components)
            .layers(places.layers)
            .positions(positions)
            .method(method)
            .tokens(read!(given, self => token));
        for source in &self.source {
            builder = builder.source(source);
        }
        if let Some(heads) = self.heads(given, outline)? {
            builder = builder.heads(heads);
        }
        builder.build().map_err(|error| self.with_option(error))
    }

    /// The error, with the option that would help where the library cannot know its name.
    fn with_option(&self, error: SweepError) -> anyhow::Error {
        let of_source = matches!(&error, SweepError::Position { whose: Whose::Source { .. }, .. });
        let option = match &error {
            SweepError::NoSource { .. } => "--source",
            SweepError::Position { error: PositionError::SeveralPhrases { .. }, .. } => {
                match of_source {
                    true => "--source-subject-occurrence",
                    false => "--subject-occurrence",
                }
            }
            SweepError::Position { error: PositionError::NoPhrase { .. }, .. } => match of_source {
                true => "--source-subject",
                false => "--subject",
            },
            SweepError::DifferentLengths { .. }
            | SweepError::UnequalSpans { .. }
            | SweepError::NoPositions => "--positions",
            SweepError::PositionTwice { .. } | SweepError::PositionShared { .. } => {
                let list = self.positions.as_deref().unwrap_or_default();
                return anyhow::anyhow!("{error} (--positions {list})");
            }
            SweepError::SourceLists { .. } => "--source-subject",
            SweepError::HeadsWithoutUnit | SweepError::NoHeads { .. } => "--unit",
            _ => return error.into(),
        };
        anyhow::anyhow!("{error} ({option})")
    }
}
