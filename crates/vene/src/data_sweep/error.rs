//! What can be wrong with a sweep over a data set.

use crate::data::Role;
use crate::error::{PlanError, RunError, SweepError};

/// A sweep over a data set that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataSweepError {
    /// No row at all.
    #[error("a sweep over a data set needs rows")]
    NoRows,
    /// No row can be used.
    #[error("none of the {rows} rows can be used; row {first}: {reason}")]
    NoneUsable {
        /// How many there are.
        rows: usize,
        /// The first, counted from 0.
        first: usize,
        /// What is wrong with it.
        reason: String,
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
    /// Too few rows to draw from.
    #[error(
        "row {row} needs {draws} other rows to draw from that fit it in length, and there are {found}"
    )]
    TooFewPartners {
        /// The row, counted from 0.
        row: usize,
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
