//! Where everything of a profile stands on the page.

use super::lines::{Lines, Point};
use super::{Along, Profile};
use crate::color::{DISTINCT, distinct};
use crate::drawing::{Anchor, Drawing, FAINT, INK, PALE, every, middle, widest};
use crate::linear_axis::LinearAxis;
use crate::page::{CAPTION, LABEL, MARGIN, MOST_HINTS, PAGE, SMALL, TITLE};
use crate::{Figure, FigureError, font, key, tick};

const HEIGHT: f64 = 220.0;
const BETWEEN: f64 = 22.0;
/// Of an axis of numbers, the room beyond its ends, as a share of the panel.
const BEYOND: f64 = 0.04;
/// A panel whose x are numbers.
const NUMBERS: f64 = 320.0;
/// More layers than this have no room for a dot each.
const MOST_DOTS: f64 = 48.0;
/// How lines beyond the colours are broken.
const DASHES: [&str; 3] = ["", "6 3", "2 2"];

/// A line's colour and dashes.
fn stroke(name: usize) -> (&'static str, &'static str) {
    (distinct(name), DASHES[name / DISTINCT % DASHES.len()])
}

struct Layout<'a> {
    left: f64,
    panel: f64,
    across: usize,
    ends: (f64, f64),
    along: &'a Along,
}

