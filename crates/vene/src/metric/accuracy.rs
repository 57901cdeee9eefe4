//! 1 where the target is the likeliest continuation of all (of a sequence, where each of its tokens
//! is the likeliest behind those before it), else 0.

use super::{Metric, Needs, Observed};

/// 1 where the target is the likeliest continuation of all, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn description(&self) -> &'static str {
        "1 where the target is the likeliest continuation of all, else 0"
    }

    fn needs(&self) -> Needs {
        Needs::Distribution
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        let ranks: Option<Vec<usize>> = observed.target.iter().map(|said| said.rank).collect();
        ranks?.into_iter().min().map(|rank| f64::from(u8::from(rank == 0)))
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
        target[0].rank = Some(3);
        assert_eq!(value(&target), Some(1.0));
        target[1].rank = Some(1);
        assert_eq!(value(&target), Some(0.0));
    }
}
