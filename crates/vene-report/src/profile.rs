//! Profiles: where along the depth of a network effects lie, component beside component.

mod layout;
mod lines;

use vene_table::Table;

use crate::{Caption, Facets, Figure, FigureError, Interval, metric};

/// A profile: x is the layer, y a number, one line with a band around it (the interval) for each
/// component, one panel for each position; all panels share their axes.
///
/// The table needs the columns `component` (text) and `layer` (integers, may be missing), and
/// those named here. Rows in no layer are left out. Where a layer has no finite number the line
/// breaks.
///
/// ```
/// use vene_report::Profile;
/// use vene_table::Table;
///
/// let summary = Table::builder()
///     .column("component", vec!["mlp_output"; 3])
///     .column("layer", vec![0_i64, 1, 2])
///     .column("position", vec!["last"; 3])
///     .column("mean", vec![0.1, 0.4, 0.2])
///     .column("low", vec![-0.1, 0.3, 0.1])
///     .column("high", vec![0.3, 0.5, 0.3])
///     .build()?;
/// let figure = Profile::default().draw(&summary)?;
/// assert!(figure.svg().contains("mlp_output, layer 1: 0.4 [0.3, 0.5]"));
/// # Ok::<(), vene_report::FigureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    /// What stands above the panels.
    pub caption: Caption,
    /// The metric drawn, of a table with a column `metric`; `None` for a table of one metric.
    pub metric: Option<String>,
    /// The column drawn: complete or optional floats.
    pub value: String,
    /// The y axis' title; the column's name without it.
    pub value_title: Option<String>,
    /// The x axis' title: what the column `layer` counts.
    pub depth_title: String,
    /// The interval around the value.
    pub interval: Option<Interval>,
    /// The panels.
    pub facets: Facets,
}

impl Default for Profile {
    /// Mean effects of a summary, one panel for each position.
    fn default() -> Self {
        Profile {
            caption: Caption::default(),
            metric: None,
            value: "mean".to_owned(),
            value_title: Some("mean effect".to_owned()),
            depth_title: "layer".to_owned(),
            interval: Some(Interval::default()),
            facets: Facets::by("position"),
        }
    }
}

impl Profile {
    /// Draws the table.
    ///
    /// # Errors
    ///
    /// Those of [`HeatMap::draw`](crate::HeatMap::draw); [`FigureError::NoAxis`] where no row is in
    /// a layer.
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        let table = metric::rows_of(table, self.metric.as_deref())?;
        let lines = lines::Lines::of(&table, self)?;
        Ok(layout::draw(&lines, self))
    }
}
