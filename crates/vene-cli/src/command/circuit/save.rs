//! `vene circuit save`: a circuit of the first edges, as a file.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use vene::circuit::{Graph, GroupedKeys, RankBy, SavedCircuit};
use vene_model::EMBEDDED;

use crate::arguments::{Given, by_name, read};
use crate::experiment::{Scored, scored_edges};
use crate::model::{self, IgnoredKeys};
use crate::terminal;

/// Save the circuit of the first edges, as EAP-IG's and MIB's JSON or as GraphML; no weight is read
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene task capital -n 10 --out capital.jsonl
  vene circuit edges --data capital.jsonl --limit 2 --model embedded --method eap --out scored
  vene circuit save --edges scored --share 0.1 --model embedded --out circuit.json
  vene circuit save --edges scored --count 40 --model embedded --out circuit.graphml")]
pub struct Arguments {
    /// The model, as for `vene top` [default: embedded]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    /// Whose keys and values are told apart, where several query heads share them [default: grouped]
    #[arg(long, value_name = "NAME", value_parser = by_name::<GroupedKeys>())]
    graph: Option<GroupedKeys>,

    /// Scored edges: a folder of `vene circuit edges`, its edges.parquet, or the JSON of EAP-IG
    #[arg(long, value_name = "PATH", required = true)]
    edges: Option<PathBuf>,

    /// The metric whose effects rank the edges, where several were measured
    #[arg(long, value_name = "NAME")]
    by_metric: Option<String>,

    /// Which edges come first: those with the largest effects, or (signed) what lowers the metric most [default: absolute]
    #[arg(long, value_name = "NAME", value_parser = by_name::<RankBy>())]
    rank: Option<RankBy>,

    /// The circuit's size, as a share of the edges
    #[arg(long, value_name = "SHARE", conflicts_with = "count", required_unless_present = "count")]
    share: Option<f64>,

    /// The circuit's size, as a number of edges
    #[arg(long, value_name = "EDGES")]
    count: Option<u32>,

    /// Keep edges that are on no way from the input to the logits
    #[arg(long)]
    loose_ends: bool,

    /// The file: .json, or .graphml with the circuit's edges alone
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,

    /// Replace the file, if there is one
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let (name, ignored) = (read!(given, self => model), self.ignored.read(given));
        let keys = read!(given, self => graph).unwrap_or_default();
        let path = read!(given, self => edges).clone().unwrap_or_default();
        let by = read!(given, self => rank).unwrap_or_default();
        let metric = read!(given, self => by_metric).clone();
        let (share, count) = (*read!(given, self => share), *read!(given, self => count));
        let (loose, force) = (*read!(given, self => loose_ends), *read!(given, self => force));
        let out = read!(given, self => out).clone().unwrap_or_default();
        given.check("a circuit that is saved", &[])?;
        let is_known = |ending: &str| out.extension().is_some_and(|own| own == ending);
        ensure!(
            is_known("json") || is_known("graphml"),
            "--out {}: the ending says what is written: .json, or .graphml",
            out.display()
        );
        ensure!(
            force || !out.exists(),
            "{} is there already: give another file (--out), or overwrite it (--force)",
            out.display()
        );
        let outline = model::open(name.as_deref().unwrap_or(EMBEDDED), ignored)?;
        let graph = Graph::of(outline.config(), keys)?;
        let ranking = match scored_edges(&path, metric.as_deref(), by, &graph)? {
            Scored::Ranking(ranking) => ranking,
            Scored::Circuit(_) => anyhow::bail!(
                "--edges {} is a circuit already: give edges with scores, of which the first are to be taken",
                path.display()
            ),
        };
        let all = graph.edge_count();
        let wanted = match (share, count) {
            (Some(share), _) => {
                ensure!((0.0..=1.0).contains(&share), "--share {share}: a share is from 0 to 1");
                (share * all as f64) as usize
            }
            (None, count) => (count.unwrap_or(0) as usize).min(all),
        };
        let first = ranking.first(wanted);
        let circuit = if loose { first } else { first.pruned() };
        let saved = SavedCircuit { circuit, scores: ranking.edges().iter().copied().collect() };
        saved.write(&out)?;
        terminal::print(&format!(
            "{} of {all} edges ({wanted} asked for{}) are in {}\n",
            saved.circuit.len(),
            if loose { "" } else { ", without loose ends" },
            out.display()
        ))
    }
}
