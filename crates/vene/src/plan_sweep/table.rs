//! The tables of a plan over a data set.

use vene_data::PreparedRow;
use vene_engine::plan::{Change, Outcome, Receipt};
use vene_table::{Column, Joined, Table, TableBuilder, TableError, TableSource};

use super::batch::{Measured, TokensRead, has_changed};
use super::{PlanSweep, PlanSweepError};
use crate::plan_file::GridValue;
use crate::sweep::{self, PARAMETERS, PLACES, with_noise};

/// The columns of both tables that no variable of a grid may be called.
const COLUMNS: [&str; 42] = [
    "layer",
    "position",
    "role",
    "position_token",
    "source_position",
    "source_token",
    "example",
    "group",
    "metric",
    "base_value",
    "source_value",
    "value",
    "effect",
    "change",
    "note",
    "direction",
    "control",
    "intervention",
    "window",
    "effect_type",
    "draws",
    "edit",
    "run",
    "component",
    "positions",
    "heads",
    "outcome",
    "written",
    "changed",
    "root_mean_square",
    "largest",
    "before",
    "mean",
    "low",
    "high",
    "n",
    "clusters",
    "split",
    "base",
    "unchanged",
    "normalised",
    "p_value",
];

/// Whether a table has a column of this name.
pub(super) fn is_column(name: &str) -> bool {
    COLUMNS.contains(&name)
}

/// One row of the examples' table on its way there.
struct Line<'a> {
    row: &'a PreparedRow,
    run: usize,
    metric: String,
    base: f64,
    other: Option<f64>,
    value: f64,
    /// What the edits did in this row.
    change: f64,
    note: Option<&'static str>,
}

/// The examples' table of a batch.
pub(super) fn examples(
    sweep: &PlanSweep,
    rows: &[PreparedRow],
    measured: &Measured,
) -> Result<Table, TableError> {
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for run in sweep.own_runs() {
            let receipts = measured.receipts[run].iter();
            let receipts: Vec<&Receipt> = receipts.filter(|made| made.example == place).collect();
            let (change, note) = (change_of(&receipts), note_of(&receipts));
            let line = |metric: String, base: f64, other: Option<f64>, value: f64| Line {
                row,
                run,
                metric,
                base,
                other,
                value,
                change,
                note,
            };
            for (index, metric) in sweep.metrics().iter().enumerate() {
                let other = measured.other[place].as_ref().map(|other| other[index]);
                let value = measured.edited[run][place][index];
                let base = measured.base[place][index];
                lines.push(line(metric.name().to_owned(), base, other, value));
            }
            let read = &measured.read[run][place];
            for (index, token) in sweep.reads.iter().enumerate() {
                for (name, [base, value]) in named(read, index, &token.name) {
                    if let (Some(base), Some(value)) = (base, value) {
                        lines.push(line(name, base, None, value));
                    }
                }
            }
        }
    }
    let float = |of: &dyn Fn(&Line<'_>) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    let text = |value: &str| vec![value.to_owned(); lines.len()];
    let mut table = Table::builder()
        .column("example", lines.iter().map(|line| line.row.index as i64).collect::<Vec<_>>())
        .column("group", lines.iter().map(|line| line.row.row.group.clone()).collect::<Vec<_>>());
    table = with_variables(table, sweep, lines.iter().map(|line| line.run));
    table = table
        .column("metric", lines.iter().map(|line| line.metric.clone()).collect::<Vec<_>>())
        .column("base_value", float(&|line| line.base))
        .column("source_value", lines.iter().map(|line| line.other).collect::<Vec<Option<f64>>>())
        .column("value", float(&|line| line.value))
        .column("effect", float(&|line| line.value - line.base))
        .column("change", float(&|line| line.change))
        .column("note", lines.iter().map(|line| line.note).collect::<Vec<Option<&str>>>())
        .column("direction", text("noising"))
        .column("control", text("none"))
        .column("intervention", text(&sweep.intervention()))
        .column("window", vec![1_i64; lines.len()])
        .column("effect_type", text("total"))
        .column("draws", vec![1_i64; lines.len()])
        .metadata(PLACES, sweep.grid.variables.join(","))
        .metadata(
            PARAMETERS,
            if sweep.first_tokens { "answers by their first token" } else { "whole answers" },
        );
    with_noise(table, sweep.metrics(), &measured.noise).build()
}

/// What was read of a token, by the number's name: at one position by the token's, else with the position.
fn named<'r>(
    read: &'r TokensRead,
    index: usize,
    name: &'r str,
) -> impl Iterator<Item = (String, [Option<f64>; 2])> + 'r {
    read.iter().map(move |(position, numbers)| {
        let name = if read.len() == 1 {
            name.to_owned()
        } else {
            format!("{name} at position {position}")
        };
        (name, numbers[index])
    })
}

/// The root mean square of the change, averaged over the edits that changed something.
fn change_of(receipts: &[&Receipt]) -> f64 {
    let changes: Vec<f64> = receipts
        .iter()
        .filter_map(|receipt| match &receipt.outcome {
            Outcome::Changed(change) => Some(change.root_mean_square),
            _ => None,
        })
        .collect();
    changes.iter().sum::<f64>() / changes.len().max(1) as f64
}

