//! How many tokens are likelier than the target, and half of those that are equally likely: the mid-rank, 0 for
//! the only likeliest. Of a set, of its best answer.

use super::{Metric, Needs, Observed};

/// How many tokens are likelier than the target; equally likely ones count half.
#[derive(Clone, Copy, Debug)]
pub struct Rank;

impl Metric for Rank {
    fn name(&self) -> &'static str {
        "rank"
    }

    fn description(&self) -> &'static str {
        "how many tokens are likelier than the target; equally likely ones count half"
    }

    fn needs(&self) -> Needs {
        Needs::Distribution
    }

    fn needs_single_tokens(&self) -> bool {
        true
    }

    fn value(&self, observed: &Observed) -> Option<f64> {
        let ranks: Option<Vec<f64>> = observed.target.iter().map(|said| said.rank).collect();
        ranks?.into_iter().reduce(f64::min)
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
        (target[0].rank, target[1].rank) = (Some(7.0), Some(4.5));
        let observed = Observed { target, ..Observed::default() };
        assert_eq!(Rank.value(&observed), Some(4.5));
    }
}
