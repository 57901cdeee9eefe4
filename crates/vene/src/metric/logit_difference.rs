//! The logit of the target minus that of the foil: log(P(target) / P(foil)), in nats (Wang et al. 2022,
//! "Interpretability in the wild").
//!
//! It moves in proportion where probabilities saturate, and needs two rows of the unembedding only.
//! Of sets of answers it is the log-odds of the one set against the other, log Σ exp(logit) of
//! each; of sequences the difference of their log-probabilities. Each agrees with the plain
//! difference where there is one token on both sides.

use super::{Metric, Needs, Observed, log_odds};

/// The logit of the target minus that of the foil.
#[derive(Clone, Copy, Debug)]
pub struct LogitDifference;

impl Metric for LogitDifference {
    fn name(&self) -> &'static str {
        "logit_difference"
    }

    fn description(&self) -> &'static str {
        "the logit of the target minus that of the foil"
    }

    fn needs(&self) -> Needs {
        Needs::Logits
    }

    fn needs_foil(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        log_odds(observed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn of_tokens_of_sets_and_of_sequences() {
        let value = |target: Vec<_>, foil: Vec<_>| {
            LogitDifference.value(&Observed { target, foil, divergence: None }).unwrap()
        };
        assert_eq!(value(single(&[3.0]), single(&[1.0])), 2.0);
        // Two equally likely answers are twice as likely as one.
        let difference = value(single(&[1.0, 1.0]), single(&[1.0]));
        assert!((difference - 2.0_f64.ln()).abs() < 1e-12);
        // A sequence is compared by its log-probability, even with a single token.
        let mut sequence = single(&[0.0]);
        sequence[0].tokens = 2;
        sequence[0].log_probability = Some(-7.0);
        assert_eq!(value(sequence, single(&[1.0])), -4.0);
    }
}
