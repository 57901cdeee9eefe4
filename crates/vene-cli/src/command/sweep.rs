//! `vene sweep`: the same intervention at many places, from the command line to a `Sweep`.

mod over_data;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use vene::plan_file::{ExperimentKind, List, SweepMethod};
use vene::{ExecutorName, SweepUnit};

use crate::arguments::{Given, by_name, heading, memory_size, prompt_text, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::ExperimentModel;
use crate::record::Kind;
use over_data::OverData;

/// Intervene at every layer and position, and see what the model then says
#[derive(Args)]
#[command(
    long_about = "\
The same intervention at every one of many places: each component in each layer at each position (or \
head), one at a time. For each place the probabilities of the target tokens after the last position are \
read (--token), or metrics are measured (--metric).

Writes into --out: with --token sweep.csv and sweep.parquet (a row for each place and target token), \
heatmap.svg|png, effects.svg|png, bars.svg|png; with --metric metrics.csv and metrics.parquet (a row for each place, \
metric, direction and control) and a map of the effects on each metric; and run.json with everything needed to run \
it again and a receipt for every intervention. With --unit h.pos there are figures for each position \
(heatmap-position-3.png).",
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
  A metric instead of probabilities, in both directions:
    vene sweep ... --metric logit_difference --target \" Madrid\" --foil \" Rome\" --direction both
  Over a data set, by the role of the positions, with intervals:
    vene task capital -n 200 --out capital.jsonl
    vene sweep --data capital.jsonl --component block_output --positions subject_last,last
  Without a source: which MLPs does the answer need?
    vene sweep --base \"The capital of Spain is\" --intervention zero \\
      --component mlp_output --token \" Madrid\""
)]
pub struct Arguments {
    /// The prompt whose run is edited
    ///
    /// `@FILE` is the text of a file, `-` that of standard input, without the line break at its end; `@@` stands for
    /// a text's own @.
    #[arg(help_heading = heading::PAIR, long, value_name = "TEXT", required_unless_present_any = ["data", "resume"], value_parser = prompt_text)]
    base: Option<String>,

    /// A prompt whose run is read (again for more)
    ///
    /// Written as --base is. Of several, `mean` takes the mean. An intervention that reads no source (zero, noise ...) takes one all the same: the table then has its
    /// probabilities beside the base's.
    #[arg(help_heading = heading::PAIR, long, value_name = "TEXT", value_parser = prompt_text)]
    source: Vec<String>,

