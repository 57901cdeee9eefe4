//! Why a data set cannot be made, told in one line.

use super::Task;

/// A data set that cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The model's vocabulary lacks the words.
    #[error(
        "{task} needs at least {needed} {what}, and this model's tokenizer has {found}: take another \
         model"
    )]
    TooFewWords {
        /// The task.
        task: Task,
        /// Which words.
        what: String,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// More rows than a data set has.
    #[error("{wanted} rows of {task} are more than a data set has; ask for at most {most}")]
    TooManyRows {
        /// The task.
        task: Task,
        /// How many were asked for.
        wanted: usize,
        /// The most there may be.
        most: usize,
    },
    /// There are not so many different rows.
    #[error(
        "{task} has {possible} different rows for this model, not {wanted}: ask for at most {possible}"
    )]
    TooFewRows {
        /// The task.
        task: Task,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        possible: usize,
    },
    /// Hardly any candidate passes.
    #[error(
        "{task}: {tried} candidates in a row were left out, the last one as its {reason}; {found} of \
         {wanted} rows were found: take another model, or fewer rows"
    )]
    HardlyAny {
        /// The task.
        task: Task,
        /// How many candidates were left out without a row between them.
        tried: usize,
        /// Why the last one was.
        reason: String,
        /// How many rows were found before.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
}

vene_named::debug_as_sentence!(TaskError);
