//! The choice among experts, on numbers in host memory.

use crate::config::{Experts, Routing};

/// Which experts a row's scores choose: the largest, of equal ones the first.
pub(super) fn chosen<T: PartialOrd + Copy>(scores: &[T], count: usize) -> Vec<usize> {
    let mut experts: Vec<usize> = (0..scores.len()).collect();
    // Stable: equal scores stay in the order of their experts.
    experts.sort_by(|one, other| {
        scores[*other].partial_cmp(&scores[*one]).unwrap_or(std::cmp::Ordering::Equal)
    });
    experts.truncate(count);
    experts.sort_unstable();
    experts
}

/// For each of so many experts the rows in which its weight is not 0.
pub(super) fn chosen_rows<'r, T: PartialEq + Default + 'r>(
    weights: impl Iterator<Item = &'r [T]>,
    count: usize,
) -> Vec<Vec<usize>> {
    let mut chosen = vec![Vec::new(); count];
    for (index, row) in weights.enumerate() {
        for (rows, weight) in chosen.iter_mut().zip(row) {
            if *weight != T::default() {
                rows.push(index);
            }
        }
    }
    chosen
}

/// A row's weights by its scores, in place.
pub(super) fn route(scores: &mut [f32], experts: &Experts) {
    let kept = chosen(scores, experts.chosen);
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let of_kept = || kept.iter().map(|expert| powers[*expert]);
    let sum: f32 = match experts.routing {
        Routing::SoftmaxThenChoose { normalised: false } => powers.iter().sum(),
        // Of those that are kept the shares are the same, whichever way they come about.
        Routing::SoftmaxThenChoose { normalised: true } | Routing::ChooseThenSoftmax => {
            of_kept().sum()
        }
    };
    scores.fill(0.0);
    kept.iter().zip(of_kept()).for_each(|(expert, power)| scores[*expert] = power / sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_chosen_and_of_equal_ones_the_first() {
        assert_eq!(chosen(&[1.0, 3.0, 2.0, 3.0], 2), [1, 3]);
        assert_eq!(chosen(&[2.0, 2.0, 2.0], 2), [0, 1]);
    }

    #[test]
    fn weights_sum_to_one_where_they_are_normalised() {
        let experts = |routing| Experts {
            count: 3,
            chosen: 2,
            d_expert: 1,
            routing,
            d_shared: None,
            clamped: None,
        };
        let weights = |routing| {
            let mut scores = [1f32.ln(), 3f32.ln(), 4f32.ln()];
            route(&mut scores, &experts(routing));
            scores.map(|weight| (weight * 1e4).round() / 1e4)
        };
        let plain = Routing::SoftmaxThenChoose { normalised: false };
        assert_eq!(weights(plain), [0.0, 0.375, 0.5]);
        assert_eq!(weights(Routing::SoftmaxThenChoose { normalised: true }), [0.0, 0.4286, 0.5714]);
        assert_eq!(weights(Routing::ChooseThenSoftmax), [0.0, 0.4286, 0.5714]);
    }
}
