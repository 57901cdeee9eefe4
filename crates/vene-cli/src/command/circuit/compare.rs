//! `vene circuit compare`: two scorings of the same edges side by side.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;
use vene::circuit::Comparison;
use vene_table::TableFile;

use crate::arguments::{Given, read};
use crate::circuit::effect;
use crate::terminal;

/// How many edges are listed on which the two differ most.
const LISTED: usize = 8;

/// Two scorings of the same edges side by side: exact ones and those by gradients, say
#[derive(Args)]
#[command(
    long_about = "\
Compares the mean effects of two runs of `vene circuit edges` or `vene circuit paths`: how alike edges are ranked (Spearman's \
correlation of absolute effects), which share of the largest of one is among as many of the other, and where the two differ most.",
    after_help = "\
Examples:
  vene task capital -n 10 --out capital.jsonl
  vene circuit edges --data capital.jsonl --limit 2 --model embedded --out exact
  vene circuit edges --data capital.jsonl --limit 2 --model embedded --method eap --out estimated
  vene circuit compare exact estimated"
)]
pub struct Arguments {
    /// A run's folder, or its edges.parquet or paths.parquet
    #[arg(value_name = "FIRST")]
    first: PathBuf,

    /// The other
    #[arg(value_name = "SECOND")]
    second: PathBuf,

    /// The metric that is compared, where several were measured
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,

    /// The file for all edges of both, side by side: .parquet or .csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace the file, if there is one
    #[arg(long)]
    force: bool,

    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let (first, second) = (read!(given, self => first), read!(given, self => second));
        let metric = read!(given, self => metric).clone();
        let (out, force) = (read!(given, self => out).clone(), *read!(given, self => force));
        let is_json = *read!(given, self => json);
        given.check("two scorings that are compared", &[])?;
        if let Some(out) = &out {
            let is_known = |ending: &str| out.extension().is_some_and(|own| own == ending);
            ensure!(
                is_known("parquet") || is_known("csv"),
                "--out {}: the ending says what is written: .parquet, or .csv",
                out.display()
            );
            ensure!(
                force || !out.exists(),
                "{} is there already: give another file (--out), or overwrite it (--force)",
                out.display()
            );
        }
        let (one, other) = (table(first)?, table(second)?);
        let found = Comparison::of(&one, &other, metric.as_deref())?;
        if let Some(out) = &out {
            match out.extension().is_some_and(|ending| ending == "csv") {
                true => found.edges.write_csv(out)?,
                false => found.edges.write_parquet(out)?,
            }
        }
        if is_json {
            let overlaps = found.overlaps.iter();
            return terminal::print_json(&json!({
                "edges": found.edges.rows(),
                "unmatched": found.unmatched,
                "rank_correlation": found.rank_correlation,
                "correlation": found.correlation,
                "sign_agreement": found.sign_agreement,
                "overlaps": overlaps.map(|(count, share)| json!({ "largest": count, "share": share })).collect::<Vec<_>>(),
            }));
        }
        terminal::print(&text(&found)?)
    }
}

fn table(path: &Path) -> anyhow::Result<TableFile> {
    let inside = ["edges.parquet", "paths.parquet"].map(|name| path.join(name));
    let path = inside.iter().find(|path| path.exists()).map_or(path, PathBuf::as_path);
    ensure!(!path.is_dir(), "{} is no folder of `vene circuit edges` or paths", path.display());
    TableFile::open(path).with_context(|| path.display().to_string())
}

fn text(found: &Comparison) -> anyhow::Result<String> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let mut text = format!("{} edges in both", found.edges.rows());
    if found.unmatched > 0 {
        let _ = write!(text, " ({} in one alone)", found.unmatched);
    }
    let _ = writeln!(
        text,
        "\n  rank correlation of absolute effects  {}",
        number(found.rank_correlation)
    );
    let _ = writeln!(text, "  correlation of effects                {}", number(found.correlation));
    let _ =
        writeln!(text, "  same sign, of the 100 largest         {}", number(found.sign_agreement));
    for (count, share) in &found.overlaps {
        let _ = writeln!(text, "  among the {count:>4} largest of both         {share:.3}");
    }
    let (first, second) = (found.edges.floats("first")?, found.edges.floats("second")?);
    let (sender, receiver) = (found.edges.text("sender")?, found.edges.text("receiver")?);
    let mut order: Vec<usize> = (0..first.len()).collect();
    let apart = |row: usize| (first[row] - second[row]).abs();
    order.sort_by(|&a, &b| apart(b).total_cmp(&apart(a)));
    let _ = writeln!(text, "\nFurthest apart: the first's mean effect, and the second's");
    for row in order.into_iter().take(LISTED) {
        let edge = format!("{} -> {}", sender[row], receiver[row]);
        let _ = writeln!(
            text,
            "  {edge:<22} {:>9} {:>9}",
            effect(Some(first[row])),
            effect(Some(second[row]))
        );
    }
    Ok(text)
}
