//! Figures of trainings: learning curves, and how good the trainings of a grid are.

use vene::plan_file::{GridValue, PlanGrid};
use vene::training::Trained;
use vene::{Outline, Plan, Table};
use vene_report::{Along, Caption, Facets, Figure, Profile};

use super::{Outcome, Settings};
use crate::drawn::Drawn;
use crate::model;

/// Points of a line at most; of more steps neighbours are averaged.
const MOST_POINTS: usize = 400;

/// Trainings of a grid at most whose batches are drawn too.
const WITH_BATCHES: usize = 6;

/// Trainings of a grid of several variables at most that share a panel.
const IN_ONE_PANEL: usize = 8;

/// More lines in a panel than can be told apart, by colour and dashes.
const MOST_LINES: usize = 24;

/// A training's losses: of its batches, and of the held-out rows after each epoch, by the number of steps made.
pub struct Curve {
    /// What it is called.
    pub name: String,
    batches: Vec<(f64, f64)>,
    held_out: Vec<(f64, f64)>,
}

impl Curve {
    /// Of a training.
    pub fn of(name: String, trained: &Trained) -> Self {
        let losses: Vec<f64> = trained.steps.iter().map(|step| step.loss).collect();
        let held_out = trained.epochs.iter().filter_map(|epoch| Some(epoch.held_out?.loss));
        Self::new(name, &losses, &held_out.collect::<Vec<f64>>())
    }

    /// From the loss of each step, and of the held-out rows after each epoch.
    pub fn new(name: String, steps: &[f64], epochs: &[f64]) -> Self {
        let window = steps.len().div_ceil(MOST_POINTS).max(1);
        let of_window = |(index, losses): (usize, &[f64])| {
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            ((index * window + losses.len()) as f64, mean)
        };
        let per_epoch = steps.len() as f64 / epochs.len().max(1) as f64;
        let of_epoch = |(epoch, &loss): (usize, &f64)| ((epoch + 1) as f64 * per_epoch, loss);
        Self {
            name,
            batches: steps.chunks(window).enumerate().map(of_window).collect(),
            held_out: epochs.iter().enumerate().map(of_epoch).collect(),
        }
    }
}

/// The learning curve of one training.
///
/// # Errors
/// What cannot be drawn.
pub fn of_training(
    outcome: &Outcome,
    plan: &Plan,
    outline: &Outline,
    settings: &Settings,
) -> anyhow::Result<Figure> {
    of_one(&Curve::of(String::new(), &outcome.trained), plan, outline, settings)
}

fn of_one(
    curve: &Curve,
    plan: &Plan,
    outline: &Outline,
    settings: &Settings,
) -> anyhow::Result<Figure> {
    let lines = [("batches", &curve.batches), ("held-out rows, after each epoch", &curve.held_out)];
    let points = lines.into_iter().flat_map(|(line, points)| {
        points.iter().map(move |&(step, loss)| (String::new(), line.to_owned(), step, loss))
    });
    let title = format!("{}: {}", model::short_name(outline), plan.intervention_names().join(", "));
    let caption = Caption::new(title).note("data", data_name(settings));
    curves(caption, points)
}

