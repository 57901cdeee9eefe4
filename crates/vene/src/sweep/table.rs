//! The examples' table: a row for each example, direction, map, cell and metric.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use vene_data::PreparedRow;
use vene_model::Outline;
use vene_table::{Distinct, Joined, Table, TableBuilder, TableError, TableSource};

use super::batch::{Batch, Measured, Seen, other_of};
use super::outcome::{Numbers, note};
use super::tokens::{control_name, one};
use super::{Cell, Control, Direction, Sweep};
use crate::metric::Metric;
use crate::sweep::SweepError;

/// Metadata under which a part keeps what effects on a metric differ in when they are computed in another way: for each
/// place, by its number in the sweep, the square. So parts add up to the same, however a sweep was cut.
const NOISE: &str = "noise_squares.";

/// Metadata under which a part keeps what no column says of the sweep: parts in which it differs are about
/// different things too.
pub(crate) const PARAMETERS: &str = "parameters";

/// Metadata under which a table names the columns that tell its places apart, where they are not [`USUAL_PLACES`].
pub(crate) const PLACES: &str = "places";

/// The columns that tell the places of a sweep apart.
const USUAL_PLACES: [&str; 4] = ["component", "layer", "role", "head"];

/// The same in a sweep over a pair, where positions need no name.
const PAIR_PLACES: &str = "component,layer,position,role,head";

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
    cell: &'a Cell,
    at: At,
    seen: &'a Seen,
    metric: usize,
    source: Option<f64>,
}

/// Where a cell is edited in a row, and where it reads; each where there is one position alone.
#[derive(Clone, Copy, Default)]
struct At {
    written: Option<(usize, u32)>,
    read: Option<(usize, u32)>,
}

impl At {
    /// Of a cell in a direction of a row. What controls read is not the row's own.
    fn of(sweep: &Sweep, row: &PreparedRow, cell: &Cell, of: (Direction, Option<Control>)) -> Self {
        let Some(place) = cell.position else { return Self::default() };
        let base = (Some(&row.base), &row.base_positions);
        let source = (row.source.as_ref(), &row.source_positions);
        let (edited, other) = match of.0 {
            Direction::Noising => (base, source),
            Direction::Denoising => (source, base),
        };
        let at = |(prompt, positions): (Option<&vene_model::Prompt>, &Vec<Vec<usize>>)| {
            let position = one(positions.get(place)?)?;
            Some((position, *prompt?.tokens().get(position)?))
        };
        let reads_one = sweep.read_sources().len() == 1 && of.1.is_none();
        Self { written: at(edited), read: at(other).filter(|_| reads_one) }
    }
}

/// The tokens' texts, each made once.
struct Texts<'a> {
    outline: &'a Outline,
    known: HashMap<u32, String>,
}

impl Texts<'_> {
    fn of(&mut self, token: u32) -> String {
        let outline = self.outline;
        let text = || {
            let text = outline.tokenizer().token_text(token);
            text.unwrap_or_else(|_| format!("#{token}"))
        };
        self.known.entry(token).or_insert_with(text).clone()
    }

    fn column(
        &mut self,
        tokens: impl Iterator<Item = Option<(usize, u32)>>,
    ) -> Vec<Option<String>> {
        tokens.map(|at| at.map(|(_, token)| self.of(token))).collect()
    }
}

