//! `vene run`: an experiment that stands in a file.

use std::path::{Path, PathBuf};

use clap::Args;
use vene::plan_file::ExperimentKind;
use vene::statistics::Correction;
use vene::{AnswerTokens, ExecutorName};

use crate::arguments::{Given, by_name, heading, memory_size, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::{AnotherModel, ExperimentModel};
use crate::plan_given::PlanChanges;
use crate::record::Kind;
use crate::shard::Shard;

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

    /// A file of rows, in place of the plan's: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "NAME")]
    counterfactual: Option<String>,

    /// Only a stretch of the rows, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(help_heading = heading::DATA, long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    /// Go on with a run that was stopped, by its own experiment: its folder is all that is needed
    #[arg(help_heading = heading::DATA, long, value_name = "DIR", conflicts_with = "file")]
    resume: Option<PathBuf>,

    /// What is measured [default: logit_difference, or log_probability where rows have no foil]
    #[arg(help_heading = heading::MEASURED, long, value_name = "NAME,...", value_delimiter = ',')]
    metric: Vec<String>,

    /// How answers of several tokens are read [default: whole; of an evaluation as its training, else first]
    #[arg(help_heading = heading::MEASURED, hide_short_help = true, long, value_name = "HOW", value_parser = by_name::<AnswerTokens>())]
    answers: Option<AnswerTokens>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(help_heading = heading::MEASURED, hide_short_help = true, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    resamples: Option<u32>,

    /// How p-values are adjusted for the number of runs [default: none]
    #[arg(help_heading = heading::MEASURED, hide_short_help = true, long, value_name = "NAME", value_parser = by_name::<Correction>())]
    correction: Option<Correction>,

    /// The seed of the bootstrap [default: 0]
    #[arg(help_heading = heading::MEASURED, hide_short_help = true, long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[command(flatten)]
    changes: PlanChanges,

    #[command(flatten)]
    another: AnotherModel,

    #[command(flatten)]
    model: ExperimentModel,

    /// What runs it [default: forked]
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "NAME", value_parser = by_name::<ExecutorName>())]
    executor: Option<ExecutorName>,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// Say what would run and what it would cost; read no weights, write nothing
    #[arg(help_heading = heading::OUTPUT, long)]
    dry_run: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,

    /// Print the record (run.json), or with --dry-run the forecast, as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// The folder for tables, figures and record [default: vene-out/ and the file's name and the time]
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.run_as(given, None)
    }

    /// Runs an experiment of this kind, whatever the file says of it.
    pub fn run_as(&self, given: Given, kind: Option<ExperimentKind>) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self => resume).as_deref().unwrap_or(Path::new(""));
            let json = *read!(given, self => json);
            given.check("a run that is resumed with its own experiment", &[])?;
            let kinds = [
                Kind::PlanSweep,
                Kind::DataSweep,
                Kind::Training,
                Kind::Collection,
                Kind::Edges,
                Kind::Paths,
                Kind::Faithfulness,
                Kind::Scrubbing,
                Kind::Pairs,
            ];
            return experiment::resume(folder, &kinds, json);
        }
        let path = read!(given, self => file).as_deref().unwrap_or(Path::new(""));
        let set = self.changes.read(&given);
        let mut experiment = Experiment::of_file(path, set, given)?;
        experiment.kind = kind.unwrap_or(experiment.kind);
        self.model.put(&mut experiment);
        self.another.put(&mut experiment);
        experiment.take_data(self.data.as_ref())?;
        let count = |count| count as usize;
        put!(experiment, self => limit => data.limit, count);
        put!(experiment, self => counterfactual => data.counterfactual);
        put!(experiment, self => metric => measure.metrics);
        put!(experiment, self => answers => measure.answers);
        put!(experiment, self => resamples => statistics.resamples, count);
        put!(experiment, self => correction => statistics.correction);
        put!(experiment, self => seed => statistics.seed);
        put!(experiment, self => executor => limits.executor);
        put!(experiment, self => memory => limits.memory);
        let print_spec = *read!(experiment.given, self => print_spec);
        let delivery = Delivery {
            out: self.out.clone(),
            force: self.force,
            json: self.json,
            dry_run: self.dry_run,
            print_spec,
            shard: self.shard,
        };
        experiment::run(experiment, &delivery)
    }
}
