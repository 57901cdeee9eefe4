//! What can be wrong with a sweep over a data set.

use vene_model::Component;

use crate::data::{Reason, Role, RowName};
use crate::error::{PlanError, RunError, SweepError};

/// A sweep over a data set that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataSweepError {
    /// No row at all.
    #[error("a sweep over a data set needs rows")]
    NoRows,
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
    /// A list without anything in it.
    #[error("a sweep over a data set needs {what}, and the list is empty")]
    Empty {
        /// What is needed.
        what: &'static str,
    },
    /// Something that is named twice.
    #[error("the {what} {name} is named twice: it would stand in the table twice")]
    Twice {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// No role.
    #[error("a sweep over a data set needs positions by role, such as subject_last or last")]
    NoRoles,
    /// A role that is named twice.
    #[error("the position {role} is named twice")]
    RoleTwice {
        /// The role.
        role: Role,
    },
    /// No metric.
    #[error("a sweep over a data set needs a metric, such as logit_difference")]
    NoMetrics,
    /// A window without a layer.
    #[error("a window of 0 layers edits nothing; expected 1 or more")]
    EmptyWindow,
    /// No draw.
    #[error("{treatment} with 0 draws edits nothing; expected 1 or more")]
    NoDraws {
        /// What was to be done.
        treatment: &'static str,
    },
    /// More draws than a row is run for.
    #[error("{treatment} with {draws} draws for each row and place; expected at most {most}")]
    ManyDraws {
        /// What was to be done.
        treatment: &'static str,
        /// How many draws were asked for.
        draws: usize,
        /// The most there may be.
        most: usize,
    },
    /// Denoising by something that reads no other run.
    #[error(
        "{treatment} has one direction only, noising: it reads no other prompt that could bring an answer back"
    )]
    NoDenoising {
        /// What was to be done.
        treatment: &'static str,
    },
    /// A control of something that reads no other run.
    #[error(
        "the control `{control}` is for treatments that read another prompt, such as interchange, not for {treatment}"
    )]
    NoControl {
        /// The control.
        control: &'static str,
        /// What was to be done.
        treatment: &'static str,
    },
    /// Self-swaps of runs that have noise in them.
    #[error(
        "the control `self` is not for restore: putting back the values of the run without noise is what \
         restore does"
    )]
    NoSelfSwap,
    /// A change of an attention pattern in a random direction.
    #[error(
        "the control `random` is not for {component}: an attention pattern changed in a random direction is \
         no pattern"
    )]
    NoRandom {
        /// The component.
        component: Component,
    },
    /// Direct effects in runs that have noise in them.
    #[error(
        "restore has a total effect only: attention outputs held at what they are without noise would \
         bring the answer back by themselves"
    )]
    NoDirect,
    /// Direct effects of several layers' attention.
    #[error(
        "the direct effect of {component} has no window: the outputs of attention behind the first layer \
         are held, and {component} of the next ones would have no effect; use a window of 1, or a \
         component that is no part of attention"
    )]
    DirectWindow {
        /// The component.
        component: Component,
    },
    /// A batch that is none.
    #[error("rows {start}..{end} are no batch of a sweep over {rows} rows", start = range.start, end = range.end)]
    NoBatch {
        /// The rows asked for.
        range: std::ops::Range<usize>,
        /// The rows that are used.
        rows: usize,
    },
    /// Too few rows to draw from.
    #[error(
        "{row} needs {draws} other rows to draw from that fit it in length, and there are {found}"
    )]
    TooFewPartners {
        /// The row.
        row: RowName,
        /// How many are needed.
        draws: usize,
        /// How many there are.
        found: usize,
    },
    /// A mean of attention patterns.
    #[error("attention patterns have no mean over a data set: their width is the prompt's length")]
    NoMean,
    /// Tables of unlike sweeps.
    #[error(
        "`{column}` is {first} in table 0 and {other} in table {table}: these are about different things, and \
         cannot be joined"
    )]
    Unlike {
        /// The column.
        column: &'static str,
        /// What it holds in the first table.
        first: String,
        /// Which other table, counted from 0.
        table: usize,
        /// What it holds there.
        other: String,
    },
    /// An example that a table has more than once in a cell.
    #[error("example {example} is there twice ({place}): a summary takes each once")]
    Repeated {
        /// The example.
        example: i64,
        /// The cell.
        place: String,
    },
    /// A table that was changed while it was read.
    #[error("the table was changed while it was read: example {example} was not there before")]
    Changed {
        /// The example.
        example: i64,
    },
    /// As in sweeps over one pair.
    #[error(transparent)]
    Sweep(Box<SweepError>),
    /// A cell's plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A summary that cannot be made.
    #[error(transparent)]
    Statistics(#[from] crate::statistics::StatisticsError),
    /// Parts that do not belong together.
    #[error(transparent)]
    Table(Box<vene_table::TableError>),
}

impl From<SweepError> for DataSweepError {
    fn from(error: SweepError) -> Self {
        Self::Sweep(Box::new(error))
    }
}

impl From<vene_table::TableError> for DataSweepError {
    fn from(error: vene_table::TableError) -> Self {
        Self::Table(Box::new(error))
    }
}
