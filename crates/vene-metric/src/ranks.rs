//! Where the target stands among all tokens. What is said where tokens tie is defined in [`crate::ranking`].

use super::{BuiltIn, Observed, Reads};

/// The mid-rank of the target: how many tokens are likelier, and half of those that are equally likely, 0 for the
/// only likeliest. Of a set, of its best answer.
pub const RANK: BuiltIn = BuiltIn {
    name: "rank",
    aliases: &[],
    documentation: "how many tokens are likelier than the target, and half of the equally likely ones: the mid-rank, 0 for the only likeliest",
    reads: || Reads::ranks().of_single_tokens(),
    value: rank,
};

/// 1 where the target is the likeliest continuation of all (of a sequence, where each of its tokens is the likeliest
/// after those before it), else 0. Where n tokens are the likeliest together each counts 1/n; of a set of answers the
/// shares add up.
pub const ACCURACY: BuiltIn = BuiltIn {
    name: "accuracy",
    aliases: &[],
    documentation: "1 where the target is the likeliest of all, 1/n where n tokens are the likeliest together, else 0",
    reads: Reads::ranks,
    value: accuracy,
};

fn rank(observed: &Observed<'_>) -> Option<f64> {
    let ranks: Option<Vec<f64>> = observed.target.iter().map(|said| said.rank).collect();
    ranks?.into_iter().reduce(f64::min)
}

fn accuracy(observed: &Observed<'_>) -> Option<f64> {
    let shares = observed.target.iter().map(|said| said.accuracy).collect::<Option<Vec<f64>>>()?;
    // Three thirds are a whole.
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Said;
    use crate::answers::tests::single;

    fn of(value: fn(&Observed<'_>) -> Option<f64>, target: &[Said]) -> Option<f64> {
        value(&Observed { target: target.to_vec(), ..Observed::default() })
    }

    #[test]
    fn of_a_set_is_that_of_its_best() {
        let mut target = single(&[3.0, 2.0]);
        (target[0].rank, target[1].rank) = (Some(7.0), Some(4.5));
        assert_eq!(of(rank, &target), Some(4.5));
    }

    #[test]
    fn one_likeliest_answer_is_enough() {
        let mut target = single(&[3.0, 2.0]);
        target[0].accuracy = Some(0.0);
        assert_eq!(of(accuracy, &target), Some(1.0));
        target[1].accuracy = Some(0.0);
        assert_eq!(of(accuracy, &target), Some(0.0));
    }

    #[test]
    fn a_tie_is_shared_and_shares_of_a_set_add_up() {
        let mut target = single(&[2.0, 2.0]);
        // Both, and a third token that is no answer, are the likeliest together.
        target.iter_mut().for_each(|said| said.accuracy = Some(1.0 / 3.0));
        assert_eq!(of(accuracy, &target[..1]), Some(1.0 / 3.0));
        assert_eq!(of(accuracy, &target), Some(2.0 / 3.0));
    }
}
