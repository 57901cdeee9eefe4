//! The Kullback-Leibler divergence Σ p log(p / q) over the vocabulary, in nats, of the edited run's
//! next-token distribution q from that of the unedited run p (Kullback and Leibler 1951).
//!
//! It asks for no answer: it is large wherever the model now says something else.

use super::{Metric, Needs, Observed};

/// How far the next-token distribution is from the unedited run's, in nats.
#[derive(Clone, Copy, Debug)]
pub struct Kl;

impl Metric for Kl {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn description(&self) -> &'static str {
        "how far the next-token distribution is from the unedited run's, in nats"
    }

    fn needs(&self) -> Needs {
        Needs::Distribution
    }

    fn needs_divergence(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        observed.divergence
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn is_what_was_measured() {
        let observed = Observed { divergence: Some(0.25), target: single(&[1.0]), foil: vec![] };
        assert_eq!(Kl.value(&observed), Some(0.25));
    }
}
