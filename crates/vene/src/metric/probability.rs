//! The probability of the target; of a set, of any of its answers.

use super::{Metric, Needs, Observed, log_probability_of};

/// The probability of the target.
#[derive(Clone, Copy, Debug)]
pub struct Probability;

impl Metric for Probability {
    fn name(&self) -> &'static str {
        "probability"
    }

    fn description(&self) -> &'static str {
        "the probability of the target"
    }

    fn needs(&self) -> Needs {
        Needs::Probabilities
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        Some(log_probability_of(&observed.target)?.exp())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn of_a_set_is_the_sum() {
        let observed = Observed { target: single(&[3.0, 2.0]), ..Observed::default() };
        let expected = (-1.0_f64).exp() + (-2.0_f64).exp();
        assert!((Probability.value(&observed).unwrap() - expected).abs() < 1e-12);
    }
}
