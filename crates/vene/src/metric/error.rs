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
    match guarded(|| metric.value(observed)) {
        Ok(Some(value)) if value.is_finite() => Ok(value),
        Ok(Some(value)) => Err(MetricProblem::NotFinite { value }),
        Ok(None) => Err(MetricProblem::Unread),
        Err(panic) => Err(MetricProblem::Panicked { message: panic.message }),
    }
}
