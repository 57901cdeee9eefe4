//! 1 where the target is the likeliest continuation of all (of a sequence, where each of its tokens
//! is the likeliest after those before it), else 0. Where n tokens are the likeliest together each counts 1/n; of a
//! set of answers the shares add up.

use super::{Metric, Needs, Observed};

/// 1 where the target is the likeliest continuation of all, else 0; a tie is shared.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn description(&self) -> &'static str {
        "1 where the target is the likeliest continuation of all, else 0; a tie is shared"
    }

    fn needs(&self) -> Needs {
        Needs::Distribution
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        let shares =
            observed.target.iter().map(|said| said.accuracy).collect::<Option<Vec<f64>>>()?;
        // Three thirds are a whole.
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>().min(1.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn one_likeliest_answer_is_enough() {
        let mut target = single(&[3.0, 2.0]);
        let value = |target: &[_]| {
            Accuracy.value(&Observed { target: target.to_vec(), ..Observed::default() })
        };
        target[0].accuracy = Some(0.0);
        assert_eq!(value(&target), Some(1.0));
        target[1].accuracy = Some(0.0);
        assert_eq!(value(&target), Some(0.0));
    }

    #[test]
    fn a_tie_is_shared_and_shares_of_a_set_add_up() {
        let mut target = single(&[2.0, 2.0]);
        // Both, and a third token that is no answer, are the likeliest together.
        target.iter_mut().for_each(|said| said.accuracy = Some(1.0 / 3.0));
        let value = |target: &[_]| {
            Accuracy.value(&Observed { target: target.to_vec(), ..Observed::default() })
        };
        assert_eq!(value(&target[..1]), Some(1.0 / 3.0));
        assert_eq!(value(&target), Some(2.0 / 3.0));
    }
}
