//! What a training came to, in a few lines.

use std::fmt::Write;
use std::path::Path;

use vene::Plan;
use vene::training::Evaluation;

use super::{Outcome, STEPS, TRAINED, record};
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
        "{names}, trained on {seen} rows in {} steps of {} epochs{early}: loss {:.3} to {:.3}",
        steps.len(),
        outcome.trained.epochs.len(),
        first.unwrap_or(f64::NAN),
        last.unwrap_or(f64::NAN),
    );
    let control = if outcome.is_random { "random directions" } else { "untrained" };
    let mut line = |what: &str, Evaluation { loss, accuracy }: Evaluation| {
        let accuracy = 100.0 * accuracy;
        let _ = writeln!(text, "  {what:<18} accuracy {accuracy:>5.1} %   loss {loss:.3}");
    };
    line("learned", outcome.held_out);
    line(control, outcome.control);
    let _ = writeln!(text, "on {held_out} rows that were held out");
    let _ = writeln!(text, "written: {}/{TRAINED}, {STEPS}, {RECORD}", folder.display());
    terminal::print(&text)
}
