//! Strips: what stands behind a mean, example by example.

mod density;
mod layout;
mod rows;
mod swarm;

use vene_table::{Table, TableError};

use crate::{Caption, Figure, FigureError, Interval, metric};

/// Strips: one row for each of the cells with the largest mean effects (positive or negative), in
/// that order. Every example's effect is a dot, coloured by its group where there are at most eight;
/// dots that would cover each other are stacked, which shows how effects are distributed. Where there are more than
/// 20,000 dots in all, each row shows instead how many examples have about which effect. On top stand the mean and its
/// interval.
///
/// Drawn from the two tables of a sweep over a data set. The *summary* needs the columns
/// `component` (text) and `layer` (integers, may be missing), and those named here; the *examples*
/// need the same places, `example` (integers) and the column of effects; `group` (text, may be
/// missing) is used where there is one. In both, `role` (text) or else `position` (integers), and `head`
/// are used where they are. Rows are labelled as [`short_label`](crate::short_label) says
/// (`f12 subject_last`, `z9.h3 last`).
///
/// ```
/// use vene_report::{Interval, Strips};
/// use vene_table::Table;
///
/// let summary = Table::builder()
///     .column("component", vec!["mlp_output"])
///     .column("layer", vec![12_i64])
///     .column("role", vec!["subject_last"])
///     .column("mean", vec![-0.4])
///     .column("low", vec![-0.7])
///     .column("high", vec![-0.1])
///     .build()?;
/// let examples = Table::builder()
///     .column("example", vec![0_i64, 1])
///     .column("group", vec!["capital-1", "capital-2"])
///     .column("component", vec!["mlp_output"; 2])
///     .column("layer", vec![12_i64; 2])
///     .column("position", vec!["subject_last"; 2])
///     .column("effect", vec![-0.5, -0.3])
///     .build()?;
/// let interval = Some(Interval::default().named("95 % interval"));
/// let figure = Strips { interval, ..Strips::default() }.draw(&summary, &examples)?;
/// assert!(figure.svg().contains("f12 subject_last"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Strips {
    /// What stands above the strips.
    pub caption: Caption,
    /// The metric drawn, of tables with a column `metric`; `None` for tables of one metric.
    pub metric: Option<String>,
    /// The examples' column: complete or optional floats.
    pub effect: String,
    /// The x axis' title; the name of `effect` without it.
    pub value_title: Option<String>,
    /// The summary's column by whose size cells are chosen: complete or optional floats.
    pub mean: String,
    /// The interval around the mean.
    pub interval: Option<Interval>,
    /// How many cells are shown, at most. At least one is.
    pub most: usize,
}

impl Default for Strips {
    /// The twelve largest mean effects with their intervals.
    fn default() -> Self {
        Strips {
            caption: Caption::default(),
            metric: None,
            effect: "effect".to_owned(),
            value_title: None,
            mean: "mean".to_owned(),
            interval: Some(Interval::default()),
            most: 12,
        }
    }
}

impl Strips {
    /// Draws the two tables.
    ///
    /// # Errors
    ///
    /// [`FigureError::Table`] for a missing or mistyped column, [`FigureError::Empty`],
    /// [`FigureError::NoMetric`] and [`FigureError::NoNumber`] for tables with nothing to draw,
    /// [`FigureError::NoExamples`] for a cell without any effect, [`FigureError::Duplicate`] where
    /// a cell, or an example in a cell, has two rows.
    pub fn draw(&self, summary: &Table, examples: &Table) -> Result<Figure, FigureError> {
        self.draw_chunks(summary, [Ok(examples.clone())])
    }

    /// Draws a summary and examples that come in chunks, of which one is in memory at a time.
    ///
    /// # Errors
    ///
    /// As [`Strips::draw`], and those of the chunks.
    pub fn draw_chunks(
        &self,
        summary: &Table,
        examples: impl IntoIterator<Item = Result<Table, TableError>>,
    ) -> Result<Figure, FigureError> {
        let summary = metric::rows_of(summary, self.metric.as_deref())?;
        let mut rows = rows::Reader::new(&summary, self)?;
        for chunk in examples {
            rows.read(&chunk?)?;
        }
        layout::draw(&rows.finish()?, self)
    }
}
