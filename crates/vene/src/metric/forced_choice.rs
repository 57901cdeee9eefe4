//! 1 where the target is likelier than the foil, else 0, and 1/2 where they tie: the accuracy of a model that may
//! only answer one of the two.

use super::{Metric, Needs, Observed, log_odds};
use crate::ranking::accuracy_of_two;

/// 1 where the target is likelier than the foil, 1/2 where they tie, else 0.
#[derive(Clone, Copy, Debug)]
pub struct ForcedChoice;

impl Metric for ForcedChoice {
    fn name(&self) -> &'static str {
        "forced_choice"
    }

    fn description(&self) -> &'static str {
        "1 where the target is likelier than the foil, 1/2 where they tie, else 0"
    }

    fn needs(&self) -> Needs {
        Needs::Logits
    }

    fn needs_foil(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        log_odds(observed).map(accuracy_of_two)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn the_likelier_wins() {
        let value = |target: &[f64], foil: &[f64]| {
            let (target, foil) = (single(target), single(foil));
            ForcedChoice.value(&Observed { target, foil, divergence: None })
        };
        assert_eq!(value(&[2.0], &[1.0]), Some(1.0));
        assert_eq!(value(&[1.0], &[1.0]), Some(0.5));
        assert_eq!(value(&[1.0], &[2.0]), Some(0.0));
    }
}
