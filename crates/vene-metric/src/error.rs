//! A metric that gave no number.

use vene_engine::RunError;
use vene_files::guarded;

use super::{Metric, Observed};

/// A metric that gave no number.
#[derive(Clone, PartialEq, thiserror::Error)]
#[error("the metric {metric}, {row}, {run}: {problem}")]
pub struct MetricError {
    /// Its name.
    pub metric: String,
    /// The row's name; of a sweep over one pair the prompt.
    pub row: String,
    /// The cell, or which unedited run it was.
    pub run: String,
    /// What is wrong.
    pub problem: MetricProblem,
}

vene_named::debug_as_sentence!(MetricError);

impl From<Box<MetricError>> for RunError {
    fn from(error: Box<MetricError>) -> Self {
        Self::Metric(error)
    }
}

/// Why a metric gave no number.
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum MetricProblem {
    /// It reads more than it declares.
    #[error(
        "it found no number in what was read for it: what it reads, it has to declare (`Reads`)"
    )]
    Unread,
    /// NaN or infinite.
    #[error("it gave {value}: a metric's value is a finite number")]
    NotFinite {
        /// What it gave.
        value: f64,
    },
    /// It failed, in words of its own.
    #[error("it failed: {message}")]
    Failed {
        /// What it says.
        message: String,
    },
    /// It gave another number of values than there were runs.
    #[error("it gave {given} values for {runs} runs: one each is expected")]
    Count {
        /// How many it gave.
        given: usize,
        /// Of how many runs it was asked.
        runs: usize,
    },
    /// It panicked.
    #[error("it panicked: {message}")]
    Panicked {
        /// What it panicked with.
        message: String,
    },
}

vene_named::debug_as_sentence!(MetricProblem);

/// A metric's number, if it gives one.
pub(super) fn checked(metric: &dyn Metric, observed: &Observed<'_>) -> Result<f64, MetricProblem> {
    let values = checked_all(metric, std::slice::from_ref(observed));
    Ok(values.map_err(|(_, problem)| problem)?[0])
}

/// A metric's numbers of several runs, one each, or the first run without one.
pub(super) fn checked_all(
    metric: &dyn Metric,
    observed: &[Observed<'_>],
) -> Result<Vec<f64>, (usize, MetricProblem)> {
    let values = guarded(|| metric.values(observed))
        .map_err(|panic| (0, MetricProblem::Panicked { message: panic.message }))??;
    if values.len() != observed.len() {
        return Err((0, MetricProblem::Count { given: values.len(), runs: observed.len() }));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(run) => Err((run, MetricProblem::NotFinite { value: values[run] })),
        None => Ok(values),
    }
}
