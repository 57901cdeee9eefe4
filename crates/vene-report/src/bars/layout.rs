//! Where everything of a bar chart stands on the page.

use super::Bars;
use super::axis::ValueAxis;
use super::series::Series;
use crate::color::qualitative;
use crate::depth::{self, DepthLabel};
use crate::drawing::{Anchor, Drawing, FAINT, INK, PALE, middle, widest};
use crate::page::{CAPTION, LABEL, MARGIN, TITLE};
use crate::{Figure, FigureError, font, key, tick};

/// Between the lines of two references' labels.
const LINE: f64 = 13.0;
/// How reference lines are broken, by their order.
const DASHES: [&str; 3] = ["6 4", "2 3", "8 3 2 3"];

/// The sizes that follow from what is to be shown.
struct Layout {
    /// From one bar to the next.
    step: f64,
    panel: (f64, f64),
    /// Row labels turned, and how many steps from one to the next.
    turned: bool,
    stride: usize,
    left: f64,
    label_room: f64,
}

impl Layout {
    fn of(series: &Series, ticks: &[tick::Tick]) -> Layout {
        let bars = series.places.len() as f64;
        let labels: Vec<String> = series.places.iter().map(super::series::Place::text).collect();
        let longest = widest(labels.iter().map(String::as_str), LABEL);
        let step = (770.0 / bars).clamp(6.0, 40.0);
        let turned = longest + 6.0 > step;
        let layers: Vec<Option<i64>> =
            series.places.iter().map(|place| place.depth.layer).collect();
        let need = if turned { LABEL * 1.15 } else { longest + 6.0 };
        let stride = depth::stride(&layers, need, step);
        let height = if series.panels.len() > 3 { 120.0 } else { 150.0 };
        let tick_labels = widest(ticks.iter().map(|tick| tick.label.as_str()), LABEL);
        Layout {
            step,
            panel: ((step * bars).max(260.0), height),
            turned,
            stride,
            left: MARGIN + TITLE * 1.7 + tick_labels + 10.0,
            label_room: if turned { longest + 10.0 } else { LABEL * 1.6 },
        }
    }

    /// The middle of a bar.
    fn center(&self, bars: usize, index: usize) -> f64 {
        self.left + self.panel.0 / 2.0 + (index as f64 + 0.5 - bars as f64 / 2.0) * self.step
    }
}

pub(super) fn draw(series: &Series, bars: &Bars) -> Result<Figure, FigureError> {
    let all = series.values.iter().chain(&series.references).copied().flatten();
    let axis = ValueAxis::fit(bars.scale, all);
    let ticks = axis.ticks();
    let layout = Layout::of(series, &ticks);
    let components = components(series);

    let notes: Vec<String> = (0..series.panels.len())
        .flat_map(|panel| references(series, bars, panel).into_iter().map(|(_, text)| text))
        .collect();
    let right = widest(notes.iter().map(String::as_str), LABEL) + 8.0;
    let content = layout.left + layout.panel.0 + right;
    let width = content.max((MARGIN + bars.caption.width()).min(CAPTION)) + MARGIN;

    let mut drawing = Drawing::default();
    let mut y = bars.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 12.0;
    y = draw_key(&mut drawing, &components, y, width) + 4.0;
    let first = y;
    for panel in 0..series.panels.len() {
        let title = series.panels.get(panel).map(String::as_str).unwrap_or_default();
        if !title.is_empty() {
            y += TITLE * 1.3;
            let title = font::elide(title, TITLE, layout.panel.0);
            let center = layout.left + layout.panel.0 / 2.0;
            drawing.text((center, y), &title, TITLE, Anchor::Middle, INK);
        }
        y += TITLE * 0.6;
        draw_frame(&mut drawing, &axis, &ticks, &layout, y);
        draw_bars(&mut drawing, series, panel, &axis, &components, &layout, y);
        draw_references(&mut drawing, series, bars, panel, &axis, &layout, y);
        y += layout.panel.1 + 6.0;
    }
    let middle_of_panels = (first + y) / 2.0;
    let value_title = bars.value_title.as_deref().unwrap_or(&bars.value);
    let at = (MARGIN + TITLE * 0.8, middle_of_panels);
    drawing.text_upwards(at, value_title, TITLE, Anchor::Middle, INK);

    draw_places(&mut drawing, series, &layout, y - 6.0);
    y += layout.label_room + TITLE;
    let x_title = x_title(series, bars);
    let center = layout.left + layout.panel.0 / 2.0;
    drawing.text((center, y), &x_title, TITLE, Anchor::Middle, INK);
    for note in footnotes(series, &axis) {
        y += LABEL * 1.8;
        drawing.text((MARGIN, y), &note, LABEL, Anchor::Start, FAINT);
    }
    drawing.finish(bars.caption.title(), (width, (y + MARGIN * 0.8)))
}

