//! Where everything of the strips stands on the page.

use super::Strips;
use super::rows::{Rows, Strip};
use super::{density, swarm};
use crate::color::{distinct, qualitative};
use crate::depth::{self, DepthLabel};
use crate::drawing::{Anchor, Drawing, FAINT, INK, PALE, middle, widest};
use crate::linear_axis::LinearAxis;
use crate::page::{CAPTION, LABEL, MARGIN, MOST_HINTS, TITLE};
use crate::{Figure, FigureError, font, key, tick};

/// From the lowest to the highest number.
const ACROSS: f64 = 560.0;
/// The widest label of a row.
const PLACE: f64 = 260.0;
/// Examples of no group.
const NONE: &str = "#9a9a9a";

struct Layout {
    /// The height of a strip, and the radius of a dot in it.
    strip: f64,
    dot: f64,
    left: f64,
    /// Room for the numbers on the right.
    numbers: f64,
}

impl Layout {
    fn of(rows: &Rows, strips: &Strips) -> Layout {
        let count = rows.strips.len() as f64;
        let most = rows.strips.iter().map(|strip| strip.dots.len()).max().unwrap_or_default();
        let places: Vec<String> = rows.strips.iter().map(|strip| strip.place.text()).collect();
        let places = widest(places.iter().map(String::as_str), LABEL).min(PLACE);
        let texts: Vec<String> = rows.strips.iter().map(numbers).collect();
        let texts = texts.iter().map(String::as_str);
        Layout {
            strip: (500.0 / count).clamp(18.0, 40.0).floor(),
            // Few dots are large enough to be seen behind an interval's line.
            dot: match most {
                0..=30 => 4.0,
                31..=100 => 2.8,
                _ => 2.1,
            },
            left: MARGIN + places + 12.0,
            numbers: widest(texts.chain([header(strips).as_str()]), LABEL),
        }
    }
}

pub(super) fn draw(rows: &Rows, strips: &Strips) -> Result<Figure, FigureError> {
    let dots = rows.strips.iter().flat_map(|strip| &strip.dots).map(|dot| dot.effect);
    let ends = rows.strips.iter().filter_map(|strip| strip.interval);
    let means = rows.strips.iter().map(|strip| strip.mean);
    let axis = LinearAxis::fit(dots.chain(ends.flat_map(|(low, high)| [low, high])).chain(means));
    let layout = Layout::of(rows, strips);
    let right = layout.left + ACROSS;
    let content = right + 14.0 + layout.numbers;
    let width = content.max((MARGIN + strips.caption.width()).min(CAPTION)) + MARGIN;

    let mut drawing = Drawing::default();
    let top = strips.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 12.0;
    let top = draw_key(&mut drawing, rows, strips, top, width) + LABEL * 2.4;
    let foot = top + layout.strip * rows.strips.len() as f64;
    let above = (right + 14.0, top - LABEL * 0.6);
    drawing.text(above, &header(strips), LABEL, Anchor::Start, FAINT);
    draw_axis(&mut drawing, &axis, &layout, top, foot);
    let count: usize = rows.strips.iter().map(|strip| strip.dots.len()).sum();
    for (index, strip) in rows.strips.iter().enumerate() {
        let y = top + (index as f64 + 0.5) * layout.strip;
        let place = font::elide(&strip.place.text(), LABEL, PLACE);
        let label = (layout.left - 12.0, y + middle(LABEL));
        drawing.text(label, &place, LABEL, Anchor::End, INK);
        if rows.is_dense() {
            let line = density::Line { left: layout.left, across: ACROSS, y };
            density::draw(&mut drawing, &strip.dots, &axis, &line, layout.strip / 2.0 - 1.5);
        } else {
            draw_dots(&mut drawing, rows, strip, &axis, &layout, y, count <= MOST_HINTS);
        }
        draw_mean(&mut drawing, strip, &axis, &layout, y);
        let at = (right + 14.0, y + middle(LABEL));
        drawing.text(at, &numbers(strip), LABEL, Anchor::Start, INK);
    }

    let title = strips.value_title.as_deref().unwrap_or(&strips.effect);
    let mut y = foot + LABEL * 1.6 + TITLE * 1.6;
    drawing.text((layout.left + ACROSS / 2.0, y), title, TITLE, Anchor::Middle, INK);
    for note in notes(rows, strips) {
        for line in font::wrap(&note, LABEL, width - 2.0 * MARGIN, 3) {
            y += LABEL * 1.8;
            drawing.text((MARGIN, y), &line, LABEL, Anchor::Start, FAINT);
        }
    }
    drawing.finish(strips.caption.title(), (width, (y + MARGIN * 0.8)))
}

/// What stands above the numbers on the right.
fn header(strips: &Strips) -> String {
    match &strips.interval {
        Some(interval) => format!("mean [{}]", interval.name),
        None => "mean".to_owned(),
    }
}

fn numbers(strip: &Strip) -> String {
    match strip.interval {
        Some((low, high)) => {
            let texts = tick::alike(&[strip.mean, low, high]);
            format!("{} [{}, {}]", texts[0], texts[1], texts[2])
        }
        None => tick::alike(&[strip.mean]).concat(),
    }
}

/// The colour of a group's dots.
fn color(rows: &Rows, group: Option<usize>) -> &'static str {
    let Some(group) = group else { return qualitative(0) };
    let named = |group: &&Option<String>| group.is_some();
    match rows.groups.get(group) {
        Some(Some(_)) => distinct(rows.groups[..group].iter().filter(named).count()),
        _ => NONE,
    }
}

