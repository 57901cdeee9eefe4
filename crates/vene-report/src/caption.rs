//! What stands above a figure: what was done, with which model, on which inputs.

use crate::drawing::{Anchor, Drawing, FAINT, INK};
use crate::font;

const TITLE: f64 = 16.0;
const NOTE: f64 = 12.0;
const MOST_LINES: usize = 3;

/// A title and the notes beneath it. Long ones are wrapped, very long ones elided.
///
/// ```
/// # use vene_report::Caption;
/// Caption::new("gpt2: interchange, probability of the next token")
///     .note("base", "The capital of Spain is")
///     .note("source", "The capital of Italy is");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    title: String,
    notes: Vec<(String, String)>,
}

impl Caption {
    /// A title: the model and what was done to it.
    pub fn new(title: impl Into<String>) -> Self {
        Caption { title: title.into(), notes: Vec::new() }
    }

    /// Adds a line with a name and a text, such as the base and the base prompt.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.notes.push((name.into(), text.into()));
        self
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// How wide the figure should be for the caption to stand unbroken.
    pub(crate) fn width(&self) -> f64 {
        let indent = self.indent();
        let notes = self.notes.iter().map(|(_, text)| indent + font::width(text, NOTE));
        notes.fold(font::width(&self.title, TITLE), f64::max)
    }

    /// Draws it from `top` down; returns where it ends.
    pub(crate) fn draw(&self, drawing: &mut Drawing, left: f64, top: f64, room: f64) -> f64 {
        let mut y = top;
        if !self.title.is_empty() {
            for line in font::wrap(&self.title, TITLE, room, MOST_LINES) {
                drawing.text((left, y + TITLE * 0.8), &line, TITLE, Anchor::Start, INK);
                y += TITLE * 1.35;
            }
            y += 2.0;
        }
        let indent = self.indent();
        for (name, text) in &self.notes {
            drawing.text((left, y + NOTE * 0.8), name, NOTE, Anchor::Start, FAINT);
            for line in font::wrap(text, NOTE, room - indent, MOST_LINES) {
                drawing.text((left + indent, y + NOTE * 0.8), &line, NOTE, Anchor::Start, INK);
                y += NOTE * 1.45;
            }
        }
        y
    }

    fn indent(&self) -> f64 {
        self.notes.iter().map(|(name, _)| font::width(name, NOTE)).fold(0.0, f64::max) + 12.0
    }
}
