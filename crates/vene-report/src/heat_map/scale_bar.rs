//! The colour bar beside a heat map, and beneath it what marks on cells mean.

use super::HeatMap;
use super::cells::{dot_radius, draw_gap};
use super::grid::Grid;
use crate::color::FittedScale;
use crate::drawing::{Anchor, Drawing, FAINT, INK, middle, widest};
use crate::page::{LABEL, TITLE};
use crate::{font, tick};

const BAR: f64 = 14.0;
/// From one entry of the key beneath to the next; from its mark to its text.
const ENTRY: f64 = 20.0;
/// The widest line of a key.
const KEY: f64 = 110.0;

/// A colour bar before it has a place.
pub(super) struct ScaleBar {
    scale: FittedScale,
    ticks: Vec<tick::Tick>,
    title: String,
}

impl ScaleBar {
    pub(super) fn of(scale: FittedScale, map: &HeatMap) -> ScaleBar {
        let title = map.value_title.as_ref().unwrap_or(&map.value).clone();
        ScaleBar { scale, ticks: tick::linear(scale.low, scale.high, 5), title }
    }

    pub(super) fn scale(&self) -> &FittedScale {
        &self.scale
    }

    pub(super) fn width(&self) -> f64 {
        let ticks = self.ticks.iter().map(|tick| tick.label.as_str());
        font::width(&self.title, TITLE).max(BAR + 8.0 + widest(ticks, LABEL))
    }

    /// Draws it beside a panel of this height; returns where it ends.
    pub(super) fn draw(&self, drawing: &mut Drawing, at: (f64, f64), panel: f64) -> f64 {
        let height = panel.clamp(100.0, 260.0);
        let above = (at.0, at.1 - TITLE * 0.6);
        drawing.text(above, &self.title, TITLE, Anchor::Start, INK);
        // A label at the very top would touch the title.
        let highest = self.ticks.last().map_or(0.0, |tick| self.scale.along(tick.value));
        let lowered = if height * (1.0 - highest) < LABEL / 2.0 { LABEL / 2.0 } else { 0.0 };
        let at = (at.0, at.1 + lowered);
        drawing.open("scale", "");
        drawing.gradient(at, (BAR, height), |along| self.scale.color(along));
        for tick in &self.ticks {
            let y = at.1 + height * (1.0 - self.scale.along(tick.value));
            drawing.line((at.0 + BAR, y), (at.0 + BAR + 4.0, y), FAINT, 1.0, "");
            let label = (at.0 + BAR + 8.0, y + middle(LABEL));
            drawing.text(label, &tick.label, LABEL, Anchor::Start, INK);
        }
        drawing.close();
        at.1 + height
    }
}

/// What marks on cells mean, as far as there are any.
pub(super) struct MarkKey {
    gap: bool,
    /// The dot's meaning, in lines; empty where no cell has one.
    dot: Vec<String>,
}

impl MarkKey {
    pub(super) fn of(grid: &Grid, map: &HeatMap) -> MarkKey {
        let cells = grid.cells();
        let dot = match &map.interval {
            Some(interval) if cells.iter().any(|cell| cell.is_open()) => {
                let known = cells.iter().filter(|cell| cell.value.is_some());
                let unknown = known.clone().any(|cell| cell.interval.is_none());
                let text = match (unknown, known.clone().all(|cell| cell.interval.is_none())) {
                    (false, _) => format!("{} includes 0", interval.name),
                    (true, false) => format!("{} includes 0 or is unknown", interval.name),
                    (true, true) => format!("{} is unknown", interval.name),
                };
                font::wrap(&text, LABEL, KEY, 4)
            }
            _ => Vec::new(),
        };
        MarkKey { gap: cells.iter().any(|cell| cell.value.is_none()), dot }
    }

    pub(super) fn width(&self) -> f64 {
        let gap = self.gap.then_some("no value");
        let texts = self.dot.iter().map(String::as_str).chain(gap);
        let widest = widest(texts, LABEL);
        if widest > 0.0 { ENTRY + widest } else { 0.0 }
    }

    /// Draws it from beneath a colour bar; returns where it ends.
    pub(super) fn draw(&self, drawing: &mut Drawing, left: f64, bottom: f64) -> f64 {
        let mut bottom = bottom;
        if self.gap {
            let y = bottom + 16.0;
            draw_gap(drawing, (left, y), (BAR, BAR), "");
            let at = (left + ENTRY, y + BAR / 2.0 + middle(LABEL));
            drawing.text(at, "no value", LABEL, Anchor::Start, INK);
            bottom = y + BAR;
        }
        for (line, text) in self.dot.iter().enumerate() {
            let y = bottom + if line == 0 { 16.0 } else { 0.0 };
            if line == 0 {
                let center = (left + BAR / 2.0, y + BAR / 2.0);
                drawing.circle(center, dot_radius((BAR, BAR)), FAINT, "");
            }
            let at = (left + ENTRY, y + BAR / 2.0 + middle(LABEL));
            drawing.text(at, text, LABEL, Anchor::Start, INK);
            bottom = y + BAR;
        }
        bottom
    }
}