impl<'a> Layout<'a> {
    fn of(lines: &Lines, profile: &'a Profile, ticks: &[tick::Tick]) -> Layout<'a> {
        let labels = widest(ticks.iter().map(|tick| tick.label.as_str()), LABEL);
        let left = MARGIN + TITLE * 1.7 + labels + 10.0;
        let across = lines.panels.len().clamp(1, 3);
        let room = (PAGE - left - BETWEEN * (across as f64 - 1.0)) / across as f64;
        let wanted = match profile.along {
            Along::Layers => (lines.ends.1 - lines.ends.0 + 1.0) * 24.0,
            Along::Numbers { .. } => NUMBERS,
        };
        let panel = wanted.clamp(220.0, room.min(520.0)).floor();
        Layout { left, panel, across, ends: lines.ends, along: &profile.along }
    }

    /// How far right of a panel's left edge an x has its place. A layer's is half a step from the edge.
    fn x(&self, x: f64) -> f64 {
        let (first, last) = self.ends;
        let along = match self.along {
            Along::Layers => (x - first + 0.5) / self.count(),
            Along::Numbers { .. } if last > first => {
                // Halves first: the span of an axis of huge numbers must not overflow.
                let share = (x / 2.0 - first / 2.0) / (last / 2.0 - first / 2.0);
                BEYOND + (1.0 - 2.0 * BEYOND) * share
            }
            Along::Numbers { .. } => 0.5,
        };
        self.panel * along
    }

    /// How many layers there are.
    fn count(&self) -> f64 {
        self.ends.1 - self.ends.0 + 1.0
    }

    /// The marks of the x axis.
    fn ticks(&self) -> Vec<tick::Tick> {
        let (first, last) = self.ends;
        if let Along::Numbers { .. } = self.along {
            return match last > first {
                true => tick::linear(first, last, 6),
                false => vec![tick::Tick { value: first, label: tick::brief(first) }],
            };
        }
        let widest_number = font::width(&last.to_string(), SMALL);
        let stride = every(widest_number + 8.0, self.panel / self.count()) as f64;
        let count = ((last - first) / stride).clamp(0.0, 10_000.0) as usize;
        let layers = (0..=count).map(|step| first + step as f64 * stride);
        layers.map(|layer| tick::Tick { value: layer, label: layer.to_string() }).collect()
    }
}

pub(super) fn draw(lines: &Lines, profile: &Profile) -> Result<Figure, FigureError> {
    let ends = lines.points().filter_map(|point| point.interval);
    let values = lines.points().map(|point| point.value);
    let axis = LinearAxis::fit(values.chain(ends.flat_map(|(low, high)| [low, high])));
    let ticks = axis.ticks(5);
    let layout = Layout::of(lines, profile, &ticks);
    let across = layout.across as f64;
    let content = layout.left + across * layout.panel + (across - 1.0) * BETWEEN;
    let width = content.max((MARGIN + profile.caption.width()).min(CAPTION)) + MARGIN;

    let mut drawing = Drawing::default();
    let top = profile.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 12.0;
    let top = draw_key(&mut drawing, lines, profile, top, width) + 10.0;
    let titled = lines.panels.iter().any(|title| !title.is_empty());
    let panel_title = if titled { TITLE * 1.8 } else { TITLE * 0.6 };
    let pitch = panel_title + HEIGHT + LABEL * 1.6 + 12.0;
    let mut bottom = top;
    for (panel, title) in lines.panels.iter().enumerate() {
        let (row, column) = (panel / layout.across, panel % layout.across);
        let at = (
            layout.left + column as f64 * (layout.panel + BETWEEN),
            top + row as f64 * pitch + panel_title,
        );
        let title = font::elide(title, TITLE, layout.panel);
        let above = (at.0 + layout.panel / 2.0, at.1 - TITLE * 0.6);
        drawing.text(above, &title, TITLE, Anchor::Middle, INK);
        draw_frame(&mut drawing, &axis, &ticks, &layout, column == 0, at);
        draw_bands(&mut drawing, lines, panel, &axis, &layout, at);
        draw_lines(&mut drawing, lines, panel, &axis, &layout, at);
        if column == 0 {
            let value_title = profile.value_title.as_deref().unwrap_or(&profile.value);
            let y_title = (MARGIN + TITLE * 0.8, at.1 + HEIGHT / 2.0);
            let value_title = font::elide(value_title, TITLE, HEIGHT + panel_title);
            drawing.text_upwards(y_title, &value_title, TITLE, Anchor::Middle, INK);
        }
        bottom = at.1 + HEIGHT + LABEL * 1.6;
    }
    bottom += TITLE * 1.4;
    let center = layout.left + (content - layout.left) / 2.0;
    drawing.text((center, bottom), profile.along.title(), TITLE, Anchor::Middle, INK);
    drawing.finish(profile.caption.title(), (width, (bottom + MARGIN * 0.8)))
}

/// Which line is which; returns where it ends.
fn draw_key(drawing: &mut Drawing, lines: &Lines, profile: &Profile, top: f64, width: f64) -> f64 {
    let mut texts = lines.names.clone();
    let bands = lines.points().any(|point| point.interval.is_some());
    if let (true, Some(interval)) = (bands, &profile.interval) {
        texts.push(interval.name.clone());
    }
    key::draw(drawing, &texts, top, width, |drawing, index, at| {
        let y = at.1 + key::MARK / 2.0;
        if index < lines.names.len() {
            let (color, dashes) = stroke(index);
            drawing.line((at.0, y), (at.0 + key::MARK + 3.0, y), color, 2.2, dashes);
        } else {
            drawing.rectangle(at, (key::MARK, key::MARK), "#d4d4d4", "");
        }
    })
}

fn draw_frame(
    drawing: &mut Drawing,
    axis: &LinearAxis,
    ticks: &[tick::Tick],
    layout: &Layout,
    labelled: bool,
    at: (f64, f64),
) {
    let (left, right, foot) = (at.0, at.0 + layout.panel, at.1 + HEIGHT);
    let height = |value: f64| foot - HEIGHT * axis.along(value);
    drawing.open("axis", "");
    for tick in ticks {
        let y = height(tick.value);
        drawing.line((left, y), (right, y), PALE, 1.0, "");
        if labelled {
            let label = (left - 8.0, y + middle(LABEL));
            drawing.text(label, &tick.label, LABEL, Anchor::End, INK);
        }
    }
    drawing.line((left, height(0.0)), (right, height(0.0)), FAINT, 1.0, "");
    if *layout.along != Along::Layers && layout.ends.0 < 0.0 && layout.ends.1 > 0.0 {
        let x = left + layout.x(0.0);
        drawing.line((x, at.1), (x, foot), PALE, 1.0, "");
    }
    for tick in layout.ticks() {
        let x = left + layout.x(tick.value);
        drawing.line((x, foot), (x, foot + 4.0), FAINT, 1.0, "");
        let label = (x, foot + 6.0 + SMALL);
        drawing.text(label, &tick.label, SMALL, Anchor::Middle, INK);
    }
    drawing.close();
}

/// Stretches of points without a gap between their layers; numbers have no gaps.
fn stretches<'a>(along: &Along, line: &'a [Point]) -> impl Iterator<Item = &'a [Point]> {
    let layers = *along == Along::Layers;
    line.chunk_by(move |one, next| !layers || one.x + 1.0 == next.x)
}

