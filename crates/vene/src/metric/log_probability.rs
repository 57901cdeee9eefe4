//! The log-probability of the target in nats; of a set, of any of its answers.

use super::{Metric, Needs, Observed, log_probability_of};

/// The log-probability of the target, in nats.
#[derive(Clone, Copy, Debug)]
pub struct LogProbability;

impl Metric for LogProbability {
    fn name(&self) -> &'static str {
        "log_probability"
    }

    fn description(&self) -> &'static str {
        "the log-probability of the target, in nats"
    }

    fn needs(&self) -> Needs {
        Needs::Probabilities
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        log_probability_of(&observed.target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn of_a_set_is_that_of_any_of_it() {
        let observed = Observed { target: single(&[3.0, 2.0]), ..Observed::default() };
        let expected = ((-1.0_f64).exp() + (-2.0_f64).exp()).ln();
        assert!((LogProbability.value(&observed).unwrap() - expected).abs() < 1e-12);
    }
}
