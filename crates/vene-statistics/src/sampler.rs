//! Estimates of many cells from the same resamples.

use rayon::prelude::*;

use super::bootstrap::Resamples;
use super::{Bootstrap, ClusterSums, Clusters, Estimate, Interval, StatisticsError};
use super::{interval, significance};

/// Sums of resamples that are in memory at once: 256 MiB of them, or those of one cell.
const MOST_TOTALS: usize = 1 << 25;

/// What all cells share.
pub(super) struct Sampler<'a> {
    clusters: &'a Clusters,
    bootstrap: &'a Bootstrap,
}

/// An estimate, with the sums of the resamples that it came from.
pub(super) struct Sampled {
    pub estimate: Estimate,
    /// `[resample]`.
    pub totals: Vec<f64>,
}

/// A cell on its way through the resamples.
struct Cell<'s> {
    sums: &'s ClusterSums,
    /// `[resample]`.
    totals: Vec<f64>,
    /// `[resample]`: how many observations it has; `None` where no observation is missing, as in most cells.
    sizes: Option<Vec<f64>>,
}

impl<'a> Sampler<'a> {
    pub fn new(clusters: &'a Clusters, bootstrap: &'a Bootstrap) -> Result<Self, StatisticsError> {
        bootstrap.check()?;
        Ok(Self { clusters, bootstrap })
    }

    /// Refuses values that are not the observations'.
    pub fn check(&self, cell: usize, values: &[f64]) -> Result<(), StatisticsError> {
        let observations = self.clusters.observations();
        if values.len() == observations {
            return Ok(());
        }
        Err(StatisticsError::Observations { cell, values: values.len(), observations })
    }

    /// What `finish` makes of the estimates of each cell, which is the `N` sums that are resampled together.
    ///
    /// The draws are made again for every so many cells, so that memory does not grow with the number of either.
    pub fn sample<const N: usize, T: Send>(
        &self,
        cells: &[[&ClusterSums; N]],
        finish: impl Fn([Sampled; N]) -> T + Sync,
    ) -> Result<Vec<T>, StatisticsError> {
        for (cell, sums) in cells.iter().enumerate() {
            if let Some((observation, value)) = sums.iter().find_map(|sums| sums.infinite) {
                return Err(StatisticsError::Infinite { cell, observation, value });
            }
        }
        let together = (MOST_TOTALS / (N * self.bootstrap.resamples).max(1)).max(1);
        let mut found = Vec::with_capacity(cells.len());
        for cells in cells.chunks(together) {
            found.extend(self.sample_together(cells, &finish));
        }
        Ok(found)
    }

    fn sample_together<const N: usize, T: Send>(
        &self,
        cells: &[[&ClusterSums; N]],
        finish: &(impl Fn([Sampled; N]) -> T + Sync),
    ) -> Vec<T> {
        let resamples = self.bootstrap.resamples;
        let of_all = self.clusters.sizes();
        let mut complete = vec![0.0; resamples];
        let mut cells: Vec<[Cell<'_>; N]> =
            cells.iter().map(|sums| sums.map(|sums| self.start(sums))).collect();
        let mut start = 0;
        for block in Resamples::new(self.bootstrap, self.clusters.count()) {
            let here = start..start + block.resamples;
            block.add(of_all.iter().copied(), &mut complete[here.clone()]);
            cells.as_flattened_mut().par_iter_mut().for_each(|cell| {
                block.add(cell.sums.totals.iter().copied(), &mut cell.totals[here.clone()]);
                if let Some(sizes) = &mut cell.sizes {
                    block.add(cell.sums.sizes(), &mut sizes[here.clone()]);
                }
            });
            start = here.end;
        }
        let sampled = |cell| self.sampled(cell, &complete);
        cells.into_par_iter().map(|cells| finish(cells.map(sampled))).collect()
    }

    fn start<'s>(&self, sums: &'s ClusterSums) -> Cell<'s> {
        let zeros = || vec![0.0; self.bootstrap.resamples];
        let is_complete = sums.observed == self.clusters.observations();
        Cell { sums, totals: zeros(), sizes: (!is_complete).then(zeros) }
    }

    /// The mean of a cell's values and what goes with it.
    fn sampled(&self, cell: Cell<'_>, complete: &[f64]) -> Sampled {
        let Cell { sums, totals, sizes } = cell;
        // NaN where all observations of a resample are missing (0 / 0).
        let sizes = sizes.as_deref().unwrap_or(complete);
        let means = totals.iter().zip(sizes).map(|(total, size)| total / size).collect();
        let estimate = Estimate {
            mean: sums.mean(),
            interval: self.interval(sums.clusters(), means),
            n: sums.observed,
            clusters: sums.clusters(),
            sign_agreement: sums.sign_agreement(),
            standard_error: significance::standard_error(sums),
            p_value: significance::p_value(sums),
        };
        Sampled { estimate, totals }
    }

    /// The interval of numbers that came of the resamples of so many clusters.
    pub fn interval(&self, clusters: usize, resampled: Vec<f64>) -> Option<Interval> {
        interval::percentile(resampled, clusters, self.bootstrap.level)
    }
}
