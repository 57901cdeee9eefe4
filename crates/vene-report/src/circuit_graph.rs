//! Circuit graphs: which parts of a model talk to which, by the largest effects of edges.

mod layout;
mod nodes;

use vene_table::Table;

use crate::{Caption, Figure, FigureError};

/// A model as a graph: the embeddings at the bottom, the logits on top, between them a row for the heads and one for the MLP of each layer that has a
/// part in what is shown. An edge is as thick as its effect is large; red where the metric becomes larger, blue where it becomes smaller.
///
/// The table needs the columns `sender` and `receiver` (names such as `input`, `a5.h1`, `m5`, `a7.h3<q>`, `a7.kv0<k>`, `logits`) and the one that is drawn;
/// `metric` and `position` are used where it has them.
///
/// ```
/// use vene_report::{Caption, CircuitGraph};
/// use vene_table::Table;
///
/// let table = Table::builder()
///     .column("sender", vec!["input", "a5.h1"])
///     .column("receiver", vec!["a5.h1<v>", "logits"])
///     .column("mean", vec![0.2, -1.4])
///     .build()?;
/// let figure = CircuitGraph::default().draw(&table)?;
/// assert!(figure.svg().contains("a5.h1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CircuitGraph {
    /// What stands above the graph.
    pub caption: Caption,
    /// The metric drawn, of tables with a column `metric`; `None` for tables of one metric.
    pub metric: Option<String>,
    /// The column drawn: complete or optional floats.
    pub value: String,
    /// How many edges are shown, at most: the largest.
    pub most: usize,
}

impl Default for CircuitGraph {
    /// The forty largest mean effects.
    fn default() -> Self {
        Self { caption: Caption::default(), metric: None, value: "mean".to_owned(), most: 40 }
    }
}

impl CircuitGraph {
    /// Draws the table.
    ///
    /// # Errors
    /// A table without these columns, without a number that is not 0, or with names of no nodes.
    pub fn draw(&self, table: &Table) -> Result<Figure, FigureError> {
        layout::draw(&nodes::Shown::of(self, table)?, self)
    }
}
