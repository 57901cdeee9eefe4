//! Edges over a data set in a few lines: those with the largest mean effects.

use std::fmt::Write;
use std::path::Path;

use vene::circuit::EdgeScores;
use vene_table::Table;

use crate::terminal::duration;

/// How many edges are listed for each metric.
const STRONGEST: usize = 12;

/// What would run.
pub fn forecast(scores: &EdgeScores, out: &Path) -> String {
    let rows = scores.rows();
    format!(
        "{} edges of the {} graph by --method {}, in {} rows: {} in all\nWould write into {}\n",
        scores.edges_per_row(),
        rows.graph().keys(),
        scores.method(),
        rows.prepared().len(),
        scores.edges_per_row() * rows.prepared().len(),
        out.display(),
    )
}

/// The largest mean effects, as text for a terminal.
pub fn text(edges: &Table, scores: &EdgeScores, seconds: f64) -> anyhow::Result<String> {
    let rows = scores.rows();
    let mut text = format!(
        "{} edges ({}) in {} rows, in {}\n",
        scores.edges_per_row(),
        scores.method(),
        rows.prepared().len(),
        duration(seconds),
    );
    let (sender, receiver) = (edges.text("sender")?, edges.text("receiver")?);
    let (position, metric) = (edges.text("position")?, edges.text("metric")?);
    let (mean, low) = (edges.optional_floats("mean")?, edges.optional_floats("low")?);
    let high = edges.optional_floats("high")?;
    for measured in rows.metrics() {
        let _ =
            writeln!(text, "\nLargest mean effects on {}: mean [95 % interval]", measured.name());
        let here = (0..edges.rows()).filter(|&row| metric[row] == measured.name());
        for row in here.take(STRONGEST) {
            let edge = format!("{} -> {}", sender[row], receiver[row]);
            let at = if rows.places().len() > 1 { position[row] } else { "" };
            let _ = write!(text, "  {edge:<22} {at:<14} {}", number(mean[row]));
            if let (Some(low), Some(high)) = (low[row], high[row]) {
                let _ = write!(text, " [{}, {}]", number(Some(low)), number(Some(high)));
            }
            text.push('\n');
        }
    }
    Ok(text)
}

fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() >= 0.01 => format!("{value:+.3}"),
        Some(value) => format!("{value:+.1e}"),
        None => "-".to_owned(),
    }
}
