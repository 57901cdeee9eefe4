//! What is kept of a cell's values: sums over clusters, whatever the number of observations.

use super::Clusters;

/// A cell's values, summed over each cluster as they come: all that its mean, the mean's interval and its test need.
///
/// Memory: 12 bytes for each cluster. Infinite values are refused by what the sums are given to ([`estimates`](super::estimates)).
///
/// ```
/// use vene::statistics::{Bootstrap, ClusterSums, Clusters, estimates};
///
/// let clusters = Clusters::of([Some("a"), Some("a"), Some("b")]);
/// let mut cell = ClusterSums::new(&clusters);
/// for (observation, effect) in [0.5, 0.25, 0.75].into_iter().enumerate() {
///     cell.add(&clusters, observation, effect);
/// }
/// let found = estimates(&[cell], &clusters, &Bootstrap::default())?;
/// assert_eq!((found[0].mean, found[0].clusters), (Some(0.5), 2));
/// # Ok::<(), vene::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClusterSums {
    /// `[cluster]`: the sum of its values.
    pub(super) totals: Vec<f64>,
    /// `[cluster]`: how many values those are.
    sizes: Vec<u32>,
    /// How many values there are at all.
    pub(super) observed: usize,
    /// The sum of their absolute values.
    absolute: f64,
    positive: usize,
    negative: usize,
    /// The first value that no mean can be taken of, with its observation.
    pub(super) infinite: Option<(usize, f64)>,
}

impl ClusterSums {
    /// A cell without values.
    pub fn new(clusters: &Clusters) -> Self {
        Self {
            totals: vec![0.0; clusters.count()],
            sizes: vec![0; clusters.count()],
            observed: 0,
            absolute: 0.0,
            positive: 0,
            negative: 0,
            infinite: None,
        }
    }

    /// A cell with a value for each observation, NaN where one is missing.
    pub(super) fn of(clusters: &Clusters, values: &[f64]) -> Self {
        let mut sums = Self::new(clusters);
        for (observation, &value) in values.iter().enumerate() {
            sums.add(clusters, observation, value);
        }
        sums
    }

    /// Adds the value of an observation, each of which has one at most; NaN adds nothing.
    ///
    /// # Panics
    ///
    /// Where the clusters have no such observation, or are not those that the sums were made for.
    pub fn add(&mut self, clusters: &Clusters, observation: usize, value: f64) {
        if value.is_nan() {
            return;
        }
        if value.is_infinite() && self.infinite.is_none() {
            self.infinite = Some((observation, value));
        }
        let cluster = clusters.of_observation(observation);
        self.totals[cluster] += value;
        self.sizes[cluster] += 1;
        self.observed += 1;
        self.absolute += value.abs();
        self.positive += usize::from(value > 0.0);
        self.negative += usize::from(value < 0.0);
    }

    /// `[cluster]`: how many values it has.
    pub(super) fn sizes(&self) -> impl Iterator<Item = f64> {
        self.sizes.iter().copied().map(f64::from)
    }

    /// How many clusters have a value.
    pub(super) fn clusters(&self) -> usize {
        self.sizes.iter().filter(|size| **size > 0).count()
    }

    /// The mean over observations; `None` where there is none.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.observed > 0).then(|| self.totals.iter().sum::<f64>() / self.observed as f64)
    }

    /// The mean of the absolute values: against it rounding is small.
    pub(super) fn magnitude(&self) -> f64 {
        self.absolute / self.observed.max(1) as f64
    }

    /// The share of values that have the mean's sign, zeros having none; `None` where the mean has none.
    pub(super) fn sign_agreement(&self) -> Option<f64> {
        let mean = self.mean().filter(|mean| *mean != 0.0)?;
        let agree = if mean > 0.0 { self.positive } else { self.negative };
        Some(agree as f64 / self.observed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_belong_to_no_cluster() {
        let clusters = Clusters::of([Some("a"), Some("a"), Some("b"), Some("c")]);
        let sums = ClusterSums::of(&clusters, &[1.0, 2.0, f64::NAN, 4.5]);
        assert_eq!(sums.totals, [3.0, 0.0, 4.5]);
        assert_eq!(sums.sizes().collect::<Vec<_>>(), [2.0, 0.0, 1.0]);
        assert_eq!((sums.observed, sums.clusters(), sums.mean()), (3, 2, Some(2.5)));
        assert_eq!(ClusterSums::of(&clusters, &[f64::NAN; 4]).mean(), None);
    }
}
