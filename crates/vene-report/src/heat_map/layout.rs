//! Where everything of a heat map stands on the page.

use super::HeatMap;
use super::grid::Grid;
use crate::color::FittedScale;
use crate::depth;
use crate::drawing::{Anchor, Drawing, FAINT, INK, every, middle, widest};
use crate::{Axis, Figure, font, tick};

const MARGIN: f64 = 20.0;
/// Text sizes: panel titles and axis titles; tick labels; position numbers.
const TITLE: f64 = 13.0;
const LABEL: f64 = 11.0;
const SMALL: f64 = 9.5;
/// The longest token shown upright; the room for one that is turned.
const UPRIGHT: f64 = 66.0;
const TURNED: f64 = 110.0;
/// Panels stand side by side until the figure is about as wide as a notebook's page.
const PAGE: f64 = 1080.0;
/// Above so many cells an SVG would suffer from a hint in each.
const MOST_HINTS: usize = 6000;

/// The sizes that follow from what is to be shown.
struct Layout {
    cell: (f64, f64),
    panel: (f64, f64),
    /// Panels side by side.
    across: usize,
    turned: bool,
    /// Room left of the cells for row labels, and beneath them for column labels.
    row_labels: f64,
    column_labels: f64,
    /// The space between panels.
    gap: f64,
}

impl Layout {
    fn of(grid: &Grid) -> Layout {
        let (rows, columns) = (grid.rows.len() as f64, grid.columns.len() as f64);
        let panels = grid.panels.len();
        let labels: Vec<String> = grid.rows.iter().map(|row| row.text()).collect();
        let row_labels = widest(labels.iter().map(String::as_str), LABEL) + 8.0;
        let height = (500.0 / rows).clamp(if rows > 120.0 { 6.0 } else { 12.0 }, 28.0).floor();
        let gap = 24.0;
        // How many panels of such cells stand side by side.
        let across = |cell: f64| {
            let fitting = (PAGE - row_labels + gap) / (cell * columns + gap);
            (fitting.floor().max(1.0) as usize).min(panels)
        };

        let texts = || grid.columns.iter().map(|column| column.text.as_str());
        let has_texts = texts().any(|text| !text.is_empty());
        let longest = widest(texts(), LABEL);
        // Tokens stand upright where all find room, unless tall panels would have to be stacked.
        let upright = (longest + 10.0).max(40.0);
        let stacked = across(upright) < panels.min(3) && height * rows > 300.0;
        let turned = has_texts && (longest > UPRIGHT || upright * columns > 620.0 || stacked);
        let width = if has_texts && !turned {
            upright
        } else {
            let widest_cell = if has_texts { 40.0 } else { 30.0 };
            let beside = panels.clamp(1, 3) as f64;
            let room = ((PAGE - row_labels) / beside - gap).min(560.0);
            (room / columns).clamp(14.0, widest_cell).floor()
        };
        let column_labels = match (has_texts, turned) {
            (false, _) => 16.0,
            (true, false) => 16.0 + LABEL * 1.5,
            (true, true) => 18.0 + longest.min(TURNED) + 4.0,
        };
        Layout {
            cell: (width, height),
            panel: (width * columns, height * rows),
            across: across(width),
            turned,
            row_labels,
            column_labels,
            gap,
        }
    }
}

