//! The cells of a panel, with what marks some of them.

use std::collections::BTreeMap;

use super::HeatMap;
use super::grid::{Cell, Grid};
use crate::color::{FittedScale, loud_on, quiet_on};
use crate::drawing::{Anchor, Drawing, Stroke, middle};
use crate::page::{MOST_HINTS, SMALL};
use crate::{font, tick};

/// Cells that are drawn one by one, in all panels together.
const MOST_RECTANGLES: usize = 20_000;
/// Steps of a colour scale where cells are many.
const SHADES: f64 = 255.0;
/// A cell with nothing in it, and the line across it.
const GAP: &str = "#f4f4f4";
const CROSS: &str = "#a8a8a8";

/// Draws the cells of a panel, its upper left corner `at`.
pub(super) fn draw(
    drawing: &mut Drawing,
    grid: &Grid,
    map: &HeatMap,
    size: (f64, f64),
    scale: &FittedScale,
    panel: usize,
    at: (f64, f64),
) {
    if grid.cells().len() > MOST_RECTANGLES {
        return draw_dense(drawing, grid, map, size, scale, panel, at);
    }
    // A hairline of white keeps larger cells apart; small ones need all of their colour.
    let line = if size.0 >= 20.0 && size.1 >= 12.0 { 1.0 } else { 0.0 };
    let inner = (size.0 - line, size.1 - line);
    let hints = grid.cells().len() <= MOST_HINTS;
    let mut dots = Vec::new();
    let mut texts = Vec::new();
    drawing.open("cells", r#" shape-rendering="crispEdges""#);
    for row in 0..grid.rows.len() {
        let y = at.1 + grid.above(row) as f64 * size.1;
        for (index, column) in grid.columns.iter().enumerate() {
            let corner = (at.0 + index as f64 * size.0, y);
            let cell = grid.cell(panel, row, index);
            let hint = if hints {
                let text = grid.text(panel, row, index);
                let text = if text.is_empty() { String::new() } else { format!(", {text}") };
                format!(
                    "{}, {}: {}{text}",
                    row_words(grid, map, row),
                    map.x.words(column),
                    words(&cell, map)
                )
            } else {
                String::new()
            };
            match cell.value {
                Some(value) => {
                    let fill = scale.fill(value);
                    drawing.rectangle(corner, inner, &fill, &hint);
                    let text = grid.text(panel, row, index);
                    if !text.is_empty() {
                        let middle = (corner.0 + inner.0 / 2.0, corner.1 + inner.1 / 2.0);
                        texts.push((middle, text, loud_on(&fill)));
                    }
                    if map.interval.is_some() && cell.is_open() {
                        let center = (corner.0 + inner.0 / 2.0, corner.1 + inner.1 / 2.0);
                        dots.push((center, quiet_on(&fill)));
                    }
                }
                None => draw_gap(drawing, corner, inner, &hint),
            }
        }
    }
    drawing.close();
    if !texts.is_empty() {
        drawing.open("texts", r#" pointer-events="none""#);
        for (at, text, color) in texts {
            let text = font::elide(text, SMALL, inner.0 - 4.0);
            drawing.text((at.0, at.1 + middle(SMALL)), &text, SMALL, Anchor::Middle, color);
        }
        drawing.close();
    }
    if !dots.is_empty() {
        drawing.open("open", r#" pointer-events="none""#);
        for (center, color) in dots {
            drawing.circle(center, dot_radius(size), color, "");
        }
        drawing.close();
    }
}

/// Draws the cells of a panel as lines of colour: thousands of rectangles would make a document of many megabytes.
fn draw_dense(
    drawing: &mut Drawing,
    grid: &Grid,
    map: &HeatMap,
    size: (f64, f64),
    scale: &FittedScale,
    panel: usize,
    at: (f64, f64),
) {
    let mut fills: BTreeMap<String, Vec<Stroke>> = BTreeMap::new();
    let mut dots: BTreeMap<&str, Vec<Stroke>> = BTreeMap::new();
    let mut gaps = Vec::new();
    for row in 0..grid.rows.len() {
        let y = at.1 + (grid.above(row) as f64 + 0.5) * size.1;
        let mut last: Option<String> = None;
        for index in 0..grid.columns.len() {
            let x = at.0 + index as f64 * size.0;
            let cell = grid.cell(panel, row, index);
            // Shades that no eye tells apart are one.
            let fill = cell.value.map_or_else(
                || GAP.to_owned(),
                |value| scale.color((scale.along(value) * SHADES).round() / SHADES),
            );
            if cell.value.is_none() {
                gaps.push(Stroke { from: (x, y + size.1 / 2.0), by: (size.0, -size.1) });
            } else if map.interval.is_some() && cell.is_open() {
                let dot = Stroke { from: (x + size.0 / 2.0, y), by: (0.0, 0.0) };
                dots.entry(quiet_on(&fill)).or_default().push(dot);
            }
            let strokes = fills.entry(fill.clone()).or_default();
            match strokes.last_mut() {
                Some(stroke) if last.as_ref() == Some(&fill) => stroke.by.0 += size.0,
                _ => strokes.push(Stroke { from: (x, y), by: (size.0, 0.0) }),
            }
            last = Some(fill);
        }
    }
    drawing.open("cells", &format!(r#" shape-rendering="crispEdges" stroke-width="{}""#, size.1));
    for (fill, strokes) in &fills {
        drawing.strokes(strokes, fill);
    }
    drawing.close();
    if !gaps.is_empty() {
        drawing.open("gaps", "");
        drawing.strokes(&gaps, CROSS);
        drawing.close();
    }
    if !dots.is_empty() {
        let width = 2.0 * dot_radius(size);
        drawing.open("open", &format!(r#" stroke-linecap="round" stroke-width="{width}""#));
        for (color, dots) in &dots {
            drawing.strokes(dots, color);
        }
        drawing.close();
    }
}

/// How large the dot in a cell is that can't be told from 0.
pub(super) fn dot_radius(cell: (f64, f64)) -> f64 {
    (cell.0.min(cell.1) * 0.11).clamp(0.8, 2.0)
}

fn row_words(grid: &Grid, map: &HeatMap, row: usize) -> String {
    if grid.by_layer { format!("{} {}", map.rows, grid.row(row)) } else { grid.row(row) }
}

/// A cell's number and, where they are drawn, its interval.
fn words(cell: &Cell, map: &HeatMap) -> String {
    let Some(value) = cell.value else { return "no value".to_owned() };
    let value = tick::brief(value);
    match (&map.interval, cell.interval) {
        (None, _) => value,
        (Some(_), Some((low, high))) => {
            format!("{value} [{}, {}]", tick::brief(low), tick::brief(high))
        }
        (Some(interval), None) => format!("{value}, no {}", interval.name),
    }
}

/// A cell with nothing in it: crossed out, in no colour of any scale.
pub(super) fn draw_gap(drawing: &mut Drawing, at: (f64, f64), size: (f64, f64), hint: &str) {
    drawing.rectangle(at, size, GAP, hint);
    drawing.line((at.0, at.1 + size.1), (at.0 + size.0, at.1), CROSS, 1.0, "");
}
