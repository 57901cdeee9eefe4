//! Where everything of a heat map stands on the page.

use super::grid::Grid;
use super::scale_bar::{MarkKey, ScaleBar};
use super::{HeatMap, cells};
use crate::drawing::{Anchor, Drawing, FAINT, INK, every, middle, widest};
use crate::page::{CAPTION, LABEL, MARGIN, PAGE, SMALL, TITLE};
use crate::{Axis, Figure, FigureError, depth, font};

/// The longest token shown upright, and the longest role; the room for one that is turned.
const UPRIGHT: f64 = 66.0;
const UPRIGHT_ROLE: f64 = 100.0;
const TURNED: f64 = 110.0;
/// The widest title of a panel that is narrower.
const PANEL_TITLE: f64 = 220.0;
/// The widest text in a cell that is shown in full.
const WRITTEN: f64 = 72.0;
/// From a panel to its colour bar; from panel to panel.
const BESIDE: f64 = 26.0;
const BETWEEN: f64 = 24.0;

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
    /// By how much the widest panel title sticks out on either side of its panel.
    overhang: f64,
}

impl Layout {
    /// `beside` is the room that each panel needs on its right for itself.
    fn of(grid: &Grid, map: &HeatMap, beside: f64) -> Layout {
        let (rows, columns) = (grid.rows.len() as f64, grid.columns.len() as f64);
        let panels = grid.panels.len();
        let labels: Vec<String> = (0..grid.rows.len()).map(|row| grid.row(row)).collect();
        let row_labels = widest(labels.iter().map(String::as_str), LABEL) + 8.0;
        let least = match (rows > 120.0, grid.texts().is_empty()) {
            (true, _) => 6.0,
            (false, true) => 12.0,
            (false, false) => 15.0,
        };
        let height = (500.0 / rows).clamp(least, 28.0).floor();
        let titles = widest(grid.panels.iter().map(String::as_str), TITLE).min(PANEL_TITLE);
        // Panels stand apart by what is between them, and by titles wider than themselves.
        let gap = |cell: f64| (BETWEEN + beside).max(titles + 12.0 - cell * columns);
        // How many panels of such cells stand side by side.
        let across = |cell: f64| {
            let fitting = (PAGE - row_labels + gap(cell)) / (cell * columns + gap(cell));
            (fitting.floor().max(1.0) as usize).min(panels)
        };

        let texts = || grid.columns.iter().map(|column| column.text.as_str());
        let has_texts = texts().any(|text| !text.is_empty());
        let longest = widest(texts(), LABEL);
        // Texts stand upright where all find room, unless tall panels would have to be stacked.
        let upright = (longest + 10.0).max(40.0);
        let stacked = across(upright) < panels.min(3) && height * rows > 300.0;
        let roles = matches!(map.x, Axis::Role(_));
        let too_long = longest > if roles { UPRIGHT_ROLE } else { UPRIGHT };
        let turned = has_texts && (too_long || upright * columns > 620.0 || stacked);
        let width = if !grid.texts().is_empty() {
            let written = widest(grid.texts().iter().map(String::as_str), SMALL).min(WRITTEN) + 8.0;
            if turned { written } else { written.max(upright) }
        } else if has_texts && !turned {
            upright
        } else {
            let widest_cell = if has_texts { 40.0 } else { 30.0 };
            let side_by_side = panels.clamp(1, 3) as f64;
            let room = ((PAGE - row_labels) / side_by_side - BETWEEN - beside).min(560.0);
            (room / columns).clamp(14.0, widest_cell).floor()
        };
        // Numbers, and beneath them texts; a role has no number.
        let numbers = if roles { 4.0 } else { 16.0 };
        let column_labels = match (has_texts, turned) {
            (false, _) => numbers,
            (true, false) => numbers + LABEL * 1.5,
            (true, true) => numbers + 2.0 + longest.min(TURNED) + 4.0,
        };
        Layout {
            cell: (width, height),
            panel: (width * columns, height * rows),
            across: across(width),
            turned,
            row_labels,
            column_labels,
            gap: gap(width),
            overhang: ((titles - width * columns) / 2.0).max(0.0),
        }
    }

    /// How wide a panel's title may be.
    fn title(&self) -> f64 {
        (self.panel.0 + 2.0 * self.overhang).max(80.0)
    }
}