pub(super) fn draw(grid: &Grid, map: &HeatMap) -> Figure {
    let layout = Layout::of(grid);
    let scale = map.scale.fit(grid.range.0, grid.range.1);
    let mut drawing = Drawing::default();

    let y_title = TITLE * 1.7;
    let left = MARGIN + y_title + layout.row_labels;
    let across = layout.across as f64;
    let panels_width = across * layout.panel.0 + (across - 1.0) * layout.gap;
    let bar_left = left + panels_width + 26.0;
    let bar_title = map.value_title.as_deref().unwrap_or(&map.value);
    let ticks = tick::linear(scale.low, scale.high, 5);
    let bar_width = font::width(bar_title, TITLE)
        .max(14.0 + 8.0 + widest(ticks.iter().map(|tick| tick.label.as_str()), LABEL))
        .max(if has_gaps(grid) { 20.0 + font::width("no value", LABEL) } else { 0.0 });
    // A small map may grow a little for a caption that would else be broken.
    let content = bar_left + bar_width;
    let width = content.max((MARGIN + map.caption.width()).min(640.0)) + MARGIN;

    let top = map.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 10.0;
    let titled = grid.panels.iter().any(|title| !title.is_empty());
    let panel_title = if titled { TITLE * 1.8 } else { TITLE * 0.6 };
    let pitch = panel_title + layout.panel.1 + layout.column_labels + 12.0;
    let mut bottom = top;
    for panel in 0..grid.panels.len() {
        let (row, column) = (panel / layout.across, panel % layout.across);
        let at = (
            left + column as f64 * (layout.panel.0 + layout.gap),
            top + row as f64 * pitch + panel_title,
        );
        let title = font::elide(&grid.panels[panel], TITLE, layout.panel.0.max(80.0));
        let above = (at.0 + layout.panel.0 / 2.0, at.1 - TITLE * 0.6);
        drawing.text(above, &title, TITLE, Anchor::Middle, INK);
        draw_cells(&mut drawing, grid, map, &layout, &scale, panel, at);
        draw_columns(&mut drawing, grid, &layout, at);
        if column == 0 {
            draw_rows(&mut drawing, grid, &layout, at);
            let y = at.1 + layout.panel.1 / 2.0;
            let x = MARGIN + TITLE * 0.8;
            drawing.text_upwards((x, y), "layer", TITLE, Anchor::Middle, INK);
        }
        bottom = at.1 + layout.panel.1 + layout.column_labels;
    }
    bottom += TITLE * 1.4;
    let center = left + panels_width / 2.0;
    drawing.text((center, bottom), map.x.column(), TITLE, Anchor::Middle, INK);

    let bar_top = top + panel_title;
    let bar_bottom =
        draw_scale(&mut drawing, &scale, &ticks, bar_title, (bar_left, bar_top), layout.panel.1);
    let bar_bottom = if has_gaps(grid) {
        let y = bar_bottom + 16.0;
        draw_gap(&mut drawing, (bar_left, y), (14.0, 14.0), "");
        let at = (bar_left + 20.0, y + 7.0 + middle(LABEL));
        drawing.text(at, "no value", LABEL, Anchor::Start, INK);
        y + 14.0
    } else {
        bar_bottom
    };
    let key = key(grid);
    for line in font::wrap(&key, LABEL, width - 2.0 * MARGIN, 3) {
        if !line.is_empty() {
            bottom += LABEL * 1.8;
            drawing.text((MARGIN, bottom), &line, LABEL, Anchor::Start, FAINT);
        }
    }
    let height = bottom.max(bar_bottom) + MARGIN * 0.8;
    let (width, height) = (width.ceil() as u32, height.ceil() as u32);
    let title = map.caption.title();
    Figure { svg: drawing.finish(title, width, height), width, height }
}

fn has_gaps(grid: &Grid) -> bool {
    grid.cells.iter().any(Option::is_none)
}

/// What the letters of the row labels stand for.
fn key(grid: &Grid) -> String {
    let key = depth::key(&grid.rows).into_iter().filter(|(letters, _)| !letters.is_empty());
    key.map(|(letters, name)| format!("{letters} = {name}")).collect::<Vec<_>>().join(",  ")
}

