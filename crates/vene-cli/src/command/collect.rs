//! `vene collect`: activations, one stacked tensor a site.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use vene::data::Role;
use vene::plan_file::ExperimentKind;
use vene::{Outline, Plan, Positions};

use crate::arguments::{Given, SpanArguments, heading, memory_size, prompt_text, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::{AnotherModel, ExperimentModel};
use crate::plan_given::PlanChanges;
use crate::selection::{self, Places};
use crate::shard::Shard;

/// Activations of prompts or rows, into a file of tensors
#[derive(Args)]
#[command(
    long_about = "\
Runs prompts and keeps what components show, as 32-bit floats, in one tensor a site: `mlp_output/3` (`final_norm` \
for components that a model has once) of shape [row, position, width], or [row, head, query, key] for \
attention_score and attention_weight. Memory holds a few rows at a time, whatever their number. It writes into --out:

  collected.safetensors  the tensors; their metadata (`vene`) is JSON with the experiment and the model's SHA-256
  rows.parquet           which row is which, with its texts, tokens, and the positions of each role
  receipts.parquet       what each edit of a --plan did in each row
  run.json               the experiment as it was understood, which `vene run run.json` runs again

Or into one file, if --out names one: .safetensors, or .npz or .npy, which are NumPy's. Of --data and --prompts a table \
NAME.rows.parquet then stands beside it.",
    after_help = "\
Examples:
  vene collect --component mlp_output --layers 0..4 \"The capital of Spain is\" \\
    --out spain.safetensors
  vene task capital -n 200 --out capital.jsonl
  vene collect --component block_output --positions subject_last,last --model embedded \\
    --data capital.jsonl --out capitals
  vene run capitals/run.json --out again
  vene collect --component block_output --pad \"One prompt\" \"A longer one\" --out two.safetensors

A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its end), and `@@`
stands for a text's own @."
)]
pub struct Arguments {
    /// The texts to be run
    #[arg(required_unless_present_any = ["data", "prompt_file", "plan"], value_name = "PROMPT", value_parser = prompt_text)]
    prompts: Vec<String>,

    /// A file with a prompt on each line; `-` is standard input
    #[arg(help_heading = heading::PROMPTS, long = "prompts", id = "prompt_file", value_name = "FILE", conflicts_with_all = ["data", "prompts"])]
    prompt_file: Option<PathBuf>,

    /// A file of rows, whose bases are run: base, source, spans (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE", conflicts_with = "prompts")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Only a stretch of the rows, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(help_heading = heading::DATA, long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    /// What is kept, e.g. mlp_output,attention_weight (`vene sites` lists them)
    #[arg(help_heading = heading::KEPT, long, value_name = "NAME,...", value_delimiter = ',', required_unless_present = "plan")]
    component: Vec<String>,

    /// In which layers: 0..12 (0 to 11), 0,3,5, -1 (the last), all, or a mix [default: all]
    #[arg(help_heading = heading::KEPT, long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// At which positions: all, last, 0,3,-1 or 0..4; of a data set also by role, such as subject_last; attention patterns
    /// only whole
    /// [default: all]
    #[arg(help_heading = heading::KEPT, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// Fill rows of fewer positions with zeros, and add how many each has (`lengths`)
    #[arg(help_heading = heading::KEPT, long)]
    pad: bool,

    /// Edits that are made before anything is kept, and without --component what is kept (`[[collect]]`): a plan's file, or
    /// the folder of a saved plan
    #[arg(help_heading = heading::EDITS, long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    changes: PlanChanges,

    /// A text whose run the plan's edits read, of prompts that are typed
    #[arg(help_heading = heading::EDITS, long, value_name = "PROMPT", value_parser = prompt_text)]
    source: Option<String>,

    #[command(flatten)]
    spans: SpanArguments,

    #[command(flatten)]
    another: AnotherModel,

    #[command(flatten)]
    model: ExperimentModel,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// The folder for tensors, table and record; or one file, NAME.safetensors, NAME.npz or, of one site, NAME.npy
    /// [default: vene-out/ and the plan's name or `collect` and the time]
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, or the file, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Print the record (run.json) as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// Print the whole experiment as TOML, and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let mut experiment = match read!(given, self => plan).clone() {
            Some(plan) => {
                let set = self.changes.read(&given);
                Experiment::of_file(&plan, set, given)?
            }
            None => Experiment::of_line(ExperimentKind::Collect, given)?,
        };
        experiment.kind = ExperimentKind::Collect;
        self.model.put(&mut experiment);
        self.another.put(&mut experiment);
        experiment.take_data(self.data.as_ref())?;
        experiment.take_lines("prompt_file", self.prompt_file.as_ref())?;
        experiment.take_prompts("prompts", &self.prompts);
        put!(experiment, self => limit => data.limit, |limit| limit as usize);
        put!(experiment, self => source => data.sources, |source| vec![source]);
        self.spans.put(&mut experiment);
        put!(experiment, self => pad => tensors.pad);
        put!(experiment, self => memory => limits.memory);
        if !self.component.is_empty() {
            // Names and numbers are the model's.
            let (_, outline) = experiment.open()?;
            let plan = self.collects(&experiment, &outline)?;
            experiment = experiment.collecting(&plan)?;
        }
        let print_spec = *read!(experiment.given, self => print_spec);
        let delivery = Delivery {
            out: self.out.clone(),
            force: self.force,
            json: self.json,
            shard: self.shard,
            print_spec,
            dry_run: false,
        };
        experiment::run(experiment, &delivery)
    }

    /// What is kept: each component in each layer, at each of the positions.
    fn collects(&self, experiment: &Experiment, outline: &Outline) -> anyhow::Result<Plan> {
        let given = &experiment.given;
        let components = read!(given, self => component);
        let layers = read!(given, self => layers).as_deref();
        let places = Places::named(components, layers, outline.config())?;
        let positions = self.positions(experiment, outline)?;
        Ok(places.collects(&positions))
    }

    /// The positions that are kept, one after the other; of rows also by role.
    fn positions(
        &self,
        experiment: &Experiment,
        outline: &Outline,
    ) -> anyhow::Result<Vec<Positions>> {
        let list = read!(experiment.given, self => positions).as_deref().unwrap_or("all");
        let context = outline.config().context;
        if list.trim() == "all" || !experiment.has_rows() {
            return Ok(vec![selection::positions(list, context)?]);
        }
        let mut all = Vec::new();
        for item in list.split(',').map(str::trim) {
            if item.contains("..") {
                all.push(selection::positions(item, context)?);
                continue;
            }
            let role: Role = item.parse().context("--positions")?;
            all.push(Positions::Role(role));
        }
        Ok(all)
    }
}
