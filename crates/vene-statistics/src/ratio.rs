//! What share of a total effect a cell restores: a ratio of two means.
//!
//! The normalised effect (patched − base) / (source − base) is 0 where the intervention does
//! nothing and 1 where it does as much as the source. Row by row it explodes where source and base
//! hardly differ, and a mean of such ratios is a mean of accidents. So it is the ratio of the
//! means, with its denominator shown; and where the denominator may be 0 there is none. That is
//! no convention: the confidence set of a ratio is unbounded exactly where the denominator is not
//! distinguishable from 0 (Fieller 1954).

use std::borrow::Borrow;

use rayon::prelude::*;

use super::sampler::{Sampled, Sampler};
use super::{Bootstrap, ClusterSums, Clusters, Estimate, Interval, StatisticsError};

/// A ratio of means, with the means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio, or why there is none.
    pub quotient: Result<Quotient, Refusal>,
    /// The mean above, over the observations that both have.
    pub numerator: Estimate,
    /// The mean below, over the same.
    pub denominator: Estimate,
}

/// A number and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quotient {
    /// The mean above divided by the mean below.
    pub value: f64,
    /// Both resampled together.
    pub interval: Interval,
}

/// Why there is no ratio.
#[derive(Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody knows how far the denominator is from 0.
    #[error(
        "no ratio: its observations are of {clusters} clusters, and the denominator's interval \
         needs two or more"
    )]
    FewClusters {
        /// Clusters with an observation.
        clusters: usize,
    },
    /// The denominator may be 0.
    #[error(
        "no ratio: the denominator's interval, {} to {}, contains 0", interval.low, interval.high
    )]
    DenominatorMayBeZero {
        /// The denominator's interval.
        interval: Interval,
    },
}

vene_named::debug_as_sentence!(Refusal);

impl Ratio {
    /// The ratio; `None` where it is refused.
    pub fn value(&self) -> Option<f64> {
        self.quotient.ok().map(|quotient| quotient.value)
    }

    /// Its interval; `None` where it is refused.
    pub fn interval(&self) -> Option<Interval> {
        self.quotient.ok().map(|quotient| quotient.interval)
    }
}