fn draw_cells(
    drawing: &mut Drawing,
    grid: &Grid,
    map: &HeatMap,
    layout: &Layout,
    scale: &FittedScale,
    panel: usize,
    at: (f64, f64),
) {
    let (cell_width, cell_height) = layout.cell;
    // A hairline of white keeps larger cells apart; small ones need all of their colour.
    let line = if cell_width >= 20.0 && cell_height >= 12.0 { 1.0 } else { 0.0 };
    let size = (cell_width - line, cell_height - line);
    let hints = grid.cells.len() <= MOST_HINTS;
    drawing.open("cells", r#" shape-rendering="crispEdges""#);
    for (row, label) in grid.rows.iter().enumerate() {
        let y = at.1 + (grid.rows.len() - 1 - row) as f64 * cell_height;
        for (index, column) in grid.columns.iter().enumerate() {
            let corner = (at.0 + index as f64 * cell_width, y);
            let value = grid.cell(panel, row, index);
            let hint = if hints {
                let place = match &map.x {
                    Axis::Position(_) => format!("position {} {}", column.index, column.text),
                    Axis::Head => format!("head {}", column.index),
                };
                let value = value.map_or("no value".to_owned(), tick::brief);
                format!("{}, {}: {value}", label.text(), place.trim_end())
            } else {
                String::new()
            };
            match value {
                Some(value) => drawing.rectangle(corner, size, &scale.fill(value), &hint),
                None => draw_gap(drawing, corner, size, &hint),
            }
        }
    }
    drawing.close();
}

/// A cell with nothing in it: crossed out, in no colour of any scale.
fn draw_gap(drawing: &mut Drawing, at: (f64, f64), size: (f64, f64), hint: &str) {
    drawing.rectangle(at, size, "#f4f4f4", hint);
    drawing.line((at.0, at.1 + size.1), (at.0 + size.0, at.1), "#a8a8a8", 1.0, "");
}

fn draw_rows(drawing: &mut Drawing, grid: &Grid, layout: &Layout, at: (f64, f64)) {
    let size = LABEL.min(layout.cell.1 * 0.92).max(SMALL);
    let layers: Vec<Option<i64>> = grid.rows.iter().map(|row| row.layer).collect();
    let stride = depth::stride(&layers, size * 1.05, layout.cell.1);
    for (row, label) in grid.rows.iter().enumerate().step_by(stride) {
        let y = at.1 + ((grid.rows.len() - 1 - row) as f64 + 0.5) * layout.cell.1 + middle(size);
        drawing.text((at.0 - 6.0, y), &label.text(), size, Anchor::End, INK);
    }
}

fn draw_columns(drawing: &mut Drawing, grid: &Grid, layout: &Layout, at: (f64, f64)) {
    let (cell_width, bottom) = (layout.cell.0, at.1 + layout.panel.1);
    let numbers: Vec<String> = grid.columns.iter().map(|column| column.index.to_string()).collect();
    let need = widest(numbers.iter().map(String::as_str), SMALL) + 12.0;
    let stride = every(need, cell_width);
    for (index, (column, number)) in grid.columns.iter().zip(&numbers).enumerate() {
        let x = at.0 + (index as f64 + 0.5) * cell_width;
        if index.is_multiple_of(stride) {
            drawing.text((x, bottom + 12.0), number, SMALL, Anchor::Middle, FAINT);
        }
        if column.text.is_empty() {
            continue;
        }
        if layout.turned {
            let text = font::elide(&column.text, LABEL, TURNED);
            let from = (x + middle(LABEL), bottom + 18.0);
            drawing.text_upwards(from, &text, LABEL, Anchor::End, INK);
        } else {
            let from = (x, bottom + 13.0 + LABEL * 1.3);
            drawing.text(from, &column.text, LABEL, Anchor::Middle, INK);
        }
    }
}

/// The colour bar; returns where it ends.
fn draw_scale(
    drawing: &mut Drawing,
    scale: &FittedScale,
    ticks: &[tick::Tick],
    title: &str,
    at: (f64, f64),
    panel: f64,
) -> f64 {
    let height = panel.clamp(100.0, 260.0);
    drawing.text((at.0, at.1 - TITLE * 0.6), title, TITLE, Anchor::Start, INK);
    drawing.open("scale", "");
    drawing.gradient(at, (14.0, height), |along| scale.color(along));
    for tick in ticks {
        let y = at.1 + height * (1.0 - scale.along(tick.value));
        drawing.line((at.0 + 14.0, y), (at.0 + 18.0, y), FAINT, 1.0, "");
        drawing.text((at.0 + 22.0, y + middle(LABEL)), &tick.label, LABEL, Anchor::Start, INK);
    }
    drawing.close();
    at.1 + height
}
