//! A closure as a metric.

use std::fmt;
use std::sync::Arc;

use super::{Metric, Observed, Reads};

/// A metric of one's own: its name in tables, what it reads, and the number that it makes of that
/// ([`Metric::value`]).
///
/// ```
/// use vene::metric::{self, Reads};
///
/// let margin = metric::from_fn("margin", Reads::logits().with_foil(), |observed| {
///     Some(observed.target.first()?.score - observed.foil.first()?.score)
/// });
/// assert_eq!(margin.name(), "margin");
/// ```
pub fn from_fn(
    name: impl Into<String>,
    reads: Reads,
    value: impl Fn(&Observed<'_>) -> Option<f64> + Send + Sync + 'static,
) -> Arc<dyn Metric> {
    Arc::new(FromFn { name: name.into(), reads, value })
}

struct FromFn<F> {
    name: String,
    reads: Reads,
    value: F,
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, reads, value: _ } = self;
        formatter.debug_struct("FromFn").field("name", name).field("reads", reads).finish()
    }
}

impl<F: Fn(&Observed<'_>) -> Option<f64> + Send + Sync> Metric for FromFn<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self) -> Reads {
        self.reads.clone()
    }

    fn value(&self, observed: &Observed<'_>) -> Option<f64> {
        (self.value)(observed)
    }
}
