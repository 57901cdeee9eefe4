//! Which figures show a plan over a data set.
//!
//! For each number: along a variable of numbers (a layer, a dose) the mean effect with its interval; of two variables one
//! line for each value of the other, or a heat map where these would be too many to be told apart; without any, every row's
//! effect as a dot.

use std::collections::{BTreeSet, HashSet};

use vene::plan_file::GridValue;
use vene::plan_sweep::PlanSweep;
use vene::sweep::place_columns;
use vene::{Outline, Table};
use vene_report::{Along, Axis, Caption, Facets, Figure, HeatMap, Interval, Profile, Strips};
use vene_table::{TableError, TableSource};

use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::model;

/// More lines than can be told apart.
const MOST_LINES: usize = 8;

/// What a figure shows.
enum Shown {
    /// Along the first variable; the second, if there is one, is lines.
    Along { along: String, lines: Option<String> },
    /// Two variables as the rows and columns of a map.
    Map { rows: String, columns: String },
    /// Every row's effect.
    Dots,
}

/// All figures, by the names of their files. One that cannot be drawn is left out with a warning, rather than the whole run
/// lost.
pub fn draw(
    examples: &impl TableSource,
    summary: &Table,
    sweep: &PlanSweep,
    outline: &Outline,
    (data, discovery): (&DataSource, Option<&[usize]>),
) -> Drawn {
    let mut drawn = Drawn::default();
    // With a split, what was found in one half is shown by the other.
    let split = if discovery.is_some() { "evaluation" } else { "all" };
    let less: HashSet<i64> = discovery.unwrap_or_default().iter().map(|&row| row as i64).collect();
    let summary = &match summary.text("split") {
        Ok(splits) => summary.filter(|row| splits[row] == split),
        Err(_) => summary.clone(),
    };
    for (name, metric) in
        sweep.measured().iter().enumerate().map(|(index, metric)| (stem(sweep, index), metric))
    {
        let caption = Caption::new(format!(
            "{}: {}, effect on {metric}",
            model::short_name(outline),
            sweep.intervention()
        ))
        .note("data", format!("{}, {} rows", data.name(), sweep.rows().len() - less.len()));
        let figure = match shown(sweep) {
            Shown::Along { along, lines } => {
                profile(summary, metric, &along, lines.as_deref(), caption)
            }
            Shown::Map { rows, columns } => map(summary, metric, &rows, &columns, caption),
            Shown::Dots => dots(examples, summary, metric, &less, caption),
        };
        drawn.take(name, figure);
    }
    drawn
}

/// The names of all files that figures of a run may have.
pub fn names(sweep: &PlanSweep) -> Vec<String> {
    let stems = (0..sweep.measured().len()).map(|index| stem(sweep, index));
    stems.flat_map(|stem| [format!("{stem}.svg"), format!("{stem}.png")]).collect()
}

/// What a figure's file is called: a number's name may hold anything.
fn stem(sweep: &PlanSweep, index: usize) -> String {
    match sweep.measured().len() {
        1 => "effects".to_owned(),
        _ => match sweep.metrics().get(index) {
            Some(metric) => format!("effects-{}", metric.name()),
            None => format!("effects-token-{}", index - sweep.metrics().len() + 1),
        },
    }
}

fn shown(sweep: &PlanSweep) -> Shown {
    let grid = sweep.grid();
    let all = |place: usize, is: fn(&GridValue) -> bool| {
        grid.runs.iter().all(|run| is(&run.values[place]))
    };
    let places = 0..grid.variables.len();
    let is_number = |value: &GridValue| !matches!(value, GridValue::Text(_));
    let along = places.clone().find(|&place| all(place, is_number));
    let is_integer = |value: &GridValue| matches!(value, GridValue::Integer(_));
    let integers = places.clone().find(|&place| all(place, is_integer));
    let lines = |along: usize| {
        let values = grid.runs.iter().map(|run| run.values[1 - along].to_string());
        values.collect::<BTreeSet<String>>().len()
    };
    match (along, grid.variables.len()) {
        (Some(_), 1) => Shown::Along { along: grid.variables[0].clone(), lines: None },
        (Some(along), 2) if lines(along) > MOST_LINES && integers.is_some() => {
            let rows = integers.unwrap_or_default();
            Shown::Map {
                rows: grid.variables[rows].clone(),
                columns: grid.variables[1 - rows].clone(),
            }
        }
        (Some(along), 2) => Shown::Along {
            along: grid.variables[along].clone(),
            lines: Some(grid.variables[1 - along].clone()),
        },
        _ => Shown::Dots,
    }
}

