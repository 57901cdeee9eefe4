//! The few marks that figures are made of, as SVG.

use std::fmt::Write as _;

use crate::error::MOST_BYTES;
use crate::font::{self, FAMILY};
use crate::{Figure, FigureError};

/// Text and axes: nearly black.
pub(crate) const INK: &str = "#1a1a1a";
/// What is read second: notes' names, position numbers.
pub(crate) const FAINT: &str = "#6b6b6b";
/// What is not read at all: gridlines, frames.
pub(crate) const PALE: &str = "#dedede";

/// Where text stands on its point.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A straight stroke: where it begins, and how far it goes right and down.
#[derive(Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) from: (f64, f64),
    pub(crate) by: (f64, f64),
}

/// A page of marks, in CSS pixels from the upper left corner. Later marks cover earlier ones.
#[derive(Default)]
pub(crate) struct Drawing {
    marks: String,
    definitions: String,
}

impl Drawing {
    /// A filled rectangle; `hint`, if not empty, shows where a pointer rests on it.
    pub(crate) fn rectangle(&mut self, at: (f64, f64), size: (f64, f64), fill: &str, hint: &str) {
        let (x, y) = (number(at.0), number(at.1));
        let (width, height) = (number(size.0), number(size.1));
        let open =
            format!(r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}""#);
        let _ = if hint.is_empty() {
            writeln!(self.marks, "{open}/>")
        } else {
            writeln!(self.marks, "{open}><title>{}</title></rect>", escape(hint))
        };
    }

