//! Profiles: how effects run along the depth of a network, or along a number such as a dose.

mod layout;
mod lines;

use vene_table::Table;

use crate::{Caption, Facets, Figure, FigureError, Interval, metric};

/// A profile: x is the layer (or another number: [`Along`]), y a number, one line with a band around it
/// (the interval) for each component, one panel for each position; all panels share their axes.
///
/// The table needs the columns named here, and `layer` (integers, may be missing) where x is the layer.
/// Rows without an x are left out. Where a layer has no finite number the line breaks.
///
/// ```
/// use vene_report::Profile;
/// use vene_table::Table;
///
/// let summary = Table::builder()
///     .column("component", vec!["mlp_output"; 3])
///     .column("layer", vec![0_i64, 1, 2])
///     .column("role", vec!["last"; 3])
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
    /// The x axis.
    pub along: Along,
    /// The column (text) with a line for each of its values: `component` in the order in which a block
    /// computes them, any other in order of appearance.
    pub lines: String,
    /// The interval around the value.
    pub interval: Option<Interval>,
    /// The panels.
    pub facets: Facets,
}

/// What a profile runs along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Along {
    /// The layers, in even steps.
    #[default]
    Layers,
    /// The numbers of a column (floats or integers, complete or not), where they lie between each other:
    /// of layers too, where not all were looked at and the line shall not break.
    Numbers {
        /// The column.
        column: String,
        /// The axis' title.
        title: String,
    },
}

impl Default for Profile {
    /// Mean effects of a summary, one panel for each position.
    fn default() -> Self {
        Profile {
            caption: Caption::default(),
            metric: None,
            value: "mean".to_owned(),
            value_title: Some("mean effect".to_owned()),
            along: Along::Layers,
            lines: "component".to_owned(),
            interval: Some(Interval::default()),
            facets: Facets::by("role"),
        }
    }
}

impl Profile {
    /// Draws the table.
    ///
    /// # Errors
    ///
    /// Those of [`HeatMap::draw`](crate::HeatMap::draw); [`FigureError::NoAxis`] where no row has
    /// an x.
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        let table = metric::rows_of(table, self.metric.as_deref())?;
        let lines = lines::Lines::of(&table, self)?;
        layout::draw(&lines, self)
    }
}
