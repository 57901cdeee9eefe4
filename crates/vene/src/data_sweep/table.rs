//! The examples' table: a row for each example, direction, map, cell and metric.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use vene_table::{Distinct, Joined, Table, TableBuilder, TableError, TableSource};

use super::batch::{Measured, Seen};
use super::{DataCell, DataSweep, DataSweepError};
use crate::data::PreparedRow;
use crate::metric::Metric;

/// Metadata under which a part keeps what effects on a metric differ in when they are computed in another way: for each
/// place, by its number in the sweep, the square. So parts add up to the same, however a sweep was cut.
const NOISE: &str = "noise_squares.";

/// Metadata under which a part keeps what no column says of the sweep: parts in which it differs are about
/// different things too.
pub(crate) const PARAMETERS: &str = "parameters";

/// Metadata under which a table names the columns that tell its places apart, where they are not [`USUAL_PLACES`].
pub(crate) const PLACES: &str = "places";

/// The columns that tell the places of a sweep apart.
const USUAL_PLACES: [&str; 4] = ["component", "layer", "position", "head"];

/// The columns that tell a table's places apart.
pub fn place_columns(table: &impl TableSource) -> Vec<&str> {
    match table.metadata().get(PLACES) {
        Some(names) => names.split(',').filter(|name| !name.is_empty()).collect(),
        None => USUAL_PLACES.to_vec(),
    }
}

/// Columns that say what was done: tables in which they differ are about different things.
pub const SETTINGS: [&str; 4] = ["intervention", "window", "effect_type", "draws"];

/// One row on its way to the table.
struct Line<'a> {
    row: &'a PreparedRow,
    measured: &'a Measured,
    /// The row's place in the batch.
    place: usize,
    control: &'static str,
    cell: &'a DataCell,
    seen: &'a Seen,
    metric: usize,
}

/// The table of a batch's rows.
pub(super) fn of(
    sweep: &DataSweep,
    rows: &[PreparedRow],
    measured: &[Measured],
    noise: &[(usize, Vec<f64>)],
) -> Result<Table, TableError> {
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for measured in measured {
            for (map, cells) in measured.cells.iter().enumerate() {
                let control = match map {
                    0 => "none",
                    _ => sweep.controls[map - 1].name(),
                };
                for (cell, seen) in sweep.cells.iter().zip(cells) {
                    let seen = &seen[place];
                    for metric in 0..sweep.meter.len() {
                        lines.push(Line { row, measured, place, control, cell, seen, metric });
                    }
                }
            }
        }
    }
    let column = |of: &dyn Fn(&Line<'_>) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    let text = |of: &dyn Fn(&Line<'_>) -> String| lines.iter().map(of).collect::<Vec<String>>();
    let base = |line: &Line<'_>| line.measured.base[line.place][line.metric];
    let value = |line: &Line<'_>| line.seen.values[line.metric];
    let role = |line: &Line<'_>| line.cell.role.map(|role| sweep.roles[role].to_string());
    let count = |value: usize| vec![value as i64; lines.len()];
    let table = Table::builder()
        .column("example", lines.iter().map(|line| line.row.index as i64).collect::<Vec<_>>())
        .column("group", lines.iter().map(|line| line.row.row.group.clone()).collect::<Vec<_>>())
        .column("component", text(&|line| line.cell.component.name().to_owned()))
        .column("layer", lines.iter().map(|line| line.cell.layer).collect::<Vec<_>>())
        .column("position", lines.iter().map(role).collect::<Vec<Option<String>>>())
        .column("head", lines.iter().map(|line| line.cell.head).collect::<Vec<_>>())
        .column("metric", text(&|line| sweep.metrics()[line.metric].name().to_owned()))
        .column("base_value", column(&base))
        .column(
            "source_value",
            lines
                .iter()
                .map(|line| Some(line.measured.other[line.place].as_ref()?[line.metric]))
                .collect::<Vec<Option<f64>>>(),
        )
        .column("value", column(&value))
        .column("effect", column(&|line| value(line) - base(line)))
        .column("change", column(&|line| line.seen.change))
        .column("note", lines.iter().map(|line| line.seen.note()).collect::<Vec<Option<&str>>>())
        .column("direction", text(&|line| line.measured.direction.name().to_owned()))
        .column("control", text(&|line| line.control.to_owned()))
        .column("intervention", text(&|_| sweep.treatment.name().to_owned()))
        .column("window", count(sweep.window))
        .column("effect_type", text(&|_| sweep.effect.name().to_owned()))
        .column("draws", count(sweep.treatment.draws()))
        .metadata(PARAMETERS, parameters(sweep));
    with_noise(table, sweep.metrics(), noise).build()
}