fn draw_bands(
    drawing: &mut Drawing,
    lines: &Lines,
    panel: usize,
    axis: &LinearAxis,
    layout: &Layout,
    at: (f64, f64),
) {
    let y = |value: f64| at.1 + HEIGHT * (1.0 - axis.along(value));
    drawing.open("bands", r#" fill-opacity="0.18""#);
    for name in 0..lines.names.len() {
        let line = lines.line(panel, name);
        let known = stretches(layout.along, line).flat_map(|points| {
            points.chunk_by(|one, next| one.interval.is_some() == next.interval.is_some())
        });
        for points in known {
            let ends = points.iter().filter_map(|point| {
                point.interval.map(|(low, high)| (at.0 + layout.x(point.x), y(low), y(high)))
            });
            let ends: Vec<(f64, f64, f64)> = ends.collect();
            let (color, _) = stroke(name);
            match ends[..] {
                [] => {}
                // A single layer has no area: an upright bar stands for its band.
                [(x, low, high)] => {
                    drawing.rectangle((x - 2.0, high), (4.0, low - high), color, "");
                }
                _ => {
                    let lower = ends.iter().map(|(x, low, _)| (*x, *low));
                    let upper = ends.iter().rev().map(|(x, _, high)| (*x, *high));
                    drawing.polygon(&lower.chain(upper).collect::<Vec<_>>(), color);
                }
            }
        }
    }
    drawing.close();
}

fn draw_lines(
    drawing: &mut Drawing,
    lines: &Lines,
    panel: usize,
    axis: &LinearAxis,
    layout: &Layout,
    at: (f64, f64),
) {
    let dots = *layout.along != Along::Layers || layout.count() <= MOST_DOTS;
    let hints = lines.points().count() <= MOST_HINTS;
    let place =
        |point: &Point| (at.0 + layout.x(point.x), at.1 + HEIGHT * (1.0 - axis.along(point.value)));
    drawing.open("lines", "");
    for (index, name) in lines.names.iter().enumerate() {
        let (color, dashes) = stroke(index);
        for points in stretches(layout.along, lines.line(panel, index)) {
            if points.len() > 1 {
                let places: Vec<(f64, f64)> = points.iter().map(place).collect();
                drawing.polyline(&places, color, 1.8, dashes);
            }
            for point in points.iter().filter(|_| dots || points.len() == 1) {
                let hint = if hints { words(name, point, layout.along) } else { String::new() };
                drawing.circle(place(point), 2.4, color, &hint);
            }
        }
    }
    drawing.close();
}

fn words(name: &str, point: &Point, along: &Along) -> String {
    let value = tick::brief(point.value);
    let interval = match point.interval {
        Some((low, high)) => format!(" [{}, {}]", tick::brief(low), tick::brief(high)),
        None => String::new(),
    };
    format!("{name}, {}: {value}{interval}", along.words(point.x))
}
