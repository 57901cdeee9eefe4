//! `vene train`: interventions learned from the rows of a data set.

use std::path::{Path, PathBuf};

use clap::Args;
use vene::data::Together;
use vene::plan_file::ExperimentKind;

use crate::arguments::{Given, by_name, heading, memory_size, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::{AnotherModel, ExperimentModel};
use crate::plan_given::PlanChanges;
use crate::record::Kind;
use crate::shard::Shard;

/// Train a plan's interventions on a data set
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene task capital -n 200 --out capital.jsonl
  vene train das.toml --data capital.jsonl --model embedded --out das
  vene train --resume das

where das.toml looks for the directions in which a model keeps a country's capital:

  [[edit]]
  component = \"block_output\"
  layer = 2
  positions = { role = \"subject_last\" }
  intervention = { name = \"low_rank_rotated_space\", rank = 16 }

  [train]
  epochs = 10
  learning_rate = 0.01

With a [grid] in the plan, of layers, positions or ranks, each of its plans is trained, into DIR/runs/000, 001, ..

A training that was stopped, by Ctrl-C or otherwise, is resumed from its last epoch, and ends
where it would have. What it learned is DIR/trained: a plan that other commands read.")]
pub struct Arguments {
    /// The plan: a .toml or .json file (docs/plans.md)
    #[arg(value_name = "PLAN", required_unless_present = "resume")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    changes: PlanChanges,

    #[command(flatten)]
    another: AnotherModel,

    /// A file of rows, in place of the plan's: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(2..))]
    limit: Option<u32>,

    /// Which rows stay on one side, trained on or held out [default: prompts]
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = by_name::<Together>())]
    together: Option<Together>,

    /// Only a stretch of the grid's runs, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(help_heading = heading::OUTPUT, long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    #[command(flatten)]
    model: ExperimentModel,

    /// How much memory the training may take beside the weights, e.g. 500M or 2G
    ///
    /// A batch that needs more is run in parts, whose gradients are added up: the result is the same but for rounding
    /// [default: batches are run at once]
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// The folder for what is learned and its record [default: vene-out/ and the plan's name and the time]
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Resume a training that was stopped, by its own options: its folder is all that is needed
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR", conflicts_with = "plan")]
    resume: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Print the result as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self => resume).as_deref().unwrap_or(Path::new(""));
            let json = *read!(given, self => json);
            given.check("a training that is resumed with its own experiment", &[])?;
            return experiment::resume(folder, &[Kind::Training], json);
        }
        let plan = read!(given, self => plan).as_deref().unwrap_or(Path::new(""));
        let set = self.changes.read(&given);
        let mut experiment = Experiment::of_file(plan, set, given)?;
        experiment.kind = ExperimentKind::Train;
        self.model.put(&mut experiment);
        self.another.put(&mut experiment);
        experiment.take_data(self.data.as_ref())?;
        put!(experiment, self => limit => data.limit, |limit| limit as usize);
        put!(experiment, self => together => train.together);
        put!(experiment, self => memory => limits.memory);
        let print_spec = *read!(experiment.given, self => print_spec);
        let (out, force, json) = (self.out.clone(), self.force, self.json);
        let shard = self.shard;
        let delivery = Delivery { out, force, json, print_spec, shard, ..Delivery::default() };
        experiment::run(experiment, &delivery)
    }
}
