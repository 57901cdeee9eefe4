//! The rows of a data set, as every command reads them: what is not read of a file is said once.

use std::path::Path;

use anyhow::{Context, bail};
use vene::data::{
    DataFile, LeftOut, PreparedRow, ReadOptions, Role, Row, UnusedColumn, read_with, unspaced,
};
use vene::{Outline, Plan};

use crate::data_set::DataSet;
use crate::terminal;

/// How many rows of a kind are named one by one.
const NAMED: usize = 5;

/// Reads a file of rows.
pub fn read(path: &Path, counterfactual: Option<&str>) -> anyhow::Result<DataFile> {
    let counterfactual = counterfactual.map(str::to_owned);
    let options = ReadOptions { counterfactual, leave_out: true, ..ReadOptions::default() };
    let file = read_with(path, &options)?;
    warn_of_unused(path, &file.unused);
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

/// Warns of columns that are not read: of many, the first.
fn warn_of_unused(path: &Path, unused: &[UnusedColumn]) {
    for column in unused.iter().take(NAMED) {
        terminal::warn(format!("{}: {column}", path.display()));
    }
    if unused.len() > NAMED {
        terminal::warn(format!(
            "{}: {} more columns hold no phrase of a prompt and are not read, `{}` to `{}`",
            path.display(),
            unused.len() - NAMED,
            unused[NAMED].name,
            unused[unused.len() - 1].name,
        ));
    }
}

/// Refuses a plan with a role that no row has.
///
/// # Errors
/// The role, and what there is.
pub fn check_roles(plan: &Plan, data: &DataSet) -> anyhow::Result<()> {
    for role in plan.roles() {
        let known = check_role(&role, &data.rows, &data.unused);
        known.with_context(|| format!("the plan's role `{role}`"))?;
    }
    Ok(())
}

/// Refuses a position by a span that no row has, with what the file has of that name.
///
/// # Errors
/// The span, and what there is.
pub fn check_role(role: &Role, rows: &[Row], unused: &[UnusedColumn]) -> anyhow::Result<()> {
    let Some(span) = role.span() else { return Ok(()) };
    if rows.iter().any(|row| row.spans.contains_key(span)) {
        return Ok(());
    }
    match unused.iter().find(|column| column.name == span) {
        Some(UnusedColumn { holds, .. }) => {
            bail!("the column `{span}` holds {holds}, which is no phrase of a prompt")
        }
        None => bail!("no row has a span `{span}`; expected last, a number, or {}", spans(rows)),
    }
}

/// The positions that the rows' spans name, for messages.
pub fn spans(rows: &[Row]) -> String {
    let mut names: Vec<&String> = rows.iter().flat_map(|row| row.spans.keys()).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => "the rows' spans, of which there are none".to_owned(),
        names => names
            .iter()
            .take(8)
            .map(|name| format!("{name}_first, {name}_last, after_{name}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// By how much of all rows a share may be off before that is said.
const SHARE_OFF: f64 = 0.1;

/// Warns where rows that stay together make another share than was asked for.
pub fn warn_of_share(what: &str, asked: f64, taken: usize, rows: usize) {
    let share = taken as f64 / rows as f64;
    if (share - asked).abs() > SHARE_OFF {
        terminal::warn(format!(
            "{what} {asked}: it came to {taken} of {rows} rows ({share:.2}), the nearest that rows which stay together \
             (of the same prompts or group, as --together says) allow"
        ));
    }
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
