//! How many tokens are likelier than the target: 0 for the likeliest of all. Of a set, of its best
//! answer.

use super::{Metric, Needs, Observed};

/// How many tokens are likelier than the target.
#[derive(Clone, Copy, Debug)]
pub struct Rank;

impl Metric for Rank {
    fn name(&self) -> &'static str {
        "rank"
    }

    fn description(&self) -> &'static str {
        "how many tokens are likelier than the target"
    }

    fn needs(&self) -> Needs {
        Needs::Distribution
    }

    fn needs_single_tokens(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        let ranks: Option<Vec<usize>> = observed.target.iter().map(|said| said.rank).collect();
        ranks?.into_iter().min().map(|rank| rank as f64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metric::tests::single;

    #[test]
    fn of_a_set_is_that_of_its_best() {
        let mut target = single(&[3.0, 2.0]);
        (target[0].rank, target[1].rank) = (Some(7), Some(4));
        let observed = Observed { target, ..Observed::default() };
        assert_eq!(Rank.value(&observed), Some(4.0));
    }
}
