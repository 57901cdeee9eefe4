//! What all figures' pages have in common: margins and sizes of text, in CSS pixels.

/// Around everything.
pub(crate) const MARGIN: f64 = 20.0;
/// Panel titles and axis titles.
pub(crate) const TITLE: f64 = 13.0;
/// Tick labels and keys.
pub(crate) const LABEL: f64 = 11.0;
/// Position numbers.
pub(crate) const SMALL: f64 = 9.5;
/// Panels stand side by side until a figure is about as wide as a notebook's page.
pub(crate) const PAGE: f64 = 1080.0;
/// Above so many marks an SVG would suffer from a hint in each.
pub(crate) const MOST_HINTS: usize = 6000;

/// A figure may grow so wide for a caption that would else be broken.
pub(crate) const CAPTION: f64 = 640.0;