/// The learning curves of a grid: a line for each training, of few the batches too. Where there are many, and several
/// variables, there is a panel for each value of the variable that has the most.
pub fn of_grid(
    all: &[Curve],
    grid: &PlanGrid,
    outline: &Outline,
    settings: &Settings,
) -> Vec<(String, Vec<u8>)> {
    let caption = caption(grid, outline, settings);
    if all.len() <= WITH_BATCHES {
        let panels = all.iter().flat_map(|curve| {
            let panels = [("batches", &curve.batches), ("held-out rows", &curve.held_out)];
            panels.into_iter().flat_map(move |(panel, points)| {
                let point = move |&(step, loss): &(f64, f64)| {
                    (panel.to_owned(), curve.name.clone(), step, loss)
                };
                points.iter().map(point)
            })
        });
        // Panel by panel, in the order of the lines.
        let (batches, held_out): (Vec<_>, Vec<_>) =
            panels.partition(|(panel, ..)| panel == "batches");
        return files("curves", curves(caption, batches.into_iter().chain(held_out)));
    }
    let is_one_panel = grid.variables.len() == 1 || all.len() <= IN_ONE_PANEL;
    let panel = (0..grid.variables.len())
        .filter(|_| !is_one_panel)
        .max_by_key(|&variable| values(grid, variable).len());
    let names = |run: usize, of_panel: bool| {
        let run = &grid.runs[run];
        let each = grid.variables.iter().zip(&run.values).enumerate();
        let chosen = each.filter(|(index, _)| (Some(*index) == panel) == of_panel);
        let words = chosen.map(|(_, (name, value))| format!("{name} {value}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let points = all.iter().enumerate().flat_map(|(run, curve)| {
        let (panel, line) = (names(run, true), names(run, false));
        let point = move |&(step, loss): &(f64, f64)| (panel.clone(), line.clone(), step, loss);
        curve.held_out.iter().map(point)
    });
    files("curves", curves(caption.note("loss", "of the held-out rows"), points))
}

/// The accuracy over a grid: along the variable of numbers with the most values, a line for each value of another one, a
/// panel for each of what is left; beside each line that of its control.
pub fn accuracy(
    summary: &Table,
    grid: &PlanGrid,
    outline: &Outline,
    settings: &Settings,
) -> Vec<(String, Vec<u8>)> {
    let figure = profile(summary, grid, caption(grid, outline, settings));
    files("accuracy", figure)
}

fn profile(summary: &Table, grid: &PlanGrid, caption: Caption) -> anyhow::Result<Figure> {
    let is_number = |variable: &usize| {
        grid.runs.iter().all(|run| !matches!(run.values[*variable], GridValue::Text(_)))
    };
    let along = (0..grid.variables.len())
        .filter(is_number)
        .max_by_key(|&variable| (values(grid, variable).len(), std::cmp::Reverse(variable)));
    // The line's variable is the one of the others that has the fewest values.
    let lines = (0..grid.variables.len())
        .filter(|&variable| Some(variable) != along)
        .min_by_key(|&variable| values(grid, variable).len());
    let words = |variables: &dyn Fn(usize) -> bool, run: usize| {
        let each = grid.variables.iter().zip(&grid.runs[run].values).enumerate();
        let chosen = each.filter(|(index, _)| variables(*index));
        let words = chosen.map(|(_, (name, value))| format!("{name} {value}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let (mut x, mut line, mut panel, mut value) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (whose, column) in [("", "accuracy"), ("control", "control_accuracy")] {
        for (run, accuracy) in summary.floats(column)?.iter().enumerate() {
            x.push(match along.map(|along| &grid.runs[run].values[along]) {
                Some(GridValue::Integer(number)) => *number as f64,
                Some(GridValue::Number(number)) => *number,
                Some(GridValue::Text(_)) | None => run as f64,
            });
            let own = words(&|variable| Some(variable) == lines && along.is_some(), run);
            line.push(match (whose, own.is_empty()) {
                ("", true) => "learned".to_owned(),
                ("", false) => own,
                (whose, true) => whose.to_owned(),
                (whose, false) => format!("{own}, {whose}"),
            });
            panel.push(words(
                &|variable| along.is_some() && Some(variable) != along && Some(variable) != lines,
                run,
            ));
            value.push(*accuracy);
        }
    }
    // Layers have even steps, and no halves between them.
    let has_layers = along.is_some_and(|along| grid.variables[along] == "layer")
        && distinct(&x).windows(2).all(|pair| pair[1] == pair[0] + 1.0);
    let layers: Vec<Option<i64>> = x.iter().map(|&x| has_layers.then_some(x as i64)).collect();
    let table = Table::builder()
        .column("x", x)
        .column("layer", layers)
        .column("line", line)
        .column("panel", panel)
        .column("accuracy", value)
        .build()?;
    refuse_crowd(&table)?;
    let title = along.map_or("run, in the order of the grid", |along| &grid.variables[along]);
    let mut controls = summary.text("control")?.to_vec();
    controls.sort_unstable();
    controls.dedup();
    let profile = Profile {
        caption: caption.note("control", controls.join(", or ")),
        value: "accuracy".to_owned(),
        value_title: Some("accuracy on held-out rows".to_owned()),
        along: if has_layers {
            Along::Layers
        } else {
            Along::Numbers { column: "x".to_owned(), title: title.to_owned() }
        },
        lines: "line".to_owned(),
        interval: None,
        facets: Facets::by("panel"),
        ..Profile::default()
    };
    Ok(profile.draw(&table)?)
}

/// Numbers, each once, ascending.
fn distinct(numbers: &[f64]) -> Vec<f64> {
    let mut distinct = numbers.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    distinct
}

/// A variable's distinct values, in words.
fn values(grid: &PlanGrid, variable: usize) -> Vec<String> {
    let mut values: Vec<String> =
        grid.runs.iter().map(|run| run.values[variable].to_string()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn caption(grid: &PlanGrid, outline: &Outline, settings: &Settings) -> Caption {
    let mut names: Vec<&str> = Vec::new();
    for name in grid.runs.iter().flat_map(|run| run.plan.intervention_names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Caption::new(format!("{}: {}", model::short_name(outline), names.join(", ")))
        .note("data", data_name(settings))
}

fn data_name(settings: &Settings) -> String {
    let from = std::path::Path::new(&settings.rows.from);
    let name = from.file_name().and_then(|name| name.to_str()).unwrap_or(&settings.rows.from);
    format!("{name}, {} rows", settings.rows.rows.len())
}

/// Losses by panel, line and number of steps.
fn curves(
    caption: Caption,
    points: impl Iterator<Item = (String, String, f64, f64)>,
) -> anyhow::Result<Figure> {
    let (mut panel, mut line, mut step, mut loss) = (vec![], vec![], vec![], vec![]);
    for (of_panel, of_line, at, value) in points {
        panel.push(of_panel);
        line.push(of_line);
        step.push(at);
        loss.push(value);
    }
    let table = Table::builder()
        .column("panel", panel)
        .column("line", line)
        .column("step", step)
        .column("loss", loss)
        .build()?;
    refuse_crowd(&table)?;
    let profile = Profile {
        caption,
        value: "loss".to_owned(),
        value_title: Some("loss".to_owned()),
        along: Along::Numbers { column: "step".to_owned(), title: "steps".to_owned() },
        lines: "line".to_owned(),
        interval: None,
        facets: Facets::by("panel"),
        ..Profile::default()
    };
    Ok(profile.draw(&table)?)
}

fn refuse_crowd(table: &Table) -> anyhow::Result<()> {
    let mut lines = table.text("line")?.to_vec();
    lines.sort_unstable();
    lines.dedup();
    anyhow::ensure!(lines.len() <= MOST_LINES, "{} lines cannot be told apart", lines.len());
    Ok(())
}

/// A figure's two files. One that cannot be drawn is left out with a warning, rather than the training lost.
pub fn files(name: &str, figure: anyhow::Result<Figure>) -> Vec<(String, Vec<u8>)> {
    let mut drawn = Drawn::default();
    drawn.take(name, figure);
    drawn.files()
}
