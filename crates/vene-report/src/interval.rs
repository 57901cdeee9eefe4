//! The interval around a mean: which columns hold it, and what it says.

use vene_table::Table;

use crate::FigureError;

/// The two columns of an interval (optional floats), and what to call it.
///
/// ```
/// # use vene_report::Interval;
/// let interval = Interval::new("normalised_low", "normalised_high").named("95 % interval");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub(crate) low: String,
    pub(crate) high: String,
    pub(crate) name: String,
}

impl Default for Interval {
    /// Columns `low` and `high`.
    fn default() -> Self {
        Interval::new("low", "high")
    }
}

/// An interval's ends in one row, if both are known.
pub(crate) type Ends = Option<(f64, f64)>;

impl Interval {
    /// An interval between the numbers of two columns, called `interval` in keys.
    pub fn new(low: impl Into<String>, high: impl Into<String>) -> Self {
        Interval { low: low.into(), high: high.into(), name: "interval".to_owned() }
    }

    /// What keys call it, such as `95 % interval`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The table with one more column, `interval_width`: high minus low, missing where either is.
    /// This is what [`HeatMap::interval_widths`](crate::HeatMap::interval_widths) draws.
    ///
    /// # Errors
    ///
    /// [`FigureError::Table`] where a column is missing or mistyped, or where the table has
    /// a column `interval_width` already.
    pub fn with_width(&self, table: &Table) -> Result<Table, FigureError> {
        let ends = self.ends(table)?.into_iter();
        let widths: Vec<Option<f64>> =
            ends.map(|ends| ends.map(|(low, high)| high - low)).collect();
        Ok(table.clone().with_column("interval_width", widths)?)
    }

    /// The ends in each row.
    pub(crate) fn ends(&self, table: &Table) -> Result<Vec<Ends>, FigureError> {
        let lows = table.optional_floats(&self.low)?;
        let highs = table.optional_floats(&self.high)?;
        let finite = |ends: &(f64, f64)| ends.0.is_finite() && ends.1.is_finite();
        Ok(lows.into_iter().zip(highs).map(|(low, high)| low.zip(high).filter(finite)).collect())
    }
}

/// The ends in each row, where an interval was named at all.
pub(crate) fn ends_if_any(
    interval: Option<&Interval>,
    table: &Table,
) -> Result<Vec<Ends>, FigureError> {
    interval.map_or_else(|| Ok(vec![None; table.rows()]), |interval| interval.ends(table))
}
