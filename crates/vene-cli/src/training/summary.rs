//! What a training came to, in a few lines.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vene::Plan;
use vene::training::Evaluation;
use vene_table::Table;

use super::grid::RUNS;
use super::{Outcome, STEPS, TRAINED, record};
use crate::plan_sweep::texts;
use crate::record::RECORD;
use crate::terminal;

/// Prints it.
pub fn print(outcome: &Outcome, plan: &Plan, folder: &Path, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return terminal::print_json(&record::result(outcome));
    }
    let steps = &outcome.trained.steps;
    let mut text = String::new();
    let [seen, held_out] = outcome.rows;
    let (first, last) = (steps.first().map(|step| step.loss), steps.last().map(|step| step.loss));
    let names = plan.intervention_names().join(", ");
    let early = if outcome.trained.stopped_early { ", ended early" } else { "" };
    let _ = writeln!(
        text,
        "{names}, trained on {seen} rows in {} steps of {} epochs{early}: loss {} to {}",
        steps.len(),
        outcome.trained.epochs.len(),
        terminal::number(first.unwrap_or(f64::NAN)),
        terminal::number(last.unwrap_or(f64::NAN)),
    );
    let control = if outcome.is_random { "random directions" } else { "untrained" };
    let mut line = |what: &str, Evaluation { loss, accuracy }: Evaluation| {
        let accuracy = 100.0 * accuracy;
        let loss = terminal::number(loss);
        let _ = writeln!(text, "  {what:<18} accuracy {accuracy:>5.1} %   loss {loss}");
    };
    line("learned", outcome.held_out);
    line(control, outcome.control);
    let _ = writeln!(text, "on {held_out} rows that were held out");
    if !terminal::is_quiet() {
        let folder = folder.display();
        let _ = writeln!(text, "written: {folder}/{TRAINED}, {STEPS}, curves.svg, {RECORD}");
    }
    terminal::print(&text)
}

/// Prints a grid's trainings, a line for each.
pub fn print_grid(
    table: &Table,
    variables: &[String],
    result: &Value,
    (folder, files): (&Path, &[PathBuf]),
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        return terminal::print_json(result);
    }
    let columns = variables.iter().map(|name| texts(table, name));
    let columns: Vec<Vec<String>> = columns.collect::<Result<_, _>>()?;
    let width = |(name, column): (&String, &Vec<String>)| {
        let widest = column.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        widest.max(name.chars().count())
    };
    let widths: Vec<usize> = variables.iter().zip(&columns).map(width).collect();
    let mut text = String::from("run");
    for (name, width) in variables.iter().zip(&widths) {
        let _ = write!(text, "  {name:<width$}");
    }
    text += "  accuracy       loss  control\n";
    let (accuracy, loss) = (table.floats("accuracy")?, table.floats("loss")?);
    let control = table.floats("control_accuracy")?;
    for (run, number) in table.integers("run")?.iter().enumerate() {
        let _ = write!(text, "{number:>3}");
        for (column, width) in columns.iter().zip(&widths) {
            let _ = write!(text, "  {:<width$}", column[run]);
        }
        let [accuracy, control] = [accuracy[run], control[run]].map(|share| 100.0 * share);
        let _ = writeln!(
            text,
            "  {accuracy:>6.1} %  {:>9}  {control:>5.1} %",
            terminal::number(loss[run])
        );
    }
    let shown =
        |file: &&PathBuf| file.extension().is_none_or(|end| end != "png" && end != "parquet");
    let files: Vec<String> =
        files.iter().filter(shown).map(|file| file.display().to_string()).collect();
    let _ = writeln!(text, "accuracy and loss on the held-out rows");
    if !terminal::is_quiet() {
        let _ = writeln!(text, "written: {}/{RUNS}, {}", folder.display(), files.join(", "));
    }
    terminal::print(&text)
}