    /// A straight line. `dashes` as in SVG's `stroke-dasharray`; empty for a solid line.
    pub(crate) fn line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        color: &str,
        width: f64,
        dashes: &str,
    ) {
        let (x1, y1, x2, y2) = (number(from.0), number(from.1), number(to.0), number(to.1));
        let width = number(width);
        let _ = write!(
            self.marks,
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}""#
        );
        let _ = if dashes.is_empty() {
            writeln!(self.marks, "/>")
        } else {
            writeln!(self.marks, r#" stroke-dasharray="{dashes}"/>"#)
        };
    }

    /// A straight line that tells `hint` where a pointer rests on it.
    pub(crate) fn hinted_line(
        &mut self,
        (from, to): ((f64, f64), (f64, f64)),
        color: &str,
        width: f64,
        hint: &str,
    ) {
        let (x1, y1, x2, y2) = (number(from.0), number(from.1), number(to.0), number(to.1));
        let (width, hint) = (number(width), escape(hint));
        let _ = writeln!(
            self.marks,
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"><title>{hint}</title></line>"#
        );
    }

    /// A filled polygon.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: &str) {
        let points = corners(points);
        let _ = writeln!(self.marks, r#"<polygon points="{points}" fill="{fill}"/>"#);
    }

    /// A filled circle; `hint` as for rectangles. What its group says of its fill holds where
    /// `fill` is empty.
    pub(crate) fn circle(&mut self, center: (f64, f64), radius: f64, fill: &str, hint: &str) {
        let (x, y, radius) = (number(center.0), number(center.1), number(radius));
        let fill = if fill.is_empty() { String::new() } else { format!(r#" fill="{fill}""#) };
        let open = format!(r#"<circle cx="{x}" cy="{y}" r="{radius}"{fill}"#);
        let _ = if hint.is_empty() {
            writeln!(self.marks, "{open}/>")
        } else {
            writeln!(self.marks, "{open}><title>{}</title></circle>", escape(hint))
        };
    }

    /// A line through points. `dashes` as for straight ones.
    pub(crate) fn polyline(
        &mut self,
        points: &[(f64, f64)],
        color: &str,
        width: f64,
        dashes: &str,
    ) {
        let (points, width) = (corners(points), number(width));
        let dashes = if dashes.is_empty() {
            String::new()
        } else {
            format!(r#" stroke-dasharray="{dashes}""#)
        };
        let _ = writeln!(
            self.marks,
            r#"<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"{dashes}/>"#
        );
    }

    /// Text in one line, its baseline through `at`.
    pub(crate) fn text(
        &mut self,
        at: (f64, f64),
        text: &str,
        size: f64,
        anchor: Anchor,
        color: &str,
    ) {
        self.text_with(at, text, size, anchor, color, "");
    }

    /// Text that reads upwards, its baseline through `at`.
    pub(crate) fn text_upwards(
        &mut self,
        at: (f64, f64),
        text: &str,
        size: f64,
        anchor: Anchor,
        color: &str,
    ) {
        let turn = format!(r#" transform="rotate(-90 {} {})""#, number(at.0), number(at.1));
        self.text_with(at, text, size, anchor, color, &turn);
    }

    fn text_with(
        &mut self,
        at: (f64, f64),
        text: &str,
        size: f64,
        anchor: Anchor,
        color: &str,
        extra: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, size, text) = (number(at.0), number(at.1), number(size), escape(text));
        let _ = writeln!(
            self.marks,
            r#"<text x="{x}" y="{y}" font-size="{size}" fill="{color}"{anchor}{extra}>{text}</text>"#
        );
    }

    /// A rectangle filled from bottom to top with the colours that `color` gives from 0 to 1:
    /// the same colours in every such rectangle of a page.
    pub(crate) fn gradient(
        &mut self,
        at: (f64, f64),
        size: (f64, f64),
        color: impl Fn(f64) -> String,
    ) {
        if self.definitions.is_empty() {
            self.define_gradient(color);
        }
        self.rectangle(at, size, "url(#scale)", "");
    }

    fn define_gradient(&mut self, color: impl Fn(f64) -> String) {
        const STOPS: u32 = 64;
        self.definitions.push_str(r#"<linearGradient id="scale" x1="0" y1="1" x2="0" y2="0">"#);
        for stop in 0..=STOPS {
            let along = f64::from(stop) / f64::from(STOPS);
            let _ = write!(
                self.definitions,
                r#"<stop offset="{}" stop-color="{}"/>"#,
                precise(along),
                color(along)
            );
        }
        self.definitions.push_str("</linearGradient>");
    }

    /// Starts a named group of marks, which [`close`](Self::close) ends.
    pub(crate) fn open(&mut self, class: &str, attributes: &str) {
        let _ = writeln!(self.marks, r#"<g class="{class}"{attributes}>"#);
    }

    /// Ends a group.
    pub(crate) fn close(&mut self) {
        self.marks.push_str("</g>\n");
    }

    /// Strokes of one colour, of as many bytes as thousands can have; their width is their group's.
    pub(crate) fn strokes(&mut self, strokes: &[Stroke], color: &str) {
        let _ = write!(self.marks, r#"<path stroke="{color}" d=""#);
        for Stroke { from: (x, y), by: (right, down) } in strokes {
            let (x, y, right) = (number(*x), number(*y), number(*right));
            let _ = match *down {
                0.0 => write!(self.marks, "M{x} {y}h{right}"),
                down => write!(self.marks, "M{x} {y}l{right} {}", number(down)),
            };
        }
        let _ = writeln!(self.marks, r#""/>"#);
    }

    /// The figure: the whole document on white.
    ///
    /// # Errors
    /// [`FigureError::Heavy`], where a viewer would labour at it.
    pub(crate) fn finish(
        self,
        title: &str,
        (width, height): (f64, f64),
    ) -> Result<Figure, FigureError> {
        let (width, height) = (width.ceil() as u32, height.ceil() as u32);
        let svg = self.document(title, width, height);
        if svg.len() > MOST_BYTES {
            return Err(FigureError::Heavy { bytes: svg.len() });
        }
        Ok(Figure { svg, width, height })
    }

    fn document(self, title: &str, width: u32, height: u32) -> String {
        let title = escape(title);
        let definitions = if self.definitions.is_empty() {
            String::new()
        } else {
            format!("<defs>{}</defs>\n", self.definitions)
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILY}\" xml:space=\"preserve\" \
             role=\"img\">\n<title>{title}</title>\n{definitions}\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.marks
        )
    }
}

/// Points as SVG lists them.
fn corners(points: &[(f64, f64)]) -> String {
    let points: Vec<String> =
        points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
    points.join(" ")
}

/// How far below its middle a line of text of this size has its baseline, so that capitals and
/// figures look centred.
pub(crate) fn middle(size: f64) -> f64 {
    0.36 * size
}

/// The widest of some labels.
pub(crate) fn widest<'a>(labels: impl IntoIterator<Item = &'a str>, size: f64) -> f64 {
    labels.into_iter().map(|label| font::width(label, size)).fold(0.0, f64::max)
}

/// Every how many steps a label may stand, where each needs `need` and a step gives `step`: 1,
/// 2, 5, 10, 20, …
pub(crate) fn every(need: f64, step: f64) -> usize {
    let least = (need / step).ceil().max(1.0);
    let mut decade = 1;
    loop {
        for stride in [1, 2, 5] {
            let stride = stride * decade;
            if stride as f64 >= least || stride > 1_000_000 {
                return stride;
            }
        }
        decade *= 10;
    }
}

/// A coordinate: to a hundredth of a pixel, no trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    trimmed(&text)
}

fn precise(value: f64) -> String {
    let text = format!("{value:.6}");
    trimmed(&text)
}

fn trimmed(text: &str) -> String {
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as XML allows it. Control characters, which it forbids, become visible signs.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('↵'),
            '\t' => escaped.push('⇥'),
            '\r' => escaped.push('␍'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_cannot_break_the_document() {
        assert_eq!(escape("<bos> & \"\n\u{0}"), "&lt;bos&gt; &amp; &quot;↵\u{fffd}");
    }

    #[test]
    fn labels_thin_out_in_round_steps() {
        assert_eq!(every(10.0, 20.0), 1);
        assert_eq!(every(30.0, 14.0), 5);
        assert_eq!(every(30.0, 2.0), 20);
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(number(12.0), "12");
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(-0.001), "0");
    }
}
