//! Which observations belong together.

use std::collections::HashMap;

/// The cluster of each observation: observations of one group are no independent ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// `[observation]`, counted from 0 in order of appearance.
    of: Vec<usize>,
    count: usize,
}

impl Clusters {
    /// Observations by the names of their groups; one without a group is a cluster of its own.
    pub fn of(groups: impl IntoIterator<Item = Option<impl AsRef<str>>>) -> Self {
        let mut numbers = HashMap::new();
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let of = groups.into_iter().map(|group| match group {
            Some(name) => *numbers.entry(name.as_ref().to_owned()).or_insert_with(&mut next),
            None => next(),
        });
        Self { of: of.collect(), count }
    }

    /// Observations that have nothing to do with each other.
    pub fn independent(observations: usize) -> Self {
        Self { of: (0..observations).collect(), count: observations }
    }

    /// How many clusters there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many observations there are.
    pub fn observations(&self) -> usize {
        self.of.len()
    }

    /// Each cluster's sum over the values that are there, and their number.
    pub(super) fn sums(&self, values: &[f64]) -> Sums {
        let mut sums = Sums {
            totals: vec![0.0; self.count],
            sizes: vec![0.0; self.count],
            observed: 0,
            magnitude: 0.0,
        };
        for (&cluster, &value) in self.of.iter().zip(values) {
            if !value.is_nan() {
                sums.totals[cluster] += value;
                sums.sizes[cluster] += 1.0;
                sums.observed += 1;
                sums.magnitude += value.abs();
            }
        }
        sums.magnitude /= sums.observed.max(1) as f64;
        sums
    }
}

/// All that a mean and its resamples need of a cell.
pub(super) struct Sums {
    /// `[cluster]`: the sum of its values.
    pub totals: Vec<f64>,
    /// `[cluster]`: how many values those are.
    pub sizes: Vec<f64>,
    /// How many values there are at all.
    pub observed: usize,
    /// The mean of their absolute values: against it rounding is small.
    pub magnitude: f64,
}

impl Sums {
    /// How many clusters have a value.
    pub fn clusters(&self) -> usize {
        self.sizes.iter().filter(|size| **size > 0.0).count()
    }

    /// The mean over observations; `None` where there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.observed > 0).then(|| self.totals.iter().sum::<f64>() / self.observed as f64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn observations_without_a_group_stand_alone() {
        let clusters = Clusters::of([Some("b"), None, Some("a"), None, Some("b")]);
        assert_eq!(clusters.of, [0, 1, 2, 3, 0]);
        assert_eq!((clusters.count(), clusters.observations()), (4, 5));
        let none: [Option<&str>; 3] = [None; 3];
        assert_eq!(Clusters::of(none), Clusters::independent(3));
    }

    #[test]
    fn missing_values_belong_to_no_cluster() {
        let clusters = Clusters::of([Some("a"), Some("a"), Some("b"), Some("c")]);
        let sums = clusters.sums(&[1.0, 2.0, f64::NAN, 4.5]);
        assert_eq!(
            (sums.totals.as_slice(), sums.sizes.as_slice()),
            (&[3.0, 0.0, 4.5][..], &[2.0, 0.0, 1.0][..])
        );
        assert_eq!((sums.observed, sums.clusters(), sums.mean()), (3, 2, Some(2.5)));
        assert_eq!(clusters.sums(&[f64::NAN; 4]).mean(), None);
    }
}
