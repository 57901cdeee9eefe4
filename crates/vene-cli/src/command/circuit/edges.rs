//! `vene circuit edges`: the effect of every edge on metrics of a data set's rows.

use clap::Args;
use vene::circuit::{EdgeMethod, NormOf};
use vene::plan_file::{ExperimentKind, List};

use super::over_rows::OverRows;
use crate::arguments::{Given, by_name, heading};
use crate::experiment::put;
use crate::record::Kind;

/// The effect of every edge, exactly or by gradients, over a data set
#[derive(Args)]
#[command(
    long_about = "\
Patches every edge of the model's graph by itself, in every row: the receiver alone reads norm(residual + what the sender \
adds in the row's source − what it adds in the base), and everything after it is recomputed. Written are edges.parquet \
and edges.csv (the mean effect of each edge, with intervals) and examples.parquet (each row's). --method eap and eap-ig \
estimate the same effects to first order, in seconds: a forward and a backward pass a row.",
    after_help = "\
Examples:
  vene task ioi -n 20 --out ioi.jsonl
  vene circuit edges --data ioi.jsonl --model embedded --out edges
  vene circuit edges --data ioi.jsonl --model embedded --receivers logits --positions last --out direct
  vene circuit edges --data ioi.jsonl --model embedded --method eap-ig --out estimated
  vene circuit edges --resume edges"
)]
pub struct Arguments {
    #[command(flatten)]
    over: OverRows,

    /// How edges are scored [default: exact]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<EdgeMethod>())]
    method: Option<EdgeMethod>,

    /// eap-ig: over how many steps gradients are averaged [default: 5]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// eap, eap-ig: the share of the edges that are patched exactly as well, drawn at random [default: 0.01]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "SHARE")]
    check: Option<f64>,

    /// eap, eap-ig: how many of each row's largest estimates are patched exactly as well [default: 20]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "COUNT")]
    check_largest: Option<u32>,

    /// Where edges are patched: all positions at once, or at roles such as subject_last,last, each by itself [default: all]
    ///
    /// All at once needs base and source of one length.
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// exact: how a receiver's norm treats what is added [default: recomputed]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<NormOf>())]
    norm: Option<NormOf>,

    /// exact: only edges from these: input,a5.h1,m5, heads, mlps [default: all]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST")]
    senders: Option<String>,

    /// exact: only edges to these: a5.h1<q>,a5.kv0<k>,m5,logits, heads, mlps [default: all]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST")]
    receivers: Option<String>,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.over.run((ExperimentKind::Edges, Kind::Edges), given, |experiment| {
            put!(experiment, self => method => circuit.method);
            put!(experiment, self => steps => circuit.steps, |count| count as usize);
            put!(experiment, self => check => circuit.check);
            put!(experiment, self => check_largest => circuit.check_largest, |count| count as usize);
            put!(experiment, self => positions => circuit.positions, List);
            put!(experiment, self => norm => circuit.norm);
            put!(experiment, self => senders => circuit.senders, List);
            put!(experiment, self => receivers => circuit.receivers, List);
        })
    }
}
