//! A plan over a data set in a few lines: what its runs changed in the mean.

use std::fmt::Write;

use vene::Table;
use vene::plan_sweep::PlanSweep;
use vene::sweep::place_columns;

use crate::terminal::{self, percent};

/// How many runs are listed for each number.
const LISTED: usize = 12;

/// The summary, as text for a terminal.
pub fn text(summary: &Table, sweep: &PlanSweep) -> anyhow::Result<String> {
    let metrics = summary.text("metric")?;
    let places: Vec<(&str, Vec<String>)> = place_columns(summary)
        .into_iter()
        .map(|name| Ok((name, crate::plan_sweep::figures::texts(summary, name)?)))
        .collect::<anyhow::Result<_>>()?;
    let (mean, base) = (summary.optional_floats("mean")?, summary.floats("base")?);
    let (low, high) = (summary.optional_floats("low")?, summary.optional_floats("high")?);
    let (share, count) = (summary.optional_floats("normalised")?, summary.integers("n")?);
    let (unchanged, split) = (summary.integers("unchanged")?, summary.text("split")?);
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), terminal::number);
    let mut text = String::new();
    let mut named: Vec<&str> = Vec::new();
    for &metric in &metrics {
        if !named.contains(&metric) {
            named.push(metric);
        }
    }
    for metric in named {
        let mut rows: Vec<usize> =
            (0..summary.rows()).filter(|&row| metrics[row] == metric).collect();
        let more = rows.len().saturating_sub(LISTED);
        let order = if more > 0 {
            let size = |row: &usize| mean[*row].map_or(0.0, f64::abs);
            rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
            rows.truncate(LISTED);
            format!(", the {LISTED} largest of {}", LISTED + more)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "\n{metric}: unedited -> edited, mean effect [95 % interval], share of the source's{order}"
        );
        for row in rows {
            let place: Vec<String> =
                places.iter().map(|(name, values)| format!("{name} {}", values[row])).collect();
            let edited = mean[row].map(|mean| base[row] + mean);
            let interval = match (low[row], high[row]) {
                (Some(_), Some(_)) => {
                    format!(" [{}, {}]", number(low[row]), number(high[row]))
                }
                _ => String::new(),
            };
            let share =
                share[row].map_or_else(String::new, |share| format!(", {}", percent(share)));
            let nothing = if unchanged[row] == count[row] && count[row] > 0 {
                "; nothing changed in any row"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "  {:<24} {} -> {}, {}{interval}{share}{nothing}{}",
                if place.is_empty() { sweep.intervention() } else { place.join(", ") },
                number(Some(base[row])),
                number(edited),
                number(mean[row]),
                if split[row] == "all" { String::new() } else { format!(" ({})", split[row]) },
            );
        }
    }
    Ok(text)
}
