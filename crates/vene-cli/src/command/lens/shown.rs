//! What the lens shows, for people to read.

use unicode_width::UnicodeWidthStr;
use vene::Table;
use vene::inspect::lens::Lens;

use crate::look::{aligned, distinct, number, with_interval};
use crate::terminal;

/// Positions that a grid has side by side at most: the last ones.
const ACROSS: usize = 8;

/// Of a prompt: a grid of the likeliest tokens where it is looked at in several positions, and of the last position a list of
/// its depths.
pub fn prompt(found: &Lens) -> anyhow::Result<String> {
    let table = &found.numbers;
    let positions = distinct(table.integers("position")?);
    let mut text = String::new();
    if positions.len() > 1 {
        let shown = &positions[positions.len().saturating_sub(ACROSS)..];
        if shown.len() < positions.len() {
            text.push_str(&format!(
                "the last {ACROSS} of {} positions (--positions chooses others; --out has all)\n",
                positions.len()
            ));
        }
        text.push_str(&grid(table, shown)?);
        text.push('\n');
    }
    if let Some(&last) = positions.last() {
        text.push_str(&depths(found, last)?);
    }
    Ok(text)
}

/// A row for each depth, a column for each position: the likeliest token.
fn grid(table: &Table, positions: &[i64]) -> anyhow::Result<String> {
    let (at, inputs, tops) =
        (table.integers("position")?, table.text("input")?, table.text("top")?);
    let depths = depths_of(table)?;
    let mut rows = vec![vec!["position".to_owned()], vec!["token".to_owned()]];
    for &position in positions {
        let input = at.iter().position(|other| *other == position).map_or("", |row| inputs[row]);
        rows[0].push(position.to_string());
        rows[1].push(input.to_owned());
    }
    for depth in distinct(&depths) {
        let mut line = vec![depth.clone()];
        for &position in positions {
            let row = (0..table.rows()).find(|&row| at[row] == position && depths[row] == depth);
            line.push(row.map_or(String::new(), |row| tops[row].to_owned()));
        }
        rows.push(line);
    }
    Ok(aligned(&rows))
}

/// A row for each depth at a position: the tokens that are asked about, and the likeliest.
fn depths(found: &Lens, position: i64) -> anyhow::Result<String> {
    let table = &found.numbers;
    let (at, inputs) = (table.integers("position")?, table.text("input")?);
    let (names, tokens) = (table.text("asked")?, table.text("token")?);
    let depths = depths_of(table)?;
    let here: Vec<usize> = (0..table.rows()).filter(|&row| at[row] == position).collect();
    let Some(&first) = here.first() else { return Ok(String::new()) };
    let asked = distinct(&here.iter().map(|&row| (names[row], tokens[row])).collect::<Vec<_>>());
    let mut head = vec!["after layer".to_owned(), "kl".to_owned()];
    for (_, token) in &asked {
        head.extend([format!("logit {token}"), "probability".to_owned(), "rank".to_owned()]);
    }
    let mut words = vec!["likeliest".to_owned()];
    let mut rows = vec![head];
    for depth in distinct(&here.iter().map(|&row| depths[row].clone()).collect::<Vec<_>>()) {
        let of_depth: Vec<usize> =
            here.iter().copied().filter(|&row| depths[row] == depth).collect();
        let mut line = vec![depth.clone(), terminal::number(number(table, "kl", of_depth[0])?)];
        for row in of_depth {
            for column in ["logit", "probability"] {
                line.push(terminal::number(number(table, column, row)?));
            }
            line.push(format!("{}", number(table, "rank", row)?));
        }
        words.push(likeliest(&found.likeliest, position, &depth)?);
        rows.push(line);
    }
    // Beside numbers, which stand to the right, words stand to the left.
    let lines = aligned(&rows);
    let width = lines.lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
    let mut text = format!("at position {position}, {}:\n", inputs[first]);
    for (line, words) in lines.lines().zip(words) {
        let room = " ".repeat(width - line.width() + 2);
        text.push_str(format!("{line}{room}{words}").trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn likeliest(table: &Table, position: i64, depth: &str) -> anyhow::Result<String> {
    let (at, tokens) = (table.integers("position")?, table.text("token")?);
    let probabilities = table.floats("probability")?;
    let depths = depths_of(table)?;
    let rows = (0..table.rows()).filter(|&row| at[row] == position && depths[row] == depth);
    let words = rows.map(|row| format!("{} {}", tokens[row], terminal::number(probabilities[row])));
    Ok(words.collect::<Vec<_>>().join("  "))
}

/// How each row's depth is called: its layer, or `embedding`.
pub fn depths_of(table: &Table) -> anyhow::Result<Vec<String>> {
    let (components, layers) = (table.text("component")?, table.optional_integers("layer")?);
    let name = |(component, layer): (&str, Option<i64>)| {
        layer.map_or_else(|| component.to_owned(), |layer| layer.to_string())
    };
    Ok(components.into_iter().zip(layers).map(name).collect())
}

/// Of a data set: a block for each role and token that is asked about, a row for each depth.
pub fn summary(table: &Table) -> anyhow::Result<String> {
    let (roles, asked, metrics) =
        (table.text("role")?, table.text("asked")?, table.text("metric")?);
    let (depths, counts) = (depths_of(table)?, table.integers("n")?);
    let all: Vec<(&str, &str)> = roles.iter().copied().zip(asked.iter().copied()).collect();
    let mut text = String::new();
    for (role, name) in distinct(&all) {
        let here: Vec<usize> =
            (0..table.rows()).filter(|&row| roles[row] == role && asked[row] == name).collect();
        let rows = here.iter().map(|&row| counts[row]).max().unwrap_or(0);
        let shown = ["probability", "rank", "kl"];
        let mut lines = vec![vec!["after layer".to_owned()]];
        lines[0].extend(shown.map(str::to_owned));
        for depth in distinct(&here.iter().map(|&row| depths[row].clone()).collect::<Vec<_>>()) {
            let mut line = vec![depth.clone()];
            for metric in shown {
                let row = here.iter().find(|&&row| depths[row] == depth && metrics[row] == metric);
                line.push(row.map_or(Ok(String::new()), |&row| with_interval(table, row))?);
            }
            lines.push(line);
        }
        text.push_str(&format!("{name} at {role}, {rows} rows:\n{}\n", aligned(&lines)));
    }
    Ok(text)
}
