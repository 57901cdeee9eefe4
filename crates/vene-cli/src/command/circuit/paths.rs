//! `vene circuit paths`: path patching, from senders to receivers.

use clap::Args;
use vene::circuit::{NormOf, Through};
use vene::plan_file::{ExperimentKind, List};

use super::over_rows::OverRows;
use crate::arguments::{Given, by_name, heading};
use crate::experiment::put;
use crate::record::Kind;

/// Path patching: what reaches receivers from each sender, over a data set
#[derive(Args)]
#[command(
    long_about = "\
Two runs a sender (Wang et al. 2022; Goldowsky-Dill et al. 2023). In the first the sender adds what it adds in the row's \
source, all other heads what they add in the base, and MLPs on the way are frozen as well (--through direct) or computed anew \
(--through mlps). In the second the receivers read what has reached them there, and everything after them is computed anew. \
Written are paths.parquet and paths.csv (the mean effect of each sender, with intervals) and examples.parquet (each row's).",
    after_help = "\
Examples:
  vene task ioi -n 20 --out ioi.jsonl
  vene circuit paths --data ioi.jsonl --model embedded --receivers logits --positions last --out to-logits
  vene circuit paths --data ioi.jsonl --model embedded --receivers 'a3.h0<q>' --through mlps --out to-queries
  vene circuit paths --data ioi.jsonl --model embedded --senders a0.h0,a1.h1 --together --receivers m3 --out together"
)]
pub struct Arguments {
    #[command(flatten)]
    over: OverRows,

    /// Whose paths are patched, each sender by itself: input,a5.h1,m5, heads, mlps, all [default: heads]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST")]
    senders: Option<String>,

    /// All senders at once, rather than each by itself
    #[arg(help_heading = heading::CIRCUIT, long)]
    together: bool,

    /// What reads the paths, all at once: a5.h1<q>,a5.kv0<k>,m5,logits, heads, mlps
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST", required_unless_present = "resume")]
    receivers: Option<String>,

    /// Which nodes on the way are computed anew: direct (none), or mlps [default: direct]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<Through>())]
    through: Option<Through>,

    /// Where paths begin and end: all positions at once, or roles such as last, each by itself [default: all]
    ///
    /// All at once needs base and source of one length.
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// How a receiver's norm treats what is added [default: recomputed]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<NormOf>())]
    norm: Option<NormOf>,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.over.run((ExperimentKind::Paths, Kind::Paths), given, |experiment| {
            put!(experiment, self => senders => circuit.senders, List);
            put!(experiment, self => together => circuit.together);
            put!(experiment, self => receivers => circuit.receivers, List);
            put!(experiment, self => through => circuit.through);
            put!(experiment, self => positions => circuit.positions, List);
            put!(experiment, self => norm => circuit.norm);
        })
    }
}
