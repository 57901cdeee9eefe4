//! The line above a figure's panels that says which mark is what.

use crate::drawing::{Anchor, Drawing, INK, middle};
use crate::font;
use crate::page::{LABEL, MARGIN};

/// The room of a mark, and from it to its text.
pub(crate) const MARK: f64 = 11.0;
const GAP: f64 = 6.0;
const BETWEEN: f64 = 18.0;

/// Draws entries from left to right, in as many lines as the width needs: each has a text and,
/// drawn by `mark` into a square of [`MARK`] at a corner, a mark. Returns where it ends.
pub(crate) fn draw(
    drawing: &mut Drawing,
    texts: &[String],
    top: f64,
    width: f64,
    mut mark: impl FnMut(&mut Drawing, usize, (f64, f64)),
) -> f64 {
    let (mut x, mut y) = (MARGIN, top);
    for (index, text) in texts.iter().enumerate() {
        let text = font::elide(text, LABEL, width - 2.0 * MARGIN - MARK - GAP);
        let needed = MARK + GAP + font::width(&text, LABEL);
        if x > MARGIN && x + needed > width - MARGIN {
            (x, y) = (MARGIN, y + LABEL * 1.7);
        }
        mark(drawing, index, (x, y));
        let at = (x + MARK + GAP, y + MARK / 2.0 + middle(LABEL));
        drawing.text(at, &text, LABEL, Anchor::Start, INK);
        x += needed + BETWEEN;
    }
    y + MARK
}
