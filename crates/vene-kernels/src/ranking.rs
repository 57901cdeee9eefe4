//! Rank, accuracy and likeliest, defined once: what they are where scores are equal.
//!
//! Scores tie more often than one thinks: an ablated last layer leaves every token the same logit, and low
//! precision makes neighbours equal. A rank that counts larger scores only would then call every token the best,
//! and every answer right. So:
//!
//! - the **rank** is the mid-rank, counted from 0: the larger scores, plus half of the others that are equal;
//! - the **accuracy** is shared: 1 for the only largest score, 1/n where n scores are the largest together, else 0.
//!   It is what picking one of the largest at random is right on average;
//! - the **likeliest** is one token nonetheless: of equal ones the one with the lowest id.
//!
//! +0 and −0 are equal.

use std::cmp::Ordering;

/// Where one score stands among all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many scores are larger.
    pub larger: usize,
    /// How many others are equal.
    pub equal: usize,
}

impl Standing {
    /// Of the score at `index`.
    ///
    /// # Panics
    /// If there is no such score.
    pub fn of<T: Copy + PartialOrd>(scores: &[T], index: usize) -> Self {
        let own = scores[index];
        let larger = scores.iter().filter(|&&score| score > own).count();
        let equal = scores.iter().filter(|&&score| score == own).count();
        // NaN is not even equal to itself.
        Self { larger, equal: equal.saturating_sub(1) }
    }

    /// The mid-rank, 0 for the only largest score.
    pub fn rank(self) -> f64 {
        self.larger as f64 + self.equal as f64 / 2.0
    }

    /// The shared accuracy, from 0 to 1.
    pub fn accuracy(self) -> f64 {
        if self.larger == 0 { 1.0 / (1.0 + self.equal as f64) } else { 0.0 }
    }
}

/// The accuracy of one of two answers, from how much larger its score is than the other's.
pub fn accuracy_of_two(difference: f64) -> f64 {
    let other_is_larger = difference < 0.0;
    Standing { larger: usize::from(other_is_larger), equal: usize::from(difference == 0.0) }
        .accuracy()
}

/// The index of the largest score; of equal ones the lowest.
pub fn likeliest<T: Copy + PartialOrd>(scores: &[T]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

/// The order of a list that begins with the likeliest: larger scores first, equal ones by index. NaN, which no
/// finite model gives, comes last.
pub fn likeliest_first(scores: &[f64], a: usize, b: usize) -> Ordering {
    let (first, second) = (scores[a], scores[b]);
    second
        .partial_cmp(&first)
        .unwrap_or_else(|| first.is_nan().cmp(&second.is_nan()))
        .then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_share_rank_and_accuracy() {
        let scores = [1.0, 3.0, 3.0, 0.5, 3.0];
        let of = |index| {
            let standing = Standing::of(&scores, index);
            (standing.rank(), standing.accuracy())
        };
        assert_eq!(of(1), (1.0, 1.0 / 3.0));
        assert_eq!(of(0), (3.0, 0.0));
        assert_eq!(of(3), (4.0, 0.0));
        let alone = Standing::of(&[2.0, 1.0], 0);
        assert_eq!((alone.rank(), alone.accuracy()), (0.0, 1.0));
        // All equal: the middle rank, and chance.
        let all = Standing::of(&[0.25_f32; 101], 7);
        assert_eq!((all.rank(), all.accuracy()), (50.0, 1.0 / 101.0));
        let accuracies: f64 = (0..5).map(|index| of(index).1).sum();
        assert!((accuracies - 1.0).abs() < 1e-12);
    }

    #[test]
    fn of_two_a_tie_is_one_half() {
        assert_eq!([1e-9, 0.0, -0.0, -1e-9].map(accuracy_of_two), [1.0, 0.5, 0.5, 0.0]);
        assert_eq!(accuracy_of_two(f64::NAN), 1.0 * Standing::default().accuracy());
    }

    #[test]
    fn the_likeliest_is_the_first_of_equal_ones() {
        assert_eq!(likeliest(&[-1.0, 2.0, 0.0, 2.0]), 1);
        assert_eq!(likeliest(&[-0.0, 0.0]), 0);
        let scores = [0.0, -0.0, 3.0, f64::NAN, 0.0];
        let mut order = vec![4, 3, 2, 1, 0];
        order.sort_by(|&a, &b| likeliest_first(&scores, a, b));
        assert_eq!(order, [2, 0, 1, 4, 3]);
    }
}