/// What the x axis is, and which position is shown.
fn x_title(series: &Series, bars: &Bars) -> String {
    let heads = series.places.iter().any(|place| place.head.is_some());
    let axis = if heads { "layer and head" } else { "layer" };
    let Some(position) = series.position else { return axis.to_owned() };
    let token = usize::try_from(position).ok().and_then(|index| bars.tokens.get(index));
    let token = token.map_or_else(String::new, |token| format!(" ({token})"));
    format!("{axis}, at position {position}{token}")
}

/// The components shown, in order of depth: each has a colour.
fn components(series: &Series) -> Vec<(String, String)> {
    let depths: Vec<DepthLabel> = series.places.iter().map(|place| place.depth.clone()).collect();
    depth::key(&depths)
}

fn fill(components: &[(String, String)], depth: &DepthLabel) -> &'static str {
    let index = components.iter().position(|(_, name)| *name == depth.component);
    qualitative(index.unwrap_or_default())
}

/// Which colour is which component; returns where it ends.
fn draw_key(drawing: &mut Drawing, components: &[(String, String)], top: f64, width: f64) -> f64 {
    let text = |(letters, name): &(String, String)| {
        if letters.is_empty() { name.clone() } else { format!("{letters} = {name}") }
    };
    let texts: Vec<String> = components.iter().map(text).collect();
    key::draw(drawing, &texts, top, width, |drawing, index, at| {
        drawing.rectangle(at, (key::MARK, key::MARK), qualitative(index), "");
    })
}

fn draw_frame(
    drawing: &mut Drawing,
    axis: &ValueAxis,
    ticks: &[tick::Tick],
    layout: &Layout,
    top: f64,
) {
    let (left, right) = (layout.left, layout.left + layout.panel.0);
    let height = |up: f64| top + layout.panel.1 * (1.0 - up);
    drawing.open("axis", "");
    for minor in axis.minor() {
        drawing.line((left - 3.0, height(minor)), (left, height(minor)), "#a8a8a8", 1.0, "");
    }
    for tick in ticks {
        let Some(up) = axis.up(tick.value) else { continue };
        let y = height(up);
        drawing.line((left - 5.0, y), (right, y), PALE, 1.0, "");
        let at = (left - 8.0, y + middle(LABEL));
        drawing.text(at, &tick.label, LABEL, Anchor::End, INK);
    }
    drawing.close();
}

