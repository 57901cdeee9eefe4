//! How many examples have about which effect: what a strip shows where dots would only cover each other.

use super::rows::Dot;
use crate::color::qualitative;
use crate::drawing::{Drawing, FAINT};
use crate::key;
use crate::linear_axis::LinearAxis;

/// Pixels of a bin: as fine as a line that is seen.
const BIN: f64 = 2.0;
/// A lighter shade of the dots' colour, on which the interval's line is seen.
const OPACITY: &str = r#" fill-opacity="0.55""#;

/// The line along which a strip is drawn.
pub(super) struct Line {
    pub left: f64,
    pub across: f64,
    pub y: f64,
}

/// Draws a strip's dots, which are in order of effect, as an area as thick as they are many: `half` up and down where they
/// are most. A thin line goes from the lowest to the highest.
pub(super) fn draw(drawing: &mut Drawing, dots: &[Dot], axis: &LinearAxis, line: &Line, half: f64) {
    let x = |effect: f64| line.left + line.across * axis.along(effect);
    let (Some(first), Some(last)) = (dots.first(), dots.last()) else { return };
    let along = dots.iter().map(|dot| line.across * axis.along(dot.effect));
    let outline = outline(&counts(along, (line.across / BIN) as usize), half);
    drawing.open("density", OPACITY);
    let (from, to) = ((x(first.effect), line.y), (x(last.effect), line.y));
    drawing.line(from, to, FAINT, 1.0, "");
    let upper = outline.iter().map(|(along, up)| (line.left + along, line.y - up));
    let lower = outline.iter().rev().map(|(along, up)| (line.left + along, line.y + up));
    drawing.polygon(&upper.chain(lower).collect::<Vec<_>>(), qualitative(0));
    drawing.close();
}

/// How the area looks, in a key.
pub(super) fn draw_key(drawing: &mut Drawing, (x, y): (f64, f64)) {
    let half = key::MARK / 2.0;
    drawing.open("density", OPACITY);
    drawing.line((x - half, y), (x + half, y), FAINT, 1.0, "");
    let area = [(x - 5.0, y), (x - 1.0, y - half), (x + 1.0, y - half), (x + 5.0, y)];
    let below = area.iter().rev().map(|(x, up)| (*x, 2.0 * y - up));
    drawing.polygon(&area.into_iter().chain(below).collect::<Vec<_>>(), qualitative(0));
    drawing.close();
}

/// How many places lie in each of so many bins.
fn counts(along: impl Iterator<Item = f64>, bins: usize) -> Vec<usize> {
    let mut counts = vec![0; bins.max(1)];
    for place in along {
        let bin = ((place / BIN) as usize).min(counts.len() - 1);
        counts[bin] += 1;
    }
    counts
}

/// How far the area goes up at which place, from the first bin with an example to the last: the largest count is `half`.
fn outline(counts: &[usize], half: f64) -> Vec<(f64, f64)> {
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let mut outline = vec![(first as f64 * BIN, 0.0)];
    for (bin, count) in counts.iter().enumerate().take(last + 1).skip(first) {
        outline.push(((bin as f64 + 0.5) * BIN, half * *count as f64 / most));
    }
    outline.push(((last as f64 + 1.0) * BIN, 0.0));
    outline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_as_thick_as_examples_are_many() {
        let counts = counts([0.0, 3.0, 3.9, 4.0, 20.0].into_iter(), 5);
        assert_eq!(counts, [1, 2, 1, 0, 1], "what lies beyond is in the last bin");
        assert_eq!(outline(&[0, 1, 4, 0], 8.0), [(2.0, 0.0), (3.0, 2.0), (5.0, 8.0), (6.0, 0.0)]);
    }
}
