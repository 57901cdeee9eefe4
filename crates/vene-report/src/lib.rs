//! Figures: tidy tables in, SVG and PNG out.
//!
//! A sweep's result is read off two pictures: the [`HeatMap`] shows where in the network an
//! intervention moves a prediction (position by depth, one panel for each target token), the
//! [`Bars`] show by how much at one position.
//!
//! A sweep over a data set has a summary of all its examples. Heat maps show it by role and
//! layer or by head and layer ([`HeatMap::means`], [`HeatMap::interval_widths`],
//! [`HeatMap::sign_agreements`]), the [`Profile`] as lines with intervals along the layers, and
//! the [`Strips`] show the single examples behind the largest means.
//!
//! A [`CircuitGraph`] shows which parts of a model talk to which.
//! What heads attend to is a page to be pointed at ([`AttentionPage`]).
//!
//! All figures are drawn from [`vene_table::Table`]s and from nothing else: this crate knows no model, so
//! a table that was read back from a file, or written by another program, is drawn just the same.
//!
//! # How a figure is drawn
//!
//! A figure is laid out once, as SVG; its PNG is that very SVG rendered (by `resvg`, at two
//! pixels a unit), so the two cannot differ. Text is set in DejaVu Sans, which is compiled in:
//! layout measures the real glyphs, PNGs need no font on the machine, and a character that
//! the font lacks shows as a box instead of vanishing. The SVG keeps its text as text (it can be
//! searched and edited) and names fonts of the same widths for viewers without DejaVu.
//!
//! Colours are chosen for colour-blind readers: viridis for amounts, red to blue around
//! white for signed effects, the Okabe-Ito palette for bars, lines and dots.
//!
//! ```
//! use vene_report::{Axis, Caption, HeatMap};
//! use vene_table::Table;
//!
//! let table = Table::builder()
//!     .column("component", vec!["attention_input", "mlp_output"])
//!     .column("layer", vec![0_i64, 0])
//!     .column("position", vec![1_i64, 1])
//!     .column("token", vec![" Madrid", " Madrid"])
//!     .column("probability", vec![0.31, 0.42])
//!     .build()?;
//! let figure = HeatMap {
//!     caption: Caption::new("gpt2: interchange").note("base", "Spain is").note("source", "Italy is"),
//!     x: Axis::Position(vec!["<bos>".into(), "Spain".into(), "is".into()]),
//!     ..HeatMap::default()
//! }
//! .draw(&table)?;
//! assert!(figure.svg().contains("_Madrid"));
//! # Ok::<(), vene_report::FigureError>(())
//! ```

mod attention_page;
mod bars;
mod caption;
mod circuit_graph;
mod color;
mod depth;
mod drawing;
mod error;
mod facet;
mod figure;
mod font;
mod heat_map;
mod interval;
mod key;
mod label;
mod linear_axis;
mod metric;
mod page;
mod place;
mod profile;
mod strips;
mod tick;

pub use attention_page::{AttentionPage, HeadAttention};
pub use bars::{BarPosition, BarScale, Bars, Reference};
pub use caption::Caption;
pub use circuit_graph::CircuitGraph;
pub use color::ColorScale;
pub use depth::{DepthLabel, short_label};
pub use error::FigureError;
pub use facet::Facets;
pub use figure::Figure;
pub use heat_map::{Axis, HeatMap};
pub use interval::Interval;
pub use profile::{Along, Profile};
pub use strips::Strips;
