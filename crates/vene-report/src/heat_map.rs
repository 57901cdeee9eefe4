//! Heat maps: where in the network an intervention moves a prediction.

mod grid;
mod layout;

use vene_table::Table;

use crate::{Caption, ColorScale, Facets, Figure, FigureError};

/// A heat map: x is a token position (or a head), y the depth in the network with the deepest
/// row on top, fill a number; one panel for each target token.
///
/// The table needs the columns `component` (text) and `layer` (integers, may be missing), the
/// axis' column, and those named here. Rows are labelled as [`short_label`](crate::short_label)
/// says (`a0`, `f0`, `a1`, …) with a key beneath. All panels share one colour scale. A cell with no finite
/// number, or with no row at all, is crossed out. Rows of the table with no value on the axis
/// (sites that have no position) are left out.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// What stands above the panels.
    pub caption: Caption,
    /// The column drawn: complete or optional floats.
    pub value: String,
    /// What stands above the colour bar; the column's name without it.
    pub value_title: Option<String>,
    /// What the x axis is.
    pub x: Axis,
    /// The panels.
    pub facets: Facets,
    /// The colours.
    pub scale: ColorScale,
}

/// The x axis of a heat map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Column `position`, with the text of the token at each position from 0 on (all of them,
    /// the beginning-of-sequence token included, also where only some are measured). Positions
    /// beyond the texts show their number alone. Texts are drawn as given: strip or mark a
    /// token's leading space before.
    Position(Vec<String>),
    /// Column `head`.
    Head,
}

impl Axis {
    fn column(&self) -> &'static str {
        match self {
            Axis::Position(_) => "position",
            Axis::Head => "head",
        }
    }
}

impl Default for HeatMap {
    /// Probabilities of target tokens by position.
    fn default() -> Self {
        HeatMap {
            caption: Caption::default(),
            value: "probability".to_owned(),
            value_title: None,
            x: Axis::Position(Vec::new()),
            facets: Facets::default(),
            scale: ColorScale::default(),
        }
    }
}

impl HeatMap {
    /// Draws the table.
    ///
    /// # Errors
    ///
    /// [`FigureError::Table`] for a missing or mistyped column, [`FigureError::Empty`],
    /// [`FigureError::NoAxis`] and [`FigureError::NoNumber`] for a table with nothing to draw,
    /// [`FigureError::Duplicate`] where two rows would share a cell.
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        let grid = grid::Grid::of(table, self)?;
        Ok(layout::draw(&grid, self))
    }
}