/// Which colour is which group, and what stands on the dots; returns where it ends.
fn draw_key(drawing: &mut Drawing, rows: &Rows, strips: &Strips, top: f64, width: f64) -> f64 {
    let groups = if rows.is_dense() { [].iter() } else { rows.groups.iter() };
    let mut texts: Vec<String> =
        groups.map(|group| group.clone().unwrap_or_else(|| "no group".to_owned())).collect();
    if rows.is_dense() {
        texts.push("number of examples by their effect (each row to its own scale), and the effects' range".to_owned());
    } else if texts.is_empty() {
        texts.push("an example".to_owned());
    }
    let dots = texts.len();
    texts.push(match &strips.interval {
        Some(interval) => format!("mean and its {}", interval.name),
        None => "mean".to_owned(),
    });
    key::draw(drawing, &texts, top, width, |drawing, index, at| {
        let center = (at.0 + key::MARK / 2.0, at.1 + key::MARK / 2.0);
        if index < dots && rows.is_dense() {
            density::draw_key(drawing, center);
        } else if index < dots {
            let group = (!rows.groups.is_empty()).then_some(index);
            drawing.circle(center, 3.6, color(rows, group), "");
        } else {
            if strips.interval.is_some() {
                let (from, to) = ((at.0 - 2.0, center.1), (at.0 + key::MARK + 2.0, center.1));
                drawing.line(from, to, INK, 1.6, "");
            }
            diamond(drawing, center, 4.0, INK);
        }
    })
}

fn draw_axis(drawing: &mut Drawing, axis: &LinearAxis, layout: &Layout, top: f64, foot: f64) {
    drawing.open("axis", "");
    for tick in axis.ticks(7) {
        let x = layout.left + ACROSS * axis.along(tick.value);
        drawing.line((x, top), (x, foot + 5.0), PALE, 1.0, "");
        let at = (x, foot + LABEL * 1.6);
        drawing.text(at, &tick.label, LABEL, Anchor::Middle, INK);
    }
    let zero = layout.left + ACROSS * axis.along(0.0);
    drawing.line((zero, top), (zero, foot + 5.0), FAINT, 1.2, "");
    drawing.close();
}

fn draw_dots(
    drawing: &mut Drawing,
    rows: &Rows,
    strip: &Strip,
    axis: &LinearAxis,
    layout: &Layout,
    y: f64,
    hints: bool,
) {
    let along: Vec<f64> =
        strip.dots.iter().map(|dot| layout.left + ACROSS * axis.along(dot.effect)).collect();
    let half = layout.strip / 2.0 - layout.dot - 1.0;
    let offsets = swarm::offsets(&along, 2.0 * layout.dot, half);
    drawing.open("dots", r#" fill-opacity="0.55""#);
    for ((dot, x), offset) in strip.dots.iter().zip(along).zip(offsets) {
        let hint = if hints {
            let group = rows.group(dot).and_then(|group| rows.groups.get(group).cloned().flatten());
            let group = group.map_or_else(String::new, |group| format!(", {group}"));
            format!("example {}{group}: {}", dot.example, tick::brief(dot.effect))
        } else {
            String::new()
        };
        drawing.circle((x, y + offset), layout.dot, color(rows, rows.group(dot)), &hint);
    }
    drawing.close();
}

/// The mean and its interval, with a halo that keeps them visible before dots of any colour.
fn draw_mean(drawing: &mut Drawing, strip: &Strip, axis: &LinearAxis, layout: &Layout, y: f64) {
    let x = |value: f64| layout.left + ACROSS * axis.along(value);
    drawing.open("mean", "");
    if let Some((low, high)) = strip.interval {
        drawing.line((x(low) - 1.0, y), (x(high) + 1.0, y), "#ffffff", 3.2, "");
        drawing.line((x(low), y), (x(high), y), INK, 1.6, "");
    }
    diamond(drawing, (x(strip.mean), y), 5.4, "#ffffff");
    diamond(drawing, (x(strip.mean), y), 4.0, INK);
    drawing.close();
}

fn diamond(drawing: &mut Drawing, (x, y): (f64, f64), half: f64, fill: &str) {
    drawing.polygon(&[(x - half, y), (x, y - half), (x + half, y), (x, y + half)], fill);
}

/// What is shown, of how much; and what the letters of the labels stand for.
fn notes(rows: &Rows, strips: &Strips) -> Vec<String> {
    let examples = match rows.examples {
        1 => "1 example".to_owned(),
        count => format!("{count} examples"),
    };
    let shown = rows.strips.len();
    let mean = if strips.mean == "mean" { "mean".to_owned() } else { format!("`{}`", strips.mean) };
    let mut notes = vec![if shown < rows.cells {
        format!(
            "the {shown} of {} cells whose {mean} is largest, of either sign; {examples}",
            rows.cells
        )
    } else {
        examples
    }];
    if rows.is_dense() && !rows.groups.is_empty() {
        notes.push(
            "groups are not told apart: there are too many examples for a dot each".to_owned(),
        );
    }
    match rows.lost {
        0 => {}
        1 => notes.push("1 effect is no number and not shown".to_owned()),
        lost => notes.push(format!("{lost} effects are no numbers and not shown")),
    }
    let depths: Vec<DepthLabel> =
        rows.strips.iter().map(|strip| strip.place.depth.clone()).collect();
    let letters = depth::letters(&depths);
    if !letters.is_empty() {
        notes.push(letters);
    }
    notes
}
