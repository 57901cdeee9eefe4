//! Which direction of the residual stream carries a contrast, and what happens along it?
//!
//! ```text
//! cargo run --release -p vene --example directions -- compare MODEL FOLDER [ROWS]
//! cargo run --release -p vene --example directions -- steer MODEL FOLDER [ROWS]
//! ```
//!
//! `compare` finds one direction in many ways: by distributed alignment search, by a probe, as a
//! difference of means, as a principal component, at random; and interchanges along each on sentences
//! that had no part in finding it, as Arora et al. (2024, "CausalGym") do. `steer` adds the difference
//! of means in doses. Both write examples.parquet, summary.csv and figures into FOLDER;
//! docs/examples/directions.md and steering.md tell what came of them.

mod compare;
mod contrast;
mod figures;
mod find;
mod measure;
mod steer;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use vene::Model;
use vene::task::Task;

use contrast::Contrast;

/// He or she for a name, read where the name is and where the pronoun is said.
const PRONOUN: Contrast =
    Contrast { name: "pronoun", task: Task::GenderedPronoun, role: "name", positive: &[" she"] };
/// The number of a verb, another noun standing between it and its subject.
const AGREEMENT: Contrast = Contrast {
    name: "number",
    task: Task::Agreement,
    role: "subject",
    positive: &[" are", " were", " have"],
};

/// What is compared: a contrast, and the layers in which its token holds what decides, by a sweep of
/// the whole residual stream.
const COMPARED: [(Contrast, &[usize]); 4] = [
    (PRONOUN, &[0, 4, 8, 12, 16, 20, 24]),
    (AGREEMENT, &[0, 4, 8, 12, 16, 20, 24]),
    (Contrast { role: "last", ..PRONOUN }, &[27, 28, 29]),
    (Contrast { role: "last", ..AGREEMENT }, &[27, 28, 29]),
];

/// Where vectors are added.
const STEERED: [(Contrast, usize); 4] = [
    (PRONOUN, 8),
    (AGREEMENT, 8),
    (Contrast { role: "last", ..PRONOUN }, 28),
    (Contrast { role: "last", ..AGREEMENT }, 28),
];

/// Rows of each contrast.
const ROWS: usize = 120;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, model, folder, rows) = match arguments[..] {
        [command, model, folder] => (command, model, folder, ROWS),
        [command, model, folder, rows] => (command, model, folder, rows.parse().context("ROWS")?),
        _ => bail!("expected: compare MODEL FOLDER [ROWS], or steer MODEL FOLDER [ROWS]"),
    };
    match command {
        "compare" => compare_all(model, Path::new(folder), rows),
        "steer" => steer_all(model, Path::new(folder), rows),
        _ => bail!("there is no `{command}`: expected compare or steer"),
    }
}

fn compare_all(model: &str, folder: &Path, rows: usize) -> Result<()> {
    let model = Model::load(model)?;
    let start = Instant::now();
    let mut lines = Vec::new();
    for (contrast, layers) in COMPARED {
        let made = contrast.task.rows(&model, rows, 1)?;
        let pairs = contrast.pairs(&model, &made.rows)?;
        let told = &mut |progress: &str| {
            let seconds = start.elapsed().as_secs();
            println!("{}, {}: {progress} ({seconds} s)", contrast.name, contrast.role);
        };
        lines.extend(compare::compare(&model, &contrast, &pairs, layers, &find::trainer(), told)?);
    }
    let summary = compare::summary_table(&lines)?;
    fs::create_dir_all(folder)?;
    compare::examples_table(&lines)?.write_parquet(folder.join("examples.parquet"))?;
    summary.write_csv(folder.join("summary.csv"))?;
    figures::compared(&summary, &model, rows)?.write_png(folder.join("share.png"))?;
    Ok(())
}

fn steer_all(model: &str, folder: &Path, rows: usize) -> Result<()> {
    let model = Model::load(model)?;
    let mut lines = Vec::new();
    for (contrast, layer) in STEERED {
        let made = contrast.task.rows(&model, rows, 1)?;
        let pairs = contrast.pairs(&model, &made.rows)?;
        lines.extend(steer::steer(&model, &contrast, &pairs, layer)?);
    }
    let summary = steer::summary_table(&lines)?;
    fs::create_dir_all(folder)?;
    steer::examples_table(&lines)?.write_parquet(folder.join("examples.parquet"))?;
    summary.write_csv(folder.join("summary.csv"))?;
    for (name, figure) in figures::steered(&summary, &model, rows)? {
        figure.write_png(folder.join(format!("{name}.png")))?;
    }
    Ok(())
}