/// The table of a batch's rows. `floor` is the noise of a pair's metrics.
pub(super) fn of(
    batch: &Batch<'_>,
    measured: &[Measured],
    noise: &[(usize, Vec<f64>)],
    floor: Option<&Numbers>,
) -> Result<Table, TableError> {
    let sweep = batch.sweep;
    let rows = &sweep.rows[batch.range.clone()];
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for measured in measured {
            let source = other_of(sweep, &measured.others[place]);
            let source = |metric: usize| source.as_ref()?.metrics.get(metric).copied();
            for (map, cells) in measured.cells.iter().enumerate() {
                let control = map.checked_sub(1).map(|control| sweep.controls[control]);
                for (cell, seen) in sweep.cells.iter().zip(cells) {
                    let at = At::of(sweep, row, cell, (measured.direction, control));
                    let (seen, control) = (&seen[place], control_name(control));
                    for metric in 0..sweep.meter.len() {
                        let source = source(metric);
                        let line =
                            Line { row, measured, place, control, cell, at, seen, metric, source };
                        lines.push(line);
                    }
                }
            }
        }
    }
    let column = |of: &dyn Fn(&Line<'_>) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    let text = |of: &dyn Fn(&Line<'_>) -> String| lines.iter().map(of).collect::<Vec<String>>();
    let base = |line: &Line<'_>| line.measured.base[line.place].metrics[line.metric];
    let value = |line: &Line<'_>| line.seen.numbers.metrics[line.metric];
    let role = |line: &Line<'_>| sweep.words.get(line.cell.position?)?.clone();
    let count = |value: usize| vec![value as i64; lines.len()];
    let written = || lines.iter().map(|line| line.at.written);
    let read = || lines.iter().map(|line| line.at.read);
    let number = |at: Option<(usize, u32)>| at.map(|(position, _)| position);
    let mut texts = Texts { outline: batch.outline, known: HashMap::new() };
    let noted = |line: &Line<'_>| {
        let unchanged = line.seen.note();
        if !sweep.is_pair() {
            return unchanged;
        }
        let floor = floor.and_then(|floor| floor.metrics.get(line.metric).copied());
        note(unchanged, (value(line), base(line)), floor.unwrap_or_default())
    };
    let mut table = Table::builder()
        .column("example", lines.iter().map(|line| line.row.index as i64).collect::<Vec<_>>())
        .column("group", lines.iter().map(|line| line.row.row.group.clone()).collect::<Vec<_>>())
        .column("component", text(&|line| line.cell.component.name().to_owned()))
        .column("layer", lines.iter().map(|line| line.cell.layer).collect::<Vec<_>>())
        .column("position", written().map(number).collect::<Vec<_>>())
        .column("role", lines.iter().map(role).collect::<Vec<Option<String>>>())
        .column("position_token", texts.column(written()))
        .column("source_position", read().map(number).collect::<Vec<_>>())
        .column("source_token", texts.column(read()))
        .column("head", lines.iter().map(|line| line.cell.head).collect::<Vec<_>>())
        .column("metric", text(&|line| sweep.metrics()[line.metric].name().to_owned()))
        .column("base_value", column(&base))
        .column("source_value", lines.iter().map(|line| line.source).collect::<Vec<Option<f64>>>())
        .column("value", column(&value))
        .column("effect", column(&|line| value(line) - base(line)))
        .column("change", column(&|line| line.seen.change))
        .column("note", lines.iter().map(noted).collect::<Vec<Option<&str>>>())
        .column("direction", text(&|line| line.measured.direction.name().to_owned()))
        .column("control", text(&|line| line.control.to_owned()))
        .column("intervention", text(&|_| sweep.method.name().to_owned()))
        .column("window", count(sweep.window))
        .column("effect_type", text(&|_| sweep.effect.name().to_owned()))
        .column("draws", count(sweep.method.draws()))
        .metadata(PARAMETERS, parameters(sweep));
    if sweep.is_pair() {
        table = table.metadata(PLACES, PAIR_PLACES);
    }
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
fn parameters(sweep: &Sweep) -> String {
    let answers = if sweep.first_tokens { "answers by their first token" } else { "whole answers" };
    let method = sweep.method.parameters();
    let mut all = vec![method.as_str(), answers];
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
pub fn join<T: TableSource>(parts: &[T]) -> Result<Joined<'_, T>, SweepError> {
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
                return Err(SweepError::Unlike { column, first, table, other });
            }
        }
    }
    let noted = |part: &T| part.metadata().get(PARAMETERS).cloned().unwrap_or_default();
    if let Some(first) = parts.first().map(noted)
        && let Some((table, other)) =
            parts.iter().map(noted).enumerate().find(|(_, other)| *other != first)
    {
        return Err(SweepError::Unlike { column: PARAMETERS, first, table, other });
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
