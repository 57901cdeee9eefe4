//! `vene circuit faithfulness`: how much of what a model does circuits do by themselves.

use std::path::PathBuf;

use clap::Args;
use vene::circuit::RankBy;
use vene::plan_file::{ExperimentKind, List};

use super::over_rows::OverRows;
use crate::arguments::{Given, by_name, heading};
use crate::experiment::put;
use crate::record::Kind;

/// Circuits of growing size, with controls: faithfulness, CPR and CMD over a data set
#[derive(Args)]
#[command(
    long_about = "\
Makes circuits of scored edges, the first so many of a ranking, and runs them by themselves: all other edges carry what they carry in \
the row's source. Faithfulness is (m(C) − m(∅)) / (m(M) − m(∅)) of the metric's means, with the whole model M and all edges \
patched in ∅; CPR and CMD are the areas under the curve and between it and 1 (Mueller et al. 2025, MIB). Beside each circuit stand \
random ones in which every receiver reads as many senders, its complement (the circuit alone is patched), and the self-swap (all but \
the circuit carries what it carries anyway: nothing may change).",
    after_help = "\
Examples:
  vene task capital -n 10 --out capital.jsonl
  vene circuit edges --data capital.jsonl --limit 2 --model embedded --method eap-ig --out scored
  vene circuit faithfulness --edges scored --data capital.jsonl --limit 2 --model embedded --out curve
  vene circuit save --edges scored --share 0.1 --model embedded --out circuit.json
  vene circuit faithfulness --edges circuit.json --data capital.jsonl --limit 2 --model embedded --out one"
)]
pub struct Arguments {
    #[command(flatten)]
    over: OverRows,

    /// Scored edges (a folder of `vene circuit edges`, or its edges.parquet), or a circuit (.json of EAP-IG or vene, .graphml)
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "PATH", required_unless_present = "resume")]
    edges: Option<PathBuf>,

    /// The metric whose effects rank the edges, where several were measured
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME")]
    by_metric: Option<String>,

    /// Which edges come first: those with the largest effects, or (signed) what lowers the metric most [default: absolute]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<RankBy>())]
    rank: Option<RankBy>,

    /// Sizes of circuits, as shares of the edges [default: .001,.002,.005,.01,.02,.05,.1,.2,.5,1]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST")]
    shares: Option<String>,

    /// Keep edges that are on no way from the input to the logits
    #[arg(help_heading = heading::CIRCUIT, long)]
    loose_ends: bool,

    /// How many random circuits stand beside each [default: 1]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "COUNT")]
    random: Option<u32>,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let kinds = (ExperimentKind::Faithfulness, Kind::Faithfulness);
        self.over.run(kinds, given, |experiment| {
            put!(experiment, self => edges => circuit.edges, |path: PathBuf| std::path::absolute(&path).unwrap_or(path));
            put!(experiment, self => by_metric => circuit.by_metric);
            put!(experiment, self => rank => circuit.rank);
            put!(experiment, self => shares => circuit.shares, List);
            put!(experiment, self => loose_ends => circuit.prune, |loose: bool| !loose);
            put!(experiment, self => random => circuit.random, |count| count as usize);
        })
    }
}