    /// A token whose probability is followed, such as " Madrid" (again for more)
    ///
    /// With its leading space, where it begins a word.
    #[arg(help_heading = heading::PAIR, long, value_name = "TOKEN", action = ArgAction::Append,
        required_unless_present_any = ["data", "resume", "metric"])]
    token: Vec<String>,

    /// A right answer to --base, such as " Madrid", for --metric (again for more)
    ///
    /// With its leading space; of several any is right. Metrics that read answers need it. The rows of a data set have
    /// their own.
    #[arg(help_heading = heading::PAIR, long, value_name = "TEXT")]
    target: Vec<String>,

    /// A right answer to --source, likewise
    #[arg(help_heading = heading::PAIR, long, value_name = "TEXT")]
    foil: Vec<String>,

    /// The phrase of --base that subject_last and the like are about
    #[arg(help_heading = heading::PAIR, long, value_name = "PHRASE")]
    subject: Option<String>,

    /// The phrase of --source that replaces it [default: as --subject]
    ///
    /// Again for each source, in their order.
    #[arg(help_heading = heading::PAIR, long, value_name = "PHRASE")]
    source_subject: Vec<String>,

    /// Which occurrence of --subject is meant, counted from 0, where there are several
    #[arg(help_heading = heading::PAIR, hide_short_help = true, long, value_name = "INDEX")]
    subject_occurrence: Option<usize>,

    /// Which occurrence of --source-subject is meant (again for each source)
    #[arg(help_heading = heading::PAIR, hide_short_help = true, long, value_name = "INDEX")]
    source_subject_occurrence: Vec<usize>,

    #[command(flatten)]
    data: OverData,

    /// What is edited, e.g. mlp_output,attention_input
    ///
    /// `vene sites` lists them. pyvene's and TransformerLens's names are understood where they mean
    /// the same tensor; blocks.3.hook_resid_pre says its layer, head_query_output means --unit h.
    #[arg(help_heading = heading::BOTH,
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        required_unless_present = "resume"
    )]
    component: Vec<String>,

    /// In which layers: 0..12, 0,3,5, -1 (the last), or a mix [default: all]
    ///
    /// 0..12 is 0 to 11.
    #[arg(help_heading = heading::BOTH, long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// In which heads, where --unit is h or h.pos [default: all]
    ///
    /// Written as --layers is.
    #[arg(help_heading = heading::BOTH, long, value_name = "LIST", allow_hyphen_values = true)]
    heads: Option<String>,

    /// At which positions: all, aligned, last, 0,3,-1, 0..4, first:3, last:3, subject, subject_first, subject_last, after_subject
    ///
    /// `all` needs base and source of one length. `aligned` pairs what both begin and end with, and
    /// what stands between. Names with `subject` are about the phrases of --subject and
    /// --source-subject. All but `all` and `aligned` can be listed. Over a data set: last, numbers, and
    /// the rows' spans by name. [default: all; last over a data set]
    #[arg(help_heading = heading::BOTH, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// What is edited at once [default: pos; h for head_... components]
    #[arg(help_heading = heading::BOTH, long, value_name = "UNIT", value_parser = by_name::<SweepUnit>())]
    unit: Option<SweepUnit>,

    /// What is done [default: interchange]
    #[arg(help_heading = heading::BOTH, long, value_name = "NAME", value_parser = by_name::<SweepMethod>())]
    intervention: Option<SweepMethod>,

    /// scaling: the factor
    #[arg(help_heading = heading::BOTH, hide_short_help = true, long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = finite)]
    factor: Option<f64>,

    /// noise, and over a data set restore: the standard deviation
    #[arg(help_heading = heading::BOTH, hide_short_help = true, long, visible_alias = "standard-deviation", value_name = "NUMBER",
        allow_hyphen_values = true, value_parser = deviation)]
    noise_sd: Option<f64>,

    /// The seed of noise, and over a data set of all that is drawn [default: 0]
    #[arg(help_heading = heading::BOTH, hide_short_help = true, long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[command(flatten)]
    model: ExperimentModel,

    /// What runs it [default: forked]
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "NAME", value_parser = by_name::<ExecutorName>())]
    executor: Option<ExecutorName>,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    ///
    /// What needs more is run in several passes [default: an eighth of what is free, 128M at most]
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// Say what would run and what it would cost; run nothing
    ///
    /// No weights are read, and nothing is written, in --out neither.
    #[arg(help_heading = heading::OUTPUT, long)]
    dry_run: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,

    /// Print record (run.json) and results, or with --dry-run the forecast, as JSON
    ///
    /// `results` has the rows of the tables, all of one pair, of a data set those of the summary. docs/sweep.schema.json
    /// describes all of it, as a JSON schema.
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// The folder for table, figures and record [default: one in vene-out/]
    ///
    /// By default it is named by the kind of run and the time.
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,
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

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self.data => resume).as_deref().unwrap_or(Path::new(""));
            let json = *read!(given, self => json);
            given.check("a sweep that is resumed with its own experiment", RESUMED)?;
            return experiment::resume(folder, &[Kind::DataSweep], json);
        }
        let mut experiment = Experiment::of_line(ExperimentKind::Sweep, given)?;
        self.model.put(&mut experiment);
        experiment.take_data(self.data.data.as_ref())?;
        put!(experiment, self => base => data.base);
        put!(experiment, self => source => data.sources);
        put!(experiment, self => component => sweep.components);
        put!(experiment, self => layers => sweep.layers, List);
        put!(experiment, self => heads => sweep.heads, List);
        put!(experiment, self => positions => sweep.positions, List);
        put!(experiment, self => subject => sweep.subject);
        put!(experiment, self => source_subject => sweep.source_subject);
        put!(experiment, self => subject_occurrence => sweep.subject_occurrence);
        put!(experiment, self => source_subject_occurrence => sweep.source_subject_occurrence);
        put!(experiment, self => unit => sweep.unit);
        put!(experiment, self => intervention => sweep.intervention);
        put!(experiment, self => factor => sweep.factor);
        put!(experiment, self => noise_sd => sweep.noise_sd);
        put!(experiment, self => seed => statistics.seed);
        put!(experiment, self => token => sweep.tokens);
        put!(experiment, self => target => data.target);
        put!(experiment, self => foil => data.foil);
        self.data.put(&mut experiment);
        put!(experiment, self => executor => limits.executor);
        put!(experiment, self => memory => limits.memory);
        let print_spec = *read!(experiment.given, self => print_spec);
        let delivery = Delivery {
            out: self.out.clone(),
            force: self.force,
            json: self.json,
            dry_run: self.dry_run,
            print_spec,
            shard: self.data.shard,
        };
        experiment::run(experiment, &delivery)
    }
}

const RESUMED: &crate::arguments::ReadBy =
    &[("force", "where something is written anew (without --resume)")];