/// Divides the mean of each cell of `numerators` by that of `denominators`, both
/// `[cell][observation]`. An observation that is missing (NaN) on either side is left out of both.
///
/// Resamples are those of [`means`](super::means): numerator and denominator are drawn together,
/// so that what moves both does not widen the interval.
///
/// # Errors
///
/// [`StatisticsError::Denominators`], and those of [`means`](super::means).
pub fn ratios_of_means<Above: AsRef<[f64]> + Sync, Below: AsRef<[f64]> + Sync>(
    numerators: &[Above],
    denominators: &[Below],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<Vec<Ratio>, StatisticsError> {
    if numerators.len() != denominators.len() {
        return Err(StatisticsError::Denominators {
            numerators: numerators.len(),
            denominators: denominators.len(),
        });
    }
    let sampler = Sampler::new(clusters, bootstrap)?;
    for (cell, (above, below)) in numerators.iter().zip(denominators).enumerate() {
        sampler.check(cell, above.as_ref())?;
        sampler.check(cell, below.as_ref())?;
    }
    let pairs = numerators.par_iter().zip(denominators);
    let sums = |(above, below): (&Above, &Below)| {
        let mut sums = RatioSums::new(clusters);
        for (observation, (&above, &below)) in above.as_ref().iter().zip(below.as_ref()).enumerate()
        {
            sums.add(clusters, observation, above, below);
        }
        sums
    };
    ratios(&pairs.map(sums).collect::<Vec<_>>(), clusters, bootstrap)
}

/// The sums of a ratio's two sides over each cluster, taken as the values come; see [`ClusterSums`].
#[derive(Clone, Debug)]
pub struct RatioSums {
    above: ClusterSums,
    below: ClusterSums,
}

impl RatioSums {
    /// A cell without values.
    pub fn new(clusters: &Clusters) -> Self {
        Self { above: ClusterSums::new(clusters), below: ClusterSums::new(clusters) }
    }

    /// Adds the values of an observation, which are left out of both sides where either is missing (NaN).
    ///
    /// # Panics
    ///
    /// As [`ClusterSums::add`].
    pub fn add(&mut self, clusters: &Clusters, observation: usize, above: f64, below: f64) {
        if !above.is_nan() && !below.is_nan() {
            self.above.add(clusters, observation, above);
            self.below.add(clusters, observation, below);
        }
    }
}

/// As [`ratios_of_means`], of values that were summed as they came: `cells` are sums over these clusters.
///
/// # Errors
///
/// As [`means`](super::means).
pub fn ratios<Sums: Borrow<RatioSums>>(
    cells: &[Sums],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<Vec<Ratio>, StatisticsError> {
    let sampler = Sampler::new(clusters, bootstrap)?;
    let cells = cells.iter().map(Borrow::borrow).map(|sums| [&sums.above, &sums.below]);
    sampler.sample(&cells.collect::<Vec<_>>(), |[above, below]| ratio(&sampler, &above, &below))
}

/// How far ratios are from 1, summed by weights: Σ weight · |1 − ratio|, all of one resample together. Refused where one of the ratios is.
///
/// # Errors
///
/// As [`means`](super::means).
pub fn distance_from_one(
    cells: &[RatioSums],
    weights: &[f64],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<Result<Quotient, Refusal>, StatisticsError> {
    let sampler = Sampler::new(clusters, bootstrap)?;
    let cells: Vec<_> = cells.iter().map(|sums| [&sums.above, &sums.below]).collect();
    let found = sampler.sample(&cells, |[above, below]| {
        let resampled: Vec<f64> =
            above.totals.iter().zip(&below.totals).map(|(above, below)| above / below).collect();
        (ratio(&sampler, &above, &below), resampled)
    })?;
    let (mut value, mut resampled, mut most) = (0.0, vec![0.0; bootstrap.resamples], 0);
    for ((ratio, of_cell), weight) in found.into_iter().zip(weights) {
        let quotient = match ratio.quotient {
            Ok(quotient) => quotient,
            Err(refusal) => return Ok(Err(refusal)),
        };
        most = most.max(ratio.denominator.clusters);
        value += weight * (1.0 - quotient.value).abs();
        for (sum, ratio) in resampled.iter_mut().zip(of_cell) {
            *sum += weight * (1.0 - ratio).abs();
        }
    }
    let interval = sampler.interval(most, resampled);
    let found = interval.map(|interval| Quotient { value, interval });
    Ok(found.ok_or(Refusal::FewClusters { clusters: most }))
}

fn ratio(sampler: &Sampler<'_>, numerator: &Sampled, denominator: &Sampled) -> Ratio {
    // The numbers of observations cancel: a ratio of means is a ratio of sums.
    let resampled = numerator.totals.iter().zip(&denominator.totals).map(|(a, b)| a / b).collect();
    let (numerator, denominator) = (numerator.estimate, denominator.estimate);
    let few = Refusal::FewClusters { clusters: denominator.clusters };
    let quotient = match (numerator.mean, denominator.mean, denominator.interval) {
        (Some(_), Some(_), Some(interval)) if interval.contains(0.0) => {
            Err(Refusal::DenominatorMayBeZero { interval })
        }
        (Some(above), Some(below), Some(_)) => sampler
            .interval(denominator.clusters, resampled)
            .map(|interval| Quotient { value: above / below, interval })
            .ok_or(few),
        _ => Err(few),
    };
    Ratio { quotient, numerator, denominator }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ABOVE: [f64; 10] = [0.31, -0.12, 0.55, 0.87, 0.02, 0.44, -0.23, 0.61, 0.28, 0.19];
    const BELOW: [f64; 10] = [1.2, 0.8, 1.1, 1.5, 0.7, 0.9, 0.4, 1.3, 1.0, 0.6];

    fn one(above: &[f64], below: &[f64], clusters: &Clusters) -> Ratio {
        ratios_of_means(&[above], &[below], clusters, &Bootstrap::default()).unwrap()[0]
    }

    #[test]
    fn the_interval_is_that_of_the_definition() {
        // As `fixtures/print_statistics.py` computes it with a generator and resamples of its own.
        let ratio = one(&ABOVE, &BELOW, &Clusters::independent(10));
        let found = ratio.quotient.unwrap();
        let found = [found.value, found.interval.low, found.interval.high];
        let expected = [0.3073684210526316, 0.050769230769230775, 0.4686440677966102];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
        assert!((ratio.denominator.mean.unwrap() - 0.95).abs() < 1e-15);
        assert_eq!(ratio.value(), Some(found[0]));
    }

    #[test]
    fn numerator_and_denominator_are_drawn_together() {
        // A cell that restores a third of each row's effect does so in every resample.
        let third = BELOW.map(|value| value / 3.0);
        let ratio = one(&third, &BELOW, &Clusters::independent(10));
        assert!(ratio.interval().unwrap().width() < 1e-15);
        assert!((ratio.value().unwrap() - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_denominator_that_may_be_zero_is_refused() {
        // The mean is 0.1, its standard error 0.1.
        let below = [1.0, -0.8, 0.1, 0.0, 0.2, 0.3, -0.2, 0.1, 0.0, 0.3];
        let ratio = one(&ABOVE, &below, &Clusters::independent(10));
        let Err(refusal @ Refusal::DenominatorMayBeZero { interval }) = ratio.quotient else {
            panic!("{ratio:?}");
        };
        assert_eq!(Some(interval), ratio.denominator.interval);
        assert_eq!((ratio.value(), ratio.interval()), (None, None));
        let expected = format!(
            "no ratio: the denominator's interval, {} to {}, contains 0",
            interval.low, interval.high
        );
        assert_eq!(refusal.to_string(), expected);
        // And all zeros, where every resample is 0 / 0.
        let zeros = one(&ABOVE, &[0.0; 10], &Clusters::independent(10));
        assert!(matches!(zeros.quotient, Err(Refusal::DenominatorMayBeZero { .. })));
    }

    #[test]
    fn few_clusters_are_refused() {
        let ratio = one(&ABOVE, &BELOW, &Clusters::of(["a"; 10].map(Some)));
        assert_eq!(ratio.quotient, Err(Refusal::FewClusters { clusters: 1 }));
        let nothing = one(&[f64::NAN; 10], &BELOW, &Clusters::independent(10));
        assert_eq!(nothing.quotient, Err(Refusal::FewClusters { clusters: 0 }));
        assert_eq!(nothing.denominator.n, 0, "only what both have");
    }

    #[test]
    fn an_observation_missing_on_one_side_is_left_out_of_both() {
        let (mut above, mut below) = (ABOVE, BELOW);
        (above[2], below[7]) = (f64::NAN, f64::NAN);
        let clusters = Clusters::independent(10);
        let ratio = one(&above, &below, &clusters);
        (above[7], below[2]) = (f64::NAN, f64::NAN);
        assert_eq!(ratio, one(&above, &below, &clusters));
        assert_eq!((ratio.numerator.n, ratio.denominator.n), (8, 8));
        let expected = (2.92 - 0.55 - 0.61) / (9.5 - 1.1 - 1.3);
        assert!((ratio.value().unwrap() - expected).abs() < 1e-15);
    }

    #[test]
    fn every_cell_needs_a_denominator() {
        let clusters = Clusters::independent(10);
        let error = ratios_of_means(&[ABOVE; 3], &[BELOW], &clusters, &Bootstrap::default());
        assert_eq!(
            error.unwrap_err().to_string(),
            "3 cells are to be divided by 1: give a denominator for each"
        );
    }
}
