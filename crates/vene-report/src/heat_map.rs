//! Heat maps: where in the network an intervention moves a prediction.

mod cells;
mod columns;
mod grid;
mod layout;
mod scale_bar;

use vene_table::Table;

use crate::{Caption, ColorScale, Facets, Figure, FigureError, Interval, metric};

/// A heat map: x is a token position, a role or a head, y the depth in the network with the
/// deepest row on top, fill a number; one panel for each value of a column.
///
/// The table needs the columns `component` (text) and `layer` (integers, may be missing), the
/// axis' column, and those named here. Rows are labelled as [`short_label`](crate::short_label)
/// says (`a0`, `f0`, `a1`, …) with a key beneath; where each component has a panel of its own
/// ([`Facets::by`] `component`), rows are layers. A cell with no finite number, or with no row at
/// all, is crossed out. Rows of the table with no value on the axis (sites that have no position)
/// are left out.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// What stands above the panels.
    pub caption: Caption,
    /// The metric drawn, of a table with a column `metric`; `None` draws all rows, which fits
    /// a table of one metric, or panels by `metric`.
    pub metric: Option<String>,
    /// The column drawn: complete or optional floats.
    pub value: String,
    /// What stands above the colour bar; the column's name without it.
    pub value_title: Option<String>,
    /// The interval around the value. Cells whose interval includes 0, or that have a value but
    /// no interval, are marked by a dot, which a key explains.
    pub interval: Option<Interval>,
    /// What the x axis is.
    pub x: Axis,
    /// The panels.
    pub facets: Facets,
    /// What stands beneath the columns; the axis' own word without it.
    pub columns: Option<String>,
    /// What rows are called where the panels are components: `layer`.
    pub rows: String,
    /// The colours.
    pub scale: ColorScale,
    /// A column of texts that are written into the cells, in full or as much as there is room for. The fill stays the
    /// value's.
    pub texts: Option<String>,
    /// Whether the shallowest row is on top, as in a table, rather than at the bottom, as on an axis.
    pub downwards: bool,
    /// Whether each panel has a scale of its own (panels of metrics that have different units),
    /// instead of one for all.
    pub own_scales: bool,
}

/// The x axis of a heat map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Column `position` (integers), with the text of the token at each position from 0 on (all
    /// of them, the beginning-of-sequence token included, also where only some are measured).
    /// Positions beyond the texts show their number alone. Texts are drawn as given: strip or
    /// mark a token's leading space before.
    Position(Vec<String>),
    /// Column `role` (text): the roles that tokens play (`subject_last`), in this order. A
    /// role that the table lacks is not drawn; one that is not named here follows behind those
    /// that are, in the order in which the table has them.
    Role(Vec<String>),
    /// Column `head`.
    Head,
}

impl Default for HeatMap {
    /// Probabilities of target tokens by position.
    fn default() -> Self {
        HeatMap {
            caption: Caption::default(),
            metric: None,
            value: "probability".to_owned(),
            value_title: None,
            interval: None,
            x: Axis::Position(Vec::new()),
            facets: Facets::default(),
            columns: None,
            rows: "layer".to_owned(),
            scale: ColorScale::default(),
            texts: None,
            downwards: false,
            own_scales: false,
        }
    }
}

impl HeatMap {
    /// The mean effects of a summary (columns `mean`, `low`, `high`): red above 0, blue below.
    pub fn means(x: Axis, facets: Facets) -> Self {
        HeatMap {
            value: "mean".to_owned(),
            value_title: Some("mean effect".to_owned()),
            interval: Some(Interval::default()),
            scale: ColorScale::Diverging { limit: None },
            x,
            facets,
            ..HeatMap::default()
        }
    }

    /// How wide the intervals of a summary are: column `interval_width`, which
    /// [`Interval::with_width`] adds.
    pub fn interval_widths(x: Axis, facets: Facets) -> Self {
        HeatMap {
            value: "interval_width".to_owned(),
            value_title: Some("interval width".to_owned()),
            scale: ColorScale::Covering { low: 0.0, high: 0.0 },
            x,
            facets,
            ..HeatMap::default()
        }
    }

    /// The share of a summary's examples that agree with the mean's sign: column
    /// `sign_agreement`, from 0.5 (or the least there is) to 1.
    pub fn sign_agreements(x: Axis, facets: Facets) -> Self {
        HeatMap {
            value: "sign_agreement".to_owned(),
            value_title: Some("sign agreement".to_owned()),
            scale: ColorScale::Covering { low: 0.5, high: 1.0 },
            x,
            facets,
            ..HeatMap::default()
        }
    }

    /// Draws the table.
    ///
    /// # Errors
    ///
    /// [`FigureError::Table`] for a missing or mistyped column, [`FigureError::Empty`],
    /// [`FigureError::NoMetric`], [`FigureError::NoAxis`] and [`FigureError::NoNumber`] for
    /// a table with nothing to draw, [`FigureError::Duplicate`] where two rows would share a cell.
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        let table = metric::rows_of(table, self.metric.as_deref())?;
        let grid = grid::Grid::of(&table, self)?;
        layout::draw(&grid, self)
    }
}
