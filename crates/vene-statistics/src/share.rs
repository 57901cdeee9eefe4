//! Which clusters make a share of the rows, as nearly as can be.
//!
//! Clusters are taken whole. Of those of ten and of two rows a fifth of the twelve is the two, whichever comes first
//! in the order that was drawn.

/// No more bits are kept of which sums can be reached: 32 MiB.
const MOST_BITS: usize = 1 << 28;

/// Which clusters are taken, given their sizes in the order that was drawn: at least one and not all, with as many rows
/// as come nearest to `wanted` (of equal distances the fewer). Of the choices with so many rows it is the one that takes
/// the earliest clusters of the order. There must be two clusters, and none may be empty.
///
/// Where there are so many clusters that not all sums can be looked at, the nearer is taken of the first so many
/// clusters, and of those that each still fit.
pub fn nearest(sizes: &[usize], wanted: f64) -> Vec<bool> {
    let rows: usize = sizes.iter().sum();
    let words = rows / 64 + 1;
    match words.saturating_mul(64).saturating_mul(sizes.len() + 1) <= MOST_BITS {
        true => of_all(sizes, rows, wanted),
        false => nearer(sizes, first(sizes, wanted), fitting(sizes, wanted), wanted),
    }
}

/// The nearest of all choices.
fn of_all(sizes: &[usize], rows: usize, wanted: f64) -> Vec<bool> {
    // `[cluster]`: the sums that clusters from this one on can make.
    let mut sums = vec![Sums::zero(rows)];
    for &size in sizes.iter().rev() {
        let next = sums[sums.len() - 1].with(size);
        sums.push(next);
    }
    sums.reverse();
    let reachable = (1..rows).filter(|&sum| sums[0].has(sum));
    let distance = |sum: &usize| (*sum as f64 - wanted).abs();
    let nearest = reachable.min_by(|one, other| distance(one).total_cmp(&distance(other)));
    let mut left = nearest.unwrap_or(0);
    let take = |(cluster, &size): (usize, &usize)| {
        let takes = size <= left && sums[cluster + 1].has(left - size);
        left -= if takes { size } else { 0 };
        takes
    };
    sizes.iter().enumerate().map(take).collect()
}

/// The first so many clusters whose rows come nearest.
fn first(sizes: &[usize], wanted: f64) -> Vec<bool> {
    let mut taken = 0;
    let distances = sizes.iter().map(|size| {
        taken += size;
        (taken as f64 - wanted).abs()
    });
    let nearest = distances.take(sizes.len() - 1).enumerate();
    let nearest = nearest.min_by(|(_, one), (_, other)| one.total_cmp(other));
    let last = nearest.map_or(0, |(index, _)| index);
    (0..sizes.len()).map(|cluster| cluster <= last).collect()
}

/// Each cluster that has no more rows than are still wanted.
fn fitting(sizes: &[usize], wanted: f64) -> Vec<bool> {
    let mut left = wanted;
    let take = |&size: &usize| {
        let takes = size as f64 <= left;
        left -= if takes { size as f64 } else { 0.0 };
        takes
    };
    sizes.iter().map(take).collect()
}

/// The nearer of two choices; the first where both are as near, or the other is none.
fn nearer(sizes: &[usize], one: Vec<bool>, other: Vec<bool>, wanted: f64) -> Vec<bool> {
    let distance = |taken: &[bool]| {
        let taken = sizes.iter().zip(taken).filter(|(_, taken)| **taken);
        (taken.map(|(size, _)| *size as f64).sum::<f64>() - wanted).abs()
    };
    let divides = other.contains(&true) && other.contains(&false);
    if divides && distance(&other) < distance(&one) { other } else { one }
}

/// A set of sums, as bits.
struct Sums(Vec<u64>);

impl Sums {
    /// The sum of nothing, with room for sums up to `most`.
    fn zero(most: usize) -> Self {
        let mut words = vec![0; most / 64 + 1];
        words[0] = 1;
        Self(words)
    }

    fn has(&self, sum: usize) -> bool {
        self.0.get(sum / 64).is_some_and(|word| word >> (sum % 64) & 1 == 1)
    }

    /// These sums, and each with one more number added.
    fn with(&self, number: usize) -> Self {
        let (words, bits) = (number / 64, number % 64);
        let mut sums = self.0.clone();
        for (index, &word) in self.0.iter().enumerate() {
            if let Some(into) = sums.get_mut(index + words) {
                *into |= word << bits;
            }
            if bits > 0
                && let Some(into) = sums.get_mut(index + words + 1)
            {
                *into |= word >> (64 - bits);
            }
        }
        Self(sums)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn rows(sizes: &[usize], taken: &[bool]) -> usize {
        sizes.iter().zip(taken).filter(|(_, taken)| **taken).map(|(size, _)| size).sum()
    }

    #[test]
    fn clusters_of_different_sizes_meet_the_share() {
        assert_eq!(nearest(&[10, 2], 2.4), [false, true]);
        assert_eq!(nearest(&[2, 10], 2.4), [true, false]);
        // Two of three rows and one of four are as near: those that come first are taken.
        assert_eq!(nearest(&[7, 3, 3, 4, 2], 6.0), [false, true, true, false, false]);
        assert_eq!(nearest(&[7, 4, 3, 3, 2], 6.0), [false, true, false, false, true]);
        // Never all and never none.
        assert_eq!(nearest(&[5, 5], 0.1), [true, false]);
        assert_eq!(nearest(&[5, 4], 9.0), [true, false]);
    }

    #[test]
    fn clusters_of_one_size_are_the_first() {
        for size in [1, 3, 64, 100] {
            for wanted in [0.0, 0.4, 3.5, 6.0, 99.0, 1e6] {
                let sizes = vec![size; 10];
                assert_eq!(nearest(&sizes, wanted), first(&sizes, wanted), "{size} {wanted}");
            }
        }
        let many = vec![1; 40_000];
        assert_eq!(nearest(&many, 8_000.0), first(&many, 8_000.0));
        // Too many to look at all sums, and the first is too large by itself.
        let mut many = vec![1; 40_000];
        many[0] = 20_000;
        assert_eq!(rows(&many, &nearest(&many, 8_000.0)), 8_000);
    }

    proptest! {
        #[test]
        fn no_choice_is_nearer(sizes in vec(1_usize..80, 2..10), share in 0.0..1.0) {
            let wanted: f64 = share * sizes.iter().sum::<usize>() as f64;
            let distance = |taken: &[bool]| (rows(&sizes, taken) as f64 - wanted).abs();
            let taken = nearest(&sizes, wanted);
            prop_assert!(taken.contains(&true) && taken.contains(&false));
            for choice in 1..(1_usize << sizes.len()) - 1 {
                let other: Vec<bool> = (0..sizes.len()).map(|bit| choice >> bit & 1 == 1).collect();
                prop_assert!(distance(&taken) <= distance(&other), "{other:?}");
            }
        }
    }
}
