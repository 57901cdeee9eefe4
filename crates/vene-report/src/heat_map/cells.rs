//! The cells of a panel, with what marks some of them.

use super::HeatMap;
use super::grid::{Cell, Grid};
use crate::color::{FittedScale, quiet_on};
use crate::drawing::Drawing;
use crate::page::MOST_HINTS;
use crate::tick;

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
    // A hairline of white keeps larger cells apart; small ones need all of their colour.
    let line = if size.0 >= 20.0 && size.1 >= 12.0 { 1.0 } else { 0.0 };
    let inner = (size.0 - line, size.1 - line);
    let hints = grid.cells().len() <= MOST_HINTS;
    let mut dots = Vec::new();
    drawing.open("cells", r#" shape-rendering="crispEdges""#);
    for row in 0..grid.rows.len() {
        let y = at.1 + (grid.rows.len() - 1 - row) as f64 * size.1;
        for (index, column) in grid.columns.iter().enumerate() {
            let corner = (at.0 + index as f64 * size.0, y);
            let cell = grid.cell(panel, row, index);
            let hint = if hints {
                format!("{}, {}: {}", row_words(grid, row), map.x.words(column), words(&cell, map))
            } else {
                String::new()
            };
            match cell.value {
                Some(value) => {
                    let fill = scale.fill(value);
                    drawing.rectangle(corner, inner, &fill, &hint);
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
    if !dots.is_empty() {
        drawing.open("open", r#" pointer-events="none""#);
        for (center, color) in dots {
            drawing.circle(center, dot_radius(size), color, "");
        }
        drawing.close();
    }
}

/// How large the dot in a cell is that can't be told from 0.
pub(super) fn dot_radius(cell: (f64, f64)) -> f64 {
    (cell.0.min(cell.1) * 0.11).clamp(0.8, 2.0)
}

fn row_words(grid: &Grid, row: usize) -> String {
    if grid.by_layer { format!("layer {}", grid.row(row)) } else { grid.row(row) }
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
    drawing.rectangle(at, size, "#f4f4f4", hint);
    drawing.line((at.0, at.1 + size.1), (at.0 + size.0, at.1), "#a8a8a8", 1.0, "");
}
