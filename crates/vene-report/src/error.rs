//! Why a figure could not be drawn or written.

use std::io;
use std::path::PathBuf;

use vene_table::TableError;

/// More would be smaller than a pixel on any screen.
const MOST_CELLS: usize = 1_000_000;

/// A document of more bytes is slow to open and to scroll.
pub(crate) const MOST_BYTES: usize = 2_000_000;

/// How many cells the panels have together, if a figure can show as many.
pub(crate) fn count_cells(
    panels: usize,
    rows: usize,
    columns: usize,
) -> Result<usize, FigureError> {
    let count = panels.checked_mul(rows).and_then(|count| count.checked_mul(columns));
    let count = count.filter(|count| *count <= MOST_CELLS);
    count.ok_or(FigureError::TooManyCells { panels, rows, columns })
}

/// What was wrong with a table as the matter of a figure, or with its file.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The table lacks a column, or holds something else in it.
    #[error("cannot draw the table: {0}")]
    Table(#[from] TableError),
    /// There is no row to draw.
    #[error("the table has no rows to draw; a figure needs at least one measurement")]
    Empty,
    /// No row has a number in the column that is to be drawn.
    #[error("column `{column}` holds no finite number; a figure needs at least one")]
    NoNumber {
        /// The column drawn.
        column: String,
    },
    /// An axis needs a number that no row has.
    #[error("no row has a value in column `{column}`, which is the figure's x axis")]
    NoAxis {
        /// The column of the axis.
        column: String,
    },
    /// A name that is no node of a circuit.
    #[error(
        "`{name}` is no node of a circuit; senders and receivers are called input, a5.h1, m5, a5.h1<q>, a5.kv0<k>, logits"
    )]
    NoNode {
        /// The name.
        name: String,
    },
    /// A metric was asked for that the table does not have.
    #[error("the table has no row of metric `{metric}`; it has `{available}`")]
    NoMetric {
        /// The metric asked for.
        metric: String,
        /// The metrics there are, listed.
        available: String,
    },
    /// A cell of the summary has no row among the examples.
    #[error(
        "the table of examples has no number in column `{column}` for {cell}, which the summary \
         has; give the two tables of one sweep"
    )]
    NoExamples {
        /// The cell.
        cell: String,
        /// The column drawn.
        column: String,
    },
    /// The figure would have more marks than a viewer of SVG shows without labour.
    #[error(
        "the figure would take {bytes} bytes of SVG, more than {MOST_BYTES}; filter the table to fewer rows"
    )]
    Heavy {
        /// What it would take.
        bytes: usize,
    },
    /// Two rows fall in the same place.
    #[error(
        "two rows of the table fall in one place of the figure ({place}); \
         filter the table so that each is measured once"
    )]
    Duplicate {
        /// Which place.
        place: String,
    },
    /// A position was asked for that the table does not have.
    #[error("the table has no row at position {position}; it has the positions {available}")]
    NoPosition {
        /// The position asked for.
        position: i64,
        /// The positions there are, listed.
        available: String,
    },
    /// A logarithmic axis has no place for a negative number.
    #[error(
        "column `{column}` holds {value}, which a logarithmic axis cannot show; \
         draw it on a linear one"
    )]
    Negative {
        /// The column drawn.
        column: String,
        /// One of its negative values.
        value: f64,
    },
    /// A reference line stands for one number, but the rows of a panel disagree.
    #[error(
        "column `{column}` differs between the rows of panel `{panel}`; a reference line needs one value"
    )]
    UnevenReference {
        /// The column of the reference.
        column: String,
        /// The panel.
        panel: String,
    },
    /// The table would make more cells than can be seen.
    #[error(
        "the figure would have {panels} panels of {rows} x {columns} cells; \
         filter the table to at most {MOST_CELLS} cells in all"
    )]
    TooManyCells {
        /// Panels.
        panels: usize,
        /// Rows of cells in each; 1 for bars.
        rows: usize,
        /// Cells or bars in each row.
        columns: usize,
    },
    /// The figure has more pixels than a PNG of it could reasonably have.
    #[error(
        "the figure would be {width} x {height} pixels; \
         filter the table to fewer rows, or write it as SVG"
    )]
    TooLarge {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// The SVG could not be rendered as a PNG.
    #[error("cannot render the figure as PNG: {0}")]
    Render(String),
    /// The file could not be written.
    #[error("cannot write {path}: {source}; its folder must exist and be writable", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

vene_named::debug_as_sentence!(FigureError);