fn draw_bars(
    drawing: &mut Drawing,
    series: &Series,
    panel: usize,
    axis: &ValueAxis,
    components: &[(String, String)],
    layout: &Layout,
    top: f64,
) {
    let foot = top + layout.panel.1;
    let width = (layout.step * 0.8).max(layout.step - 6.0);
    let start = axis.start();
    drawing.open("bars", "");
    for (index, (place, value)) in series.panel(panel).enumerate() {
        let center = layout.center(series.places.len(), index);
        let color = fill(components, &place.depth);
        match value.map(|value| (value, axis.up(value))) {
            Some((value, Some(up))) => {
                let (lower, upper) = (up.min(start), up.max(start));
                let y = top + layout.panel.1 * (1.0 - upper);
                let size = (width, layout.panel.1 * (upper - lower));
                let hint = format!("{}: {}", place.text(), tick::brief(value));
                drawing.rectangle((center - width / 2.0, y), size, color, &hint);
            }
            // Below the floor: a mark that points down to where it would be.
            Some((_, None)) => {
                let half = (width / 2.0).min(5.0);
                let up = foot - 2.0 - half * 1.5;
                drawing.polygon(
                    &[(center - half, up), (center + half, up), (center, foot - 2.0)],
                    color,
                );
            }
            None => {
                let half = (width / 2.0).min(4.0);
                let (upper, lower) = (foot - 2.0 - 2.0 * half, foot - 2.0);
                let (left, right) = (center - half, center + half);
                drawing.line((left, upper), (right, lower), FAINT, 1.2, "");
                drawing.line((left, lower), (right, upper), FAINT, 1.2, "");
            }
        }
    }
    drawing.close();
    drawing.line((layout.left, foot), (layout.left + layout.panel.0, foot), PALE, 1.0, "");
    let zero = top + layout.panel.1 * (1.0 - start);
    drawing.line((layout.left, zero), (layout.left + layout.panel.0, zero), FAINT, 1.0, "");
}

/// The lines of a panel: value and text.
fn references(series: &Series, bars: &Bars, panel: usize) -> Vec<(f64, String)> {
    let values = series.references.iter().skip(panel * bars.references.len());
    let named = bars.references.iter().zip(values);
    named
        .filter_map(|(reference, value)| value.map(|value| (reference, value)))
        .map(|(reference, value)| (value, format!("{} {}", reference.label, tick::brief(value))))
        .collect()
}

fn draw_references(
    drawing: &mut Drawing,
    series: &Series,
    bars: &Bars,
    panel: usize,
    axis: &ValueAxis,
    layout: &Layout,
    top: f64,
) {
    let right = layout.left + layout.panel.0;
    let mut labels = Vec::new();
    drawing.open("references", "");
    for (index, (value, text)) in references(series, bars, panel).into_iter().enumerate() {
        // A reference below the floor has its label at the foot, but no line.
        let y = top + layout.panel.1 * (1.0 - axis.up(value).unwrap_or(0.0));
        if axis.up(value).is_some() {
            let dashes = DASHES[index % DASHES.len()];
            // A halo keeps the line visible before bars of any colour.
            drawing.line((layout.left, y), (right, y), "#ffffff", 3.0, "");
            drawing.line((layout.left, y), (right, y), INK, 1.4, dashes);
        }
        labels.push((y, text));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Labels that would overlap are pushed apart downwards, then as a whole back into the panel.
    for index in 1..labels.len() {
        labels[index].0 = labels[index].0.max(labels[index - 1].0 + LINE);
    }
    let excess = labels.last().map_or(0.0, |(y, _)| (y - top - layout.panel.1).max(0.0));
    for (y, text) in &labels {
        let at = (right + 6.0, y - excess + middle(LABEL));
        drawing.text(at, text, LABEL, Anchor::Start, INK);
    }
    drawing.close();
}

fn draw_places(drawing: &mut Drawing, series: &Series, layout: &Layout, foot: f64) {
    for (index, place) in series.places.iter().enumerate().step_by(layout.stride) {
        let center = layout.center(series.places.len(), index);
        drawing.line((center, foot), (center, foot + 4.0), FAINT, 1.0, "");
        if layout.turned {
            let at = (center + middle(LABEL), foot + 7.0);
            drawing.text_upwards(at, &place.text(), LABEL, Anchor::End, INK);
        } else {
            let at = (center, foot + 7.0 + LABEL * 0.8);
            drawing.text(at, &place.text(), LABEL, Anchor::Middle, INK);
        }
    }
}

/// What the marks at the foot mean, where there are any.
fn footnotes(series: &Series, axis: &ValueAxis) -> Vec<String> {
    let mut notes = Vec::new();
    if let ValueAxis::Log { floor, .. } = axis
        && series.values.iter().flatten().any(|value| value < floor)
    {
        notes.push(format!("▼  less than {}, or zero", tick::brief(*floor)));
    }
    if series.values.iter().any(Option::is_none) {
        notes.push("×  no value".to_owned());
    }
    notes
}