pub(super) fn draw(grid: &Grid, map: &HeatMap) -> Result<Figure, FigureError> {
    let of_all = grid.range().unwrap_or_default();
    let bars: Vec<ScaleBar> = (0..grid.panels.len())
        .map(|panel| if map.own_scales { grid.range_of(panel) } else { Some(of_all) })
        .map(|range| range.unwrap_or(of_all))
        .map(|(lowest, highest)| ScaleBar::of(map.scale.fit(lowest, highest), map))
        .collect();
    let bar_width = bars.iter().map(ScaleBar::width).fold(0.0, f64::max);
    let layout = Layout::of(grid, map, if map.own_scales { BESIDE + bar_width } else { 0.0 });
    let marks = MarkKey::of(grid, map);
    let mut drawing = Drawing::default();

    let y_title = TITLE * 1.7;
    let left = MARGIN + y_title + layout.row_labels;
    let across = layout.across as f64;
    let panels_width = across * layout.panel.0 + (across - 1.0) * layout.gap;
    let bar_left = left + panels_width + BESIDE + layout.overhang;
    // A small map may grow a little for a caption that would else be broken.
    let content = bar_left + bar_width.max(marks.width());
    let width = content.max((MARGIN + map.caption.width()).min(CAPTION)) + MARGIN;

    let top = map.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 10.0;
    let titled = grid.panels.iter().any(|title| !title.is_empty());
    let panel_title = if titled { TITLE * 1.8 } else { TITLE * 1.2 };
    let pitch = panel_title + layout.panel.1 + layout.column_labels + 12.0;
    let (mut bottom, mut bars_bottom) = (top, top);
    for (panel, bar) in bars.iter().enumerate() {
        let (row, column) = (panel / layout.across, panel % layout.across);
        let at = (
            left + column as f64 * (layout.panel.0 + layout.gap),
            top + row as f64 * pitch + panel_title,
        );
        let title = font::elide(&grid.panels[panel], TITLE, layout.title());
        let above = (at.0 + layout.panel.0 / 2.0, at.1 - TITLE * 0.6);
        drawing.text(above, &title, TITLE, Anchor::Middle, INK);
        cells::draw(&mut drawing, grid, map, layout.cell, bar.scale(), panel, at);
        draw_columns(&mut drawing, grid, &layout, at);
        if column == 0 {
            draw_rows(&mut drawing, grid, &layout, at);
            let y = at.1 + layout.panel.1 / 2.0;
            let x = MARGIN + TITLE * 0.8;
            drawing.text_upwards((x, y), &map.rows, TITLE, Anchor::Middle, INK);
        }
        bottom = at.1 + layout.panel.1 + layout.column_labels;
        if map.own_scales {
            let beside = (at.0 + layout.panel.0 + BESIDE + layout.overhang, at.1);
            bars_bottom = bar.draw(&mut drawing, beside, layout.panel.1);
        }
    }
    bottom += TITLE * 1.4;
    let center = left + panels_width / 2.0;
    let title = map.columns.as_deref().unwrap_or(map.x.title());
    drawing.text((center, bottom), title, TITLE, Anchor::Middle, INK);

    if let (false, Some(bar)) = (map.own_scales, bars.first()) {
        bars_bottom = bar.draw(&mut drawing, (bar_left, top + panel_title), layout.panel.1);
    }
    let marks_left = if map.own_scales {
        let column = (grid.panels.len() - 1) % layout.across;
        bar_left - (layout.across - 1 - column) as f64 * (layout.panel.0 + layout.gap)
    } else {
        bar_left
    };
    let marks_bottom = marks.draw(&mut drawing, marks_left, bars_bottom);
    let letters = depth::letters(&grid.rows);
    for line in font::wrap(&letters, LABEL, width - 2.0 * MARGIN, 3) {
        if !line.is_empty() {
            bottom += LABEL * 1.8;
            drawing.text((MARGIN, bottom), &line, LABEL, Anchor::Start, FAINT);
        }
    }
    let height = bottom.max(marks_bottom) + MARGIN * 0.8;
    drawing.finish(map.caption.title(), (width, height))
}

fn draw_rows(drawing: &mut Drawing, grid: &Grid, layout: &Layout, at: (f64, f64)) {
    let size = LABEL.min(layout.cell.1 * 0.92).max(SMALL);
    let layers: Vec<Option<i64>> = grid.rows.iter().map(|row| row.layer).collect();
    let stride = depth::stride(&layers, size * 1.05, layout.cell.1);
    for row in (0..grid.rows.len()).step_by(stride) {
        let y = at.1 + (grid.above(row) as f64 + 0.5) * layout.cell.1 + middle(size);
        drawing.text((at.0 - 6.0, y), &grid.row(row), size, Anchor::End, INK);
    }
}

fn draw_columns(drawing: &mut Drawing, grid: &Grid, layout: &Layout, at: (f64, f64)) {
    let (cell_width, bottom) = (layout.cell.0, at.1 + layout.panel.1);
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let numbers: Vec<String> = grid.columns.iter().map(|column| number(column.number)).collect();
    // Roles have no numbers, and so their texts begin higher.
    let texts_at =
        bottom + if grid.columns.iter().any(|column| column.number.is_some()) { 13.0 } else { 1.0 };
    let need = widest(numbers.iter().map(String::as_str), SMALL) + 12.0;
    let stride = every(need, cell_width);
    for (index, (column, number)) in grid.columns.iter().zip(&numbers).enumerate() {
        let x = at.0 + (index as f64 + 0.5) * cell_width;
        if index.is_multiple_of(stride) && !number.is_empty() {
            drawing.text((x, bottom + 12.0), number, SMALL, Anchor::Middle, FAINT);
        }
        if column.text.is_empty() {
            continue;
        }
        if layout.turned {
            let text = font::elide(&column.text, LABEL, TURNED);
            let from = (x + middle(LABEL), texts_at + 5.0);
            drawing.text_upwards(from, &text, LABEL, Anchor::End, INK);
        } else {
            let from = (x, texts_at + LABEL * 1.3);
            drawing.text(from, &column.text, LABEL, Anchor::Middle, INK);
        }
    }
}
