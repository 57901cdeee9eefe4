//! `vene circuit scrub`: causal scrubbing.

use std::path::Path;

use clap::Args;
use vene::circuit::Hypothesis;
use vene::plan_file::{ExperimentKind, read_hypothesis};

use super::over_rows::OverRows;
use crate::arguments::{Given, heading};
use crate::experiment::put;
use crate::record::Kind;
use crate::terminal;

/// Causal scrubbing: how much of what the model does a hypothesis of it accounts for
#[derive(Args)]
#[command(
    long_about = "\
Tests hypotheses of how the model computes its answers (Chan et al. 2022). A hypothesis names nodes: senders (heads, MLPs, the input) that are \
said to depend on the input only through what they agree on, and what they read. Each node is given another row that agrees on that, drawn \
anew wherever it is read; all that no node claims is given any row. What is left of the metric is the share that is recovered: (scrubbed − \
baseline) / (unscrubbed − baseline), with intervals. Rows need no source. By default the metric is log_probability, minus the loss.",
    after_help = "\
Examples:
  vene circuit scrub --hypothesis induction.toml --data rows.jsonl --model embedded --out scrubbed
  vene circuit scrub --hypothesis naive.toml --hypothesis refined.toml --data rows.jsonl --model embedded
  vene circuit scrub --resume scrubbed

docs/scrubbing.md says what is in the files.",
    mut_arg("metric", |arg| arg.help("What is measured [default: log_probability]")),
    mut_arg("graph", |arg| arg.hide_short_help(true)),
    mut_arg("ablation", |arg| arg.hide_short_help(true)),
)]
pub struct Arguments {
    #[command(flatten)]
    over: OverRows,

    /// A hypothesis (.toml, .json); may be given several times
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "FILE", required_unless_present = "resume", value_parser = hypothesis)]
    hypothesis: Vec<Hypothesis>,

    /// How often each row's tree is drawn [default: 10]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    draws: Option<u32>,
}

fn hypothesis(path: &str) -> Result<Hypothesis, String> {
    read_hypothesis(Path::new(path)).map_err(|error| terminal::chain(&error.into()))
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.over.run((ExperimentKind::Scrub, Kind::Scrubbing), given, |experiment| {
            put!(experiment, self => hypothesis => circuit.hypotheses);
            put!(experiment, self => draws => circuit.draws, |count| count as usize);
        })
    }
}
