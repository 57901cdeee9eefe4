//! The probability of the target minus that of the foil (Hanna et al. 2023, "How does GPT-2 compute
//! greater-than?", where both are sets of years).

use super::{Metric, Needs, Observed, log_probability_of};

/// The probability of the target minus that of the foil.
#[derive(Clone, Copy, Debug)]
pub struct ProbabilityDifference;

impl Metric for ProbabilityDifference {
    fn name(&self) -> &'static str {
        "probability_difference"
    }

    fn description(&self) -> &'static str {
        "the probability of the target minus that of the foil"
    }

    fn needs(&self) -> Needs {
        Needs::Probabilities
    }

    fn needs_foil(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        Some(
            log_probability_of(&observed.target)?.exp() - log_probability_of(&observed.foil)?.exp(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn of_sets_is_the_difference_of_sums() {
        let (target, foil) = (single(&[3.0, 2.0]), single(&[1.0]));
        let observed = Observed { target, foil, divergence: None };
        let expected = (-1.0_f64).exp() + (-2.0_f64).exp() - (-3.0_f64).exp();
        assert!((ProbabilityDifference.value(&observed).unwrap() - expected).abs() < 1e-12);
    }
}
