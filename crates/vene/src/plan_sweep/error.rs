//! What can be wrong with a plan over a data set.

use std::ops::Range;

use vene_data::{Reason, RowName};
use vene_engine::{PlanError, RunError};
use vene_table::TableError;

use crate::sweep::SweepError;

/// A plan over a data set that cannot be run.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PlanSweepError {
    /// No row at all.
    #[error("a plan over a data set needs rows")]
    NoRows,
    /// No plan at all.
    #[error("there is no plan to run: give one")]
    NoPlans,
    /// Runs that the grid does not have.
    #[error("runs {} to {} are not all runs of the grid, which has {runs}, or are none", range.start, range.end)]
    NoRuns {
        /// Those that were asked for.
        range: Range<usize>,
        /// How many there are.
        runs: usize,
    },
    /// No row can be used.
    #[error("none of the {rows} rows can be used; {first}: {reason}")]
    NoneUsable {
        /// How many there are.
        rows: usize,
        /// The first.
        first: RowName,
        /// What is wrong with it.
        reason: Box<Reason>,
    },
    /// Nothing would come of it.
    #[error(
        "nothing is measured: give a metric (such as logit_difference, where rows have a target and a foil), tokens \
         to be read (`probabilities_of` in [read]), or something to be collected ([[collect]])"
    )]
    NothingMeasured,
    /// Lists by example, where rows have no such order.
    #[error(
        "run {run}, edit {edit}: {what} are listed for each example, and a data set's rows are named by roles: \
         `{{ role = \"subject_last\" }}`"
    )]
    Listed {
        /// Which of the grid's runs, counted from 0.
        run: usize,
        /// Which of its edits.
        edit: usize,
        /// What is listed.
        what: &'static str,
    },
    /// The same of what is read or collected.
    #[error("{what} are listed for each example, and a data set's rows are named by roles")]
    ListedReads {
        /// What is listed.
        what: &'static str,
    },
    /// Runs of a grid that read different tokens.
    #[error("the grid's runs read different tokens: all must read the same")]
    OtherReads,
    /// A source that no row has.
    #[error(
        "run {run}, edit {edit}: there is no source {source_index}: in a plan over rows source 0 is the row's source, and source 1 the \
         base once more"
    )]
    NoSource {
        /// Which of the grid's runs.
        run: usize,
        /// Which of its edits.
        edit: usize,
        /// The source's index.
        source_index: usize,
    },
    /// A variable of the grid that is called as a column of the table.
    #[error("the placeholder `{name}` is called as a column of the table: give it another name")]
    Variable {
        /// Its name.
        name: String,
    },
    /// Numbers that a program makes of distributions.
    #[error(
        "a plan over rows reads chosen tokens; whatever else is made of distributions is a metric"
    )]
    Reduced,
    /// Edits that are made on generated tokens.
    #[error("run {run}, edit {edit} is made on generated tokens: `vene generate` makes it")]
    NotOnPrompt {
        /// Which of the grid's runs.
        run: usize,
        /// Which of its edits.
        edit: usize,
    },
    /// A batch that there is not.
    #[error("there is no batch {range:?}: the sweep has {rows} rows")]
    NoBatch {
        /// The rows that were asked for.
        range: Range<usize>,
        /// How many there are.
        rows: usize,
    },
    /// Activations of different lengths in one tensor.
    #[error(
        "{site} is collected at {length} positions in {row}, and at {first} in others: rows of unequal numbers of \
         positions are kept only padded"
    )]
    Unequal {
        /// What is collected.
        site: String,
        /// The row.
        row: String,
        /// Its positions.
        length: usize,
        /// Those of the first row.
        first: usize,
    },
    /// What is wrong with a plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What is wrong with a prompt, or with a table of examples.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// Failures of the computation.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Failures of a tensor's operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// Tables that do not fit each other.
    #[error(transparent)]
    Table(#[from] TableError),
}

vene_named::debug_as_sentence!(PlanSweepError);