/// A column's values as text.
pub fn texts(table: &Table, name: &str) -> Result<Vec<String>, TableError> {
    Ok(table.column(name)?.values().map(|value| value.to_string()).collect())
}

/// The rows of a metric, each with the line that it is a point of.
fn points(table: &Table, metric: &str, lines: Option<&str>) -> anyhow::Result<Table> {
    let metrics = table.text("metric")?;
    let chosen = table.filter(|row| metrics[row] == metric);
    let line = match lines {
        Some(name) => {
            texts(&chosen, name)?.into_iter().map(|value| format!("{name} {value}")).collect()
        }
        None => vec!["mean effect".to_owned(); chosen.rows()],
    };
    let panel = vec![String::new(); chosen.rows()];
    Ok(chosen.with_column("line", line)?.with_column("panel", panel)?)
}

fn profile(
    summary: &Table,
    metric: &str,
    along: &str,
    lines: Option<&str>,
    caption: Caption,
) -> anyhow::Result<Figure> {
    let points = points(summary, metric, lines)?;
    let mut distinct = points.text("line")?;
    distinct.sort_unstable();
    distinct.dedup();
    anyhow::ensure!(
        distinct.len() <= MOST_LINES,
        "{} lines, one for each value of {}, cannot be told apart",
        distinct.len(),
        lines.unwrap_or_default()
    );
    let profile = Profile {
        caption,
        metric: None,
        along: Along::Numbers { column: along.to_owned(), title: along.to_owned() },
        lines: "line".to_owned(),
        interval: Some(Interval::default().named("95 % interval")),
        facets: Facets::by("panel"),
        ..Profile::default()
    };
    Ok(profile.draw(&points)?)
}

/// The mean effects over two variables, the first of integers.
fn map(
    summary: &Table,
    metric: &str,
    rows: &str,
    columns: &str,
    caption: Caption,
) -> anyhow::Result<Figure> {
    let metrics = summary.text("metric")?;
    let chosen = summary.filter(|row| metrics[row] == metric);
    let mut table = Table::builder()
        .column("component", vec![String::new(); chosen.rows()])
        .column("layer", chosen.column(rows)?.clone())
        .column("role", texts(&chosen, columns)?);
    for name in ["mean", "low", "high"] {
        table = table.column(name, chosen.column(name)?.clone());
    }
    let map = HeatMap {
        caption,
        rows: rows.to_owned(),
        columns: Some(columns.to_owned()),
        ..HeatMap::means(Axis::Role(Vec::new()), Facets::by("component"))
    };
    Ok(map.draw(&table.build()?)?)
}

/// Every row's effect, a strip for each run.
fn dots(
    examples: &impl TableSource,
    summary: &Table,
    metric: &str,
    less: &HashSet<i64>,
    caption: Caption,
) -> anyhow::Result<Figure> {
    let places = place_columns(examples);
    let strips = Strips {
        caption,
        metric: None,
        interval: Some(Interval::default().named("95 % interval")),
        ..Strips::default()
    };
    let columns: Vec<&str> =
        ["example", "group", "metric", "effect"].into_iter().chain(places.clone()).collect();
    let chunks = examples.chunks(Some(&columns))?;
    let chunks = chunks.map(|chunk| {
        let chunk = chunk?;
        let rows = chunk.integers("example")?;
        labelled(&chunk.filter(|row| !less.contains(&rows[row])), metric, &places)
    });
    Ok(strips.draw_chunks(&labelled(summary, metric, &places)?, chunks)?)
}

/// The rows of a metric, each with its run's label in place of a component.
fn labelled(table: &Table, metric: &str, places: &[&str]) -> Result<Table, TableError> {
    let metrics = table.text("metric")?;
    let chosen = table.filter(|row| metrics[row] == metric);
    let columns = places.iter().map(|name| texts(&chosen, name));
    let columns = columns.collect::<Result<Vec<_>, TableError>>()?;
    let label = |row: usize| {
        let each = places.iter().zip(&columns);
        let label: Vec<String> =
            each.map(|(name, values)| format!("{name} {}", values[row])).collect();
        if label.is_empty() { "plan".to_owned() } else { label.join(", ") }
    };
    let labels: Vec<String> = (0..chosen.rows()).map(label).collect();
    let mut table = Table::builder()
        .column("component", labels)
        .column("layer", vec![None::<i64>; chosen.rows()]);
    for name in ["example", "group", "effect", "mean", "low", "high"] {
        if chosen.has(name) {
            table = table.column(name, chosen.column(name)?.clone());
        }
    }
    table.build()
}
