//! The rows of a data set, as every command reads them: what is not read of a file is said once.

use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use vene::Outline;
use vene::data::{DataFile, LeftOut, PreparedRow, ReadOptions, read_with, unspaced};
use vene::statistics::Together;

use crate::terminal;

/// How many rows of a kind are named one by one.
const NAMED: usize = 5;

/// Which rows stay on one side where rows are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TogetherName {
    /// Those of the same prompts; where no source is read, of the same base
    Prompts,
    /// Those of the same base
    Bases,
    /// Those of the same prompts, and all rows of a group
    Groups,
}

impl From<TogetherName> for Together {
    fn from(name: TogetherName) -> Self {
        match name {
            TogetherName::Prompts => Self::Prompts,
            TogetherName::Bases => Self::Bases,
            TogetherName::Groups => Self::Groups,
        }
    }
}

/// Reads a file of rows.
pub fn read(path: &Path, counterfactual: Option<&str>) -> anyhow::Result<DataFile> {
    let counterfactual = counterfactual.map(str::to_owned);
    let options = ReadOptions { counterfactual, leave_out: true, ..ReadOptions::default() };
    let file = read_with(path, &options).context("--data")?;
    for column in &file.unused {
        terminal::warn(format!("{}: {column}", path.display()));
    }
    if !file.left_out.is_empty() {
        let named = file.left_out.iter().take(NAMED).map(ToString::to_string);
        let more = if file.left_out.len() > NAMED { ", ..." } else { "" };
        terminal::warn(format!(
            "{}: {} rows lack the counterfactual and are left out: {}{more}",
            path.display(),
            file.left_out.len(),
            named.collect::<Vec<_>>().join(", "),
        ));
    }
    Ok(file)
}

/// Warns of answers that a model would write otherwise.
pub fn warn_of_answers<'r>(outline: &Outline, rows: impl IntoIterator<Item = &'r PreparedRow>) {
    if let Some(answer) = unspaced(outline, rows) {
        terminal::warn(answer);
    }
}

/// Warns of rows that are not used, the first of each kind with its reason.
pub fn warn_of_left_out(left_out: &[LeftOut], rows: usize) {
    let mut kinds: Vec<(String, usize, &LeftOut)> = Vec::new();
    for row in left_out {
        let kind = row.reason.kind();
        match kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, count, _)) => *count += 1,
            None => kinds.push((kind, 1, row)),
        }
    }
    for (kind, count, first) in kinds {
        let (name, reason) = (first.name(), &first.reason);
        terminal::warn(format!("{count} of {rows} rows left out: {kind} ({name}: {reason})"));
    }
}

/// Rows that are not used, for a record.
pub fn record_of(left_out: &[LeftOut]) -> serde_json::Value {
    let row = |row: &LeftOut| {
        serde_json::json!({
            "row": row.index,
            "line": row.place.and_then(|place| place.line),
            "reason": row.reason.to_string(),
        })
    };
    left_out.iter().map(row).collect()
}
