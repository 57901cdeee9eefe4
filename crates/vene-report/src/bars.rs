//! Bars: by how much an intervention moves a prediction, at one position, layer by layer.

mod axis;
mod layout;
mod series;

use vene_table::Table;

use crate::{Caption, Facets, Figure, FigureError};

/// A bar chart: x is the depth in the network, y a number; one panel for each target token, all
/// on one scale, stacked so that layers stand above each other. Bars are coloured by component.
///
/// The table needs the columns `component` (text) and `layer` (integers, may be missing), and
/// those named here; `position` and `head` are used where it has them.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What stands above the panels.
    pub caption: Caption,
    /// The column drawn: complete or optional floats.
    pub value: String,
    /// The y axis' title; the column's name without it.
    pub value_title: Option<String>,
    /// Which position is shown.
    pub position: BarPosition,
    /// The tokens from position 0 on, to name the one at that position; may be empty.
    pub tokens: Vec<String>,
    /// The panels.
    pub facets: Facets,
    /// Lines across the panels, such as the base's own probability.
    pub references: Vec<Reference>,
    /// The y axis.
    pub scale: BarScale,
}

/// The position that bars show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BarPosition {
    /// The last one in the table. Rows that have no position (sites of a whole sequence) are
    /// shown as well.
    #[default]
    Last,
    /// This one, counted from 0.
    At(i64),
}

/// A line across a panel, at the one value that a column has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The column with its value, the same in all rows of a panel.
    pub column: String,
    /// What stands beside it.
    pub label: String,
}

impl Reference {
    /// A line at the value of `column`, named `label`. The first of a figure is dashed, the
    /// second dotted.
    pub fn new(column: impl Into<String>, label: impl Into<String>) -> Self {
        Reference { column: column.into(), label: label.into() }
    }
}

/// The y axis of a bar chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BarScale {
    /// Powers of ten, from the power below the smallest number shown (but at least two) to the power
    /// above the largest. Length on such an axis shows order of magnitude and has no zero, so
    /// what is below `floor`, 0 included, has no bar but a mark at the foot and a note.
    Log {
        /// The smallest number with a bar. Positive.
        floor: f64,
    },
    /// Even steps, from 0. For logits and effects.
    Linear,
}

impl Default for BarScale {
    /// Logarithmic, down to 1e-12: smaller probabilities are rounding noise of 32-bit floats.
    fn default() -> Self {
        BarScale::Log { floor: 1e-12 }
    }
}

impl Default for Bars {
    /// Probabilities of target tokens at the last position, with the base's own.
    fn default() -> Self {
        Bars {
            caption: Caption::default(),
            value: "probability".to_owned(),
            value_title: None,
            position: BarPosition::default(),
            tokens: Vec::new(),
            facets: Facets::default(),
            references: vec![Reference::new("base_probability", "base")],
            scale: BarScale::default(),
        }
    }
}

impl Bars {
    /// Draws the table.
    ///
    /// # Errors
    ///
    /// Those of [`HeatMap::draw`](crate::HeatMap::draw), and [`FigureError::NoPosition`],
    /// [`FigureError::Negative`] and [`FigureError::UnevenReference`].
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        let series = series::Series::of(table, self)?;
        layout::draw(&series, self)
    }
}
