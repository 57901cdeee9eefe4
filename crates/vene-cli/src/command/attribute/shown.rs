//! What was attributed, for people to read.

use vene::inspect::Subject;
use vene::inspect::attribution::Attributed;
use vene::{Model, Table};

use super::question;
use crate::look::{aligned, number, with_interval};
use crate::terminal;

/// Parts that are listed: those with the largest shares.
const LISTED: usize = 12;

/// Of a prompt: at each position the total, and the largest shares.
pub fn prompt(model: &Model, subjects: &[Subject], found: &Attributed) -> anyhow::Result<String> {
    let Attributed { terms, totals } = found;
    let (positions, inputs) = (totals.integers("position")?, totals.text("input")?);
    let mut text = String::new();
    for total in 0..totals.rows() {
        let (position, input) = (positions[total], inputs[total]);
        let (logit, output) = (number(totals, "logit", total)?, number(totals, "output", total)?);
        let sum = number(totals, "sum", total)?;
        text.push_str(&format!(
            "{} after position {position} {input}: {}, the sum of the parts {}",
            question(model, subjects.first()),
            terminal::number(logit),
            terminal::number(sum),
        ));
        if (logit - output).abs() > 1e-3 * logit.abs().max(1e-3) {
            text.push_str(&format!(" ({} after the soft cap)", terminal::number(output)));
        }
        text.push('\n');
        let at = terms.integers("position")?;
        let here: Vec<usize> = (0..terms.rows()).filter(|&row| at[row] == position).collect();
        text.push_str(&listed(
            terms,
            &here,
            |row| number(terms, "contribution", row),
            |row| {
                let mut cells = vec![terminal::number(number(terms, "contribution", row)?)];
                if terms.has("direct_effect") {
                    cells.push(terminal::number(number(terms, "direct_effect", row)?));
                }
                Ok(cells)
            },
        )?);
        text.push('\n');
    }
    Ok(text)
}

/// Of a data set: at each role the total, and the largest mean shares.
pub fn summary(subjects: &[Subject], summary: &Table, totals: &Table) -> anyhow::Result<String> {
    let (roles, metrics) = (summary.text("role")?, summary.text("metric")?);
    let (of_total, what) = (totals.text("role")?, totals.text("metric")?);
    let question = match subjects.first().map(|subject| subject.asked.len()) {
        Some(1) => "logit of the target",
        _ => "logit of the target less that of the foil",
    };
    let mut text = String::new();
    for total in (0..totals.rows()).filter(|&row| what[row] == "logit") {
        let role = of_total[total];
        let rows = totals.integers("n")?[total];
        let whole = with_interval(totals, total)?;
        text.push_str(&format!("{question} after {role}, mean of {rows} rows: {whole}\n"));
        let here: Vec<usize> = (0..summary.rows())
            .filter(|&row| roles[row] == role && metrics[row] == "contribution")
            .collect();
        let direct = |row: usize| {
            let same = |other: &usize| {
                *other != row
                    && roles[*other] == role
                    && part(summary, *other).ok() == part(summary, row).ok()
            };
            (0..summary.rows()).find(same)
        };
        text.push_str(&listed(
            summary,
            &here,
            |row| number(summary, "mean", row),
            |row| {
                let mut cells = vec![with_interval(summary, row)?];
                if let Some(other) = direct(row) {
                    cells.push(with_interval(summary, other)?);
                }
                Ok(cells)
            },
        )?);
        text.push('\n');
    }
    Ok(text)
}

/// The parts with the largest sizes among these rows.
fn listed(
    table: &Table,
    rows: &[usize],
    size: impl Fn(usize) -> anyhow::Result<f64>,
    cells: impl Fn(usize) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<String> {
    let mut sized = Vec::new();
    for &row in rows {
        sized.push((size(row)?.abs(), row));
    }
    sized.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut lines = Vec::new();
    for (_, row) in sized.iter().take(LISTED) {
        let mut line = vec![part(table, *row)?];
        line.extend(cells(*row)?);
        lines.push(line);
    }
    if let Some(first) = lines.first() {
        let mut head = vec!["part".to_owned(), "contribution".to_owned()];
        if first.len() > 2 {
            head.push("direct effect".to_owned());
        }
        lines.insert(0, head);
    }
    let mut text = aligned(&lines);
    if rows.len() > LISTED {
        text.push_str(&format!("and {} more (--out or --json has all)\n", rows.len() - LISTED));
    }
    Ok(text)
}

/// A part as people call it: `L5H2`, `mlp 5`, `embedding`.
pub fn part(table: &Table, row: usize) -> anyhow::Result<String> {
    let component = table.text("component")?[row];
    let layer = table.optional_integers("layer")?[row];
    let head = table.optional_integers("head")?[row];
    Ok(match (layer, head) {
        (Some(layer), Some(head)) => format!("L{layer}H{head}"),
        (Some(layer), None) => format!("{component} {layer}"),
        _ => component.to_owned(),
    })
}
