//! Estimates of many cells from the same resamples.

use super::clusters::Sums;
use super::{Bootstrap, Clusters, Estimate, StatisticsError};
use super::{bootstrap::Resamples, interval, significance};

/// What all cells share.
pub(super) struct Sampler<'a> {
    clusters: &'a Clusters,
    resamples: Resamples,
    level: f64,
    /// `[resample]`: how many observations it has where none is missing, as in most cells.
    complete: Vec<f64>,
}

/// An estimate, with the sums of the resamples that it came from.
pub(super) struct Sampled {
    pub estimate: Estimate,
    /// `[resample]`.
    pub totals: Vec<f64>,
}

impl<'a> Sampler<'a> {
    pub fn new(clusters: &'a Clusters, bootstrap: &Bootstrap) -> Result<Self, StatisticsError> {
        bootstrap.check_for(clusters.count())?;
        let resamples = Resamples::draw(bootstrap, clusters.count());
        let ones = clusters.sums(&vec![1.0; clusters.observations()]);
        let complete = resamples.totals(&ones.sizes);
        Ok(Self { clusters, resamples, level: bootstrap.level, complete })
    }

    /// Refuses values that are not the observations', and infinite ones.
    pub fn check(&self, cell: usize, values: &[f64]) -> Result<(), StatisticsError> {
        let observations = self.clusters.observations();
        if values.len() != observations {
            return Err(StatisticsError::Observations { cell, values: values.len(), observations });
        }
        match values.iter().position(|value| value.is_infinite()) {
            Some(observation) => {
                let value = values[observation];
                Err(StatisticsError::Infinite { cell, observation, value })
            }
            None => Ok(()),
        }
    }

    /// The mean of a cell's values and what goes with it.
    pub fn sample(&self, values: &[f64]) -> Sampled {
        let sums = self.clusters.sums(values);
        let totals = self.resamples.totals(&sums.totals);
        let mean = sums.mean();
        let estimate = Estimate {
            mean,
            interval: self.interval(sums.clusters(), self.means(&sums, &totals)),
            n: sums.observed,
            clusters: sums.clusters(),
            sign_agreement: mean.and_then(|mean| sign_agreement(values, mean)),
            standard_error: significance::standard_error(&sums),
            p_value: significance::p_value(&sums),
        };
        Sampled { estimate, totals }
    }

    /// The interval of numbers that came of the resamples of so many clusters.
    pub fn interval(&self, clusters: usize, resampled: Vec<f64>) -> Option<super::Interval> {
        interval::percentile(resampled, clusters, self.level)
    }

    /// `[resample]`: its mean; NaN where all of its observations are missing (0 / 0).
    fn means(&self, sums: &Sums, totals: &[f64]) -> Vec<f64> {
        let divide = |sizes: &[f64]| totals.iter().zip(sizes).map(|(a, b)| a / b).collect();
        if sums.observed == self.clusters.observations() {
            divide(&self.complete)
        } else {
            divide(&self.resamples.totals(&sums.sizes))
        }
    }
}

/// The share of values that have the mean's sign, zeros having none; `None` where the mean has none.
fn sign_agreement(values: &[f64], mean: f64) -> Option<f64> {
    let present = values.iter().filter(|value| !value.is_nan());
    let agree = present.clone().filter(|value| **value * mean.signum() > 0.0).count();
    (mean != 0.0).then(|| agree as f64 / present.count() as f64)
}