/// A table with what was measured of its noise.
pub(crate) fn with_noise(
    mut table: TableBuilder,
    metrics: &[Arc<dyn Metric>],
    noise: &[(usize, Vec<f64>)],
) -> TableBuilder {
    for (index, metric) in metrics.iter().enumerate() {
        let squares = noise.iter().map(|(place, squares)| (*place, squares[index]));
        table = table.metadata(format!("{NOISE}{}", metric.name()), noise_note(squares.collect()));
    }
    table
}

/// Squares by the number of their place, as metadata has them.
fn noise_note(mut squares: Vec<(usize, f64)>) -> String {
    squares.sort_by_key(|(place, _)| *place);
    let each = squares.iter().map(|(place, square)| format!("{place}:{square:e}"));
    each.collect::<Vec<_>>().join(" ")
}

/// The reverse of [`noise_note`]; what is none is left out.
fn squares_of(note: &str) -> Vec<(usize, f64)> {
    let square = |entry: &str| {
        let (place, square) = entry.split_once(':')?;
        Some((place.parse().ok()?, square.parse().ok()?))
    };
    note.split(' ').filter_map(square).collect()
}

/// What no column says of a sweep.
fn parameters(sweep: &DataSweep) -> String {
    let answers = if sweep.first_tokens { "answers by their first token" } else { "whole answers" };
    let treatment = sweep.treatment.parameters();
    let mut all = vec![treatment.as_str(), answers];
    all.retain(|parameter| !parameter.is_empty());
    all.join(", ")
}

/// Parts of a sweep, or tables of several, as one; what was measured of their noise is added up. Nothing is copied: what is
/// in files stays there ([`Joined::table`] takes all into memory).
///
/// # Errors
/// Where the tables have other columns, or were made in another way: each of [`SETTINGS`] must be the
/// same in all, and so must the directions and the controls that they hold, and what strength the
/// intervention had.
pub fn join<T: TableSource>(parts: &[T]) -> Result<Joined<'_, T>, DataSweepError> {
    for column in ["direction", "control"] {
        let mut first: Option<BTreeSet<String>> = None;
        for (table, part) in parts.iter().enumerate() {
            let held = held(part, column)?;
            let first = first.get_or_insert_with(|| held.clone());
            if *first != held {
                let list = |held: &BTreeSet<String>| {
                    held.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                };
                let (first, other) = (list(first), list(&held));
                return Err(DataSweepError::Unlike { column, first, table, other });
            }
        }
    }
    let noted = |part: &T| part.metadata().get(PARAMETERS).cloned().unwrap_or_default();
    if let Some(first) = parts.first().map(noted)
        && let Some((table, other)) =
            parts.iter().map(noted).enumerate().find(|(_, other)| *other != first)
    {
        return Err(DataSweepError::Unlike { column: PARAMETERS, first, table, other });
    }
    let keys: BTreeSet<&String> = parts
        .iter()
        .flat_map(|part| part.metadata().keys())
        .filter(|key| key.starts_with(NOISE))
        .collect();
    let mut joined = Joined::of(parts, &SETTINGS)?;
    for key in keys {
        let notes = parts.iter().filter_map(|part| part.metadata().get(key));
        joined = joined
            .with_metadata(key, noise_note(notes.flat_map(|note| squares_of(note)).collect()));
    }
    Ok(joined)
}

/// The words that a column of a table has.
fn held(table: &impl TableSource, column: &str) -> Result<BTreeSet<String>, TableError> {
    let mut words = Distinct::default();
    for chunk in table.chunks(Some(&[column]))? {
        let chunk = chunk?;
        chunk.words(column)?;
        words.number(chunk.column(column)?);
    }
    Ok((0..words.len() as u32).map(|word| words.value(word).to_string()).collect())
}

/// For each metric the root mean square of what effects differ in between two ways of computing them:
/// the noise of the computation, in the precision in use. Empty where it was not measured.
pub fn noise_floor(examples: &impl TableSource) -> HashMap<String, f64> {
    let floor = |(key, note): (&String, &String)| {
        let metric = key.strip_prefix(NOISE)?;
        let squares = squares_of(note);
        let sum: f64 = squares.iter().map(|(_, square)| square).sum();
        (!squares.is_empty()).then(|| (metric.to_owned(), (sum / squares.len() as f64).sqrt()))
    };
    examples.metadata().iter().filter_map(floor).collect()
}
