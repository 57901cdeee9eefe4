//! `vene circuit pairs`: how heads act together.

use clap::Args;
use vene::plan_file::{ExperimentKind, List};

use super::over_rows::OverRows;
use crate::arguments::{Given, heading};
use crate::experiment::put;
use crate::record::Kind;

/// All pairs of heads: what patching both does beyond what each does; Shapley values
#[derive(Args)]
#[command(
    long_about = "\
Patches every head by itself and every pair of heads at once: each gives what it gives in the row's source, and everything after it is \
recomputed. The interaction of two is Δab − Δa − Δb: of the sign against the effects' where one head stands in for the other. With --shapley N heads \
are also patched one after the other in N random orders; a head's mean gain is its share of what all do together, and a row's shares sum to that. \
Written are pairs.parquet|csv, heads.parquet|csv (means with intervals) and examples.parquet.",
    after_help = "\
Examples:
  vene task capital -n 20 --out capital.jsonl
  vene circuit pairs --data capital.jsonl --model embedded --out pairs
  vene circuit pairs --data capital.jsonl --model embedded --heads a5.h0,a6.h3,a7.h2 --shapley 20 --out shares",
    mut_arg("graph", |arg| arg.hide_short_help(true)),
)]
pub struct Arguments {
    #[command(flatten)]
    over: OverRows,

    /// The heads: a5.h1,a6.h3, or heads [default: heads]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST")]
    heads: Option<String>,

    /// In how many random orders heads are patched one after the other [default: 0]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "COUNT")]
    shapley: Option<u32>,

    /// Where they are patched: roles such as subject_last,last, each by itself, or all positions at once [default: last]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.over.run((ExperimentKind::Pairs, Kind::Pairs), given, |experiment| {
            put!(experiment, self => heads => circuit.senders, List);
            put!(experiment, self => shapley => circuit.shapley, |count| count as usize);
            put!(experiment, self => positions => circuit.positions, List);
        })
    }
}