/// Why nothing changed, where nothing did.
fn note_of(receipts: &[&Receipt]) -> Option<&'static str> {
    if receipts.iter().any(|receipt| has_changed(receipt)) {
        return None;
    }
    let shared = receipts.iter().any(|receipt| receipt.outcome == Outcome::SharedPrefix);
    Some(if shared { "unchanged: shared prefix" } else { "unchanged: same values" })
}

/// A column for each variable of the grid.
fn with_variables(
    mut table: TableBuilder,
    sweep: &PlanSweep,
    runs: impl Iterator<Item = usize> + Clone,
) -> TableBuilder {
    for (place, name) in sweep.grid.variables.iter().enumerate() {
        let values = || runs.clone().map(|run| &sweep.grid.runs[run].values[place]);
        let all = || sweep.grid.runs.iter().map(|run| &run.values[place]);
        let column: Column = if all().all(|value| matches!(value, GridValue::Integer(_))) {
            let whole = |value: &GridValue| match value {
                GridValue::Integer(number) => *number,
                _ => 0,
            };
            values().map(whole).collect::<Vec<i64>>().into()
        } else if all().all(|value| !matches!(value, GridValue::Text(_))) {
            let number = |value: &GridValue| match value {
                GridValue::Integer(number) => *number as f64,
                GridValue::Number(number) => *number,
                GridValue::Text(_) => f64::NAN,
            };
            values().map(number).collect::<Vec<f64>>().into()
        } else {
            values().map(ToString::to_string).collect::<Vec<String>>().into()
        };
        table = table.column(name.clone(), column);
    }
    table
}

/// The receipts' table of a batch.
pub(super) fn receipts(
    sweep: &PlanSweep,
    rows: &[PreparedRow],
    measured: &Measured,
) -> Result<Table, TableError> {
    let mut lines: Vec<(usize, usize, &Receipt)> = Vec::new();
    for place in 0..rows.len() {
        for (run, receipts) in measured.receipts.iter().enumerate() {
            let here = receipts.iter().filter(|receipt| receipt.example == place);
            lines.extend(here.map(|receipt| (place, run, receipt)));
        }
    }
    let list =
        |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let change = |of: &dyn Fn(&Change) -> f64| -> Vec<Option<f64>> {
        let of_line = |(_, _, receipt): &(usize, usize, &Receipt)| match &receipt.outcome {
            Outcome::Changed(change) => Some(of(change)),
            _ => None,
        };
        lines.iter().map(of_line).collect()
    };
    let count = |of: &dyn Fn(&Change) -> usize| -> Vec<Option<i64>> {
        change(&|change| of(change) as f64).iter().map(|count| count.map(|n| n as i64)).collect()
    };
    let text = |of: &dyn Fn(&Receipt) -> String| -> Vec<String> {
        lines.iter().map(|(_, _, receipt)| of(receipt)).collect()
    };
    let examples = lines.iter().map(|(place, _, _)| rows[*place].index as i64);
    let mut table = Table::builder().column("example", examples.collect::<Vec<_>>());
    table = with_variables(table, sweep, lines.iter().map(|(_, run, _)| *run));
    let edits = lines.iter().map(|(_, _, receipt)| receipt.edit as i64);
    let layers = lines.iter().map(|(_, _, receipt)| receipt.site.layer());
    let heads = lines.iter().map(|(_, _, receipt)| receipt.heads.as_deref().map(list));
    table
        .column("edit", edits.collect::<Vec<_>>())
        .column(
            "run",
            text(&|receipt| match receipt.run {
                vene_engine::plan::Run::Base => "base".to_owned(),
                vene_engine::plan::Run::Source(source) => format!("source {source}"),
            }),
        )
        .column("intervention", text(&|receipt| receipt.intervention.to_owned()))
        .column("component", text(&|receipt| receipt.site.component().name().to_owned()))
        .column("layer", layers.collect::<Vec<Option<usize>>>())
        .column("positions", text(&|receipt| list(&receipt.positions)))
        .column("heads", heads.collect::<Vec<Option<String>>>())
        .column(
            "outcome",
            text(&|receipt| {
                match receipt.outcome {
                    Outcome::Changed(_) => "changed",
                    Outcome::SharedPrefix => "shared_prefix",
                    Outcome::SameValues => "same_values",
                    Outcome::NotEdited => "not_edited",
                }
                .to_owned()
            }),
        )
        .column("written", count(&|change| change.written))
        .column("changed", count(&|change| change.changed))
        .column("root_mean_square", change(&|change| change.root_mean_square))
        .column("largest", change(&|change| change.largest))
        .column("before", change(&|change| change.before))
        .build()
}

/// Examples' tables of batches as one; what was measured of their noise is added up.
///
/// # Errors
/// As [`sweep::join`].
pub fn join<T: TableSource>(parts: &[T]) -> Result<Joined<'_, T>, PlanSweepError> {
    Ok(sweep::join(parts)?)
}
