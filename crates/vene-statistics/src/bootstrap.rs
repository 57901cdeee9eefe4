//! The cluster bootstrap: what a mean would be on other data sets of this kind.
//!
//! Whole clusters are drawn with replacement, as many as there are (Efron & Tibshirani 1993;
//! Cameron, Gelbach & Miller 2008, "pairs cluster bootstrap"): the dependence within them is
//! kept, whatever it is.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::StatisticsError;

/// How intervals are computed.
///
/// ```
/// use vene::statistics::Bootstrap;
///
/// let finer = Bootstrap { resamples: 10_000, ..Bootstrap::default() };
/// assert_eq!((finer.level, finer.seed), (0.95, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How often the data set is drawn again. Default: 2000; at most [`Bootstrap::MOST_RESAMPLES`].
    /// Draws are made block by block: their memory does not grow with their number.
    pub resamples: usize,
    /// How often the interval should hold the true mean: 0.95 unless said otherwise.
    pub level: f64,
    /// The same seed gives the same resamples, on every machine and with any number of threads.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

/// Counts that are in memory at once: 64 MiB of them, or those of one resample.
const MOST_COUNTS: usize = 1 << 24;

impl Bootstrap {
    /// Resamples at most. An interval's ends move by less than a hundredth of its width long before.
    pub const MOST_RESAMPLES: usize = 1_000_000;

    /// Whether intervals can be computed so.
    ///
    /// # Errors
    ///
    /// [`StatisticsError::Level`], [`StatisticsError::FewResamples`] and
    /// [`StatisticsError::ManyResamples`]; functions that take a bootstrap check it like that.
    pub fn check(&self) -> Result<(), StatisticsError> {
        let Self { resamples, level, .. } = *self;
        if resamples > Self::MOST_RESAMPLES {
            return Err(StatisticsError::ManyResamples { resamples, most: Self::MOST_RESAMPLES });
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(StatisticsError::Level { level });
        }
        // One resample on each side of the interval at least.
        let least = (2.0 / (1.0 - level) - 1e-9).ceil() as usize - 1;
        if resamples < least {
            return Err(StatisticsError::FewResamples { resamples, level, least });
        }
        Ok(())
    }
}

/// The draws of a bootstrap, block by block: the same for all cells, and again the same when they are drawn again.
pub(super) struct Resamples {
    /// A named generator: it gives the same numbers in every version of the crate.
    generator: Xoshiro256PlusPlus,
    clusters: usize,
    left: usize,
}

/// How often each cluster was drawn in some of the resamples.
pub(super) struct Block {
    /// `[cluster, resample]`, so that the sums of all resamples run side by side.
    counts: Vec<f32>,
    pub resamples: usize,
}

impl Resamples {
    pub fn new(bootstrap: &Bootstrap, clusters: usize) -> Self {
        let generator = Xoshiro256PlusPlus::seed_from_u64(bootstrap.seed);
        Self { generator, clusters, left: bootstrap.resamples }
    }
}

impl Iterator for Resamples {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let clusters = self.clusters;
        let resamples = (MOST_COUNTS / clusters.max(1)).clamp(1, self.left.max(1)).min(self.left);
        if resamples == 0 {
            return None;
        }
        let mut counts = vec![0.0; clusters * resamples];
        for resample in 0..resamples {
            for _ in 0..clusters {
                counts[self.generator.random_range(0..clusters) * resamples + resample] += 1.0;
            }
        }
        self.left -= resamples;
        Some(Block { counts, resamples })
    }
}

impl Block {
    /// Adds to `totals`, `[resample]`, the sum over the clusters drawn of a number that each cluster has.
    pub fn add(&self, of_clusters: impl Iterator<Item = f64>, totals: &mut [f64]) {
        for (counts, number) in self.counts.chunks_exact(self.resamples).zip(of_clusters) {
            for (total, &count) in totals.iter_mut().zip(counts) {
                *total += f64::from(count) * number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn totals(clusters: usize, of_clusters: &[f64]) -> Vec<f64> {
        let mut totals = Vec::new();
        for block in Resamples::new(&Bootstrap::default(), clusters) {
            let start = totals.len();
            totals.resize(start + block.resamples, 0.0);
            block.add(of_clusters.iter().copied(), &mut totals[start..]);
        }
        totals
    }

    #[test]
    fn every_resample_draws_as_many_clusters_as_there_are() {
        assert_eq!(totals(7, &[1.0; 7]), vec![7.0; 2000]);
        // Each cluster is drawn 2000 times on average, with a standard deviation of 41.
        for cluster in 0..7 {
            let mut one = [0.0; 7];
            one[cluster] = 1.0;
            let drawn: f64 = totals(7, &one).iter().sum();
            assert!((drawn - 2000.0).abs() < 250.0, "cluster {cluster}: {drawn}");
        }
    }

    #[test]
    fn blocks_hold_no_more_than_they_may() {
        let clusters = 100_000;
        let mut resamples =
            Resamples::new(&Bootstrap { resamples: 400, ..Bootstrap::default() }, clusters);
        let block = resamples.next().unwrap();
        assert_eq!((block.resamples, block.counts.len()), (167, 167 * clusters));
        let rest: Vec<usize> = resamples.map(|block| block.resamples).collect();
        assert_eq!(rest, [167, 66]);
    }

    #[test]
    fn the_draws_are_those_of_the_named_generator() {
        // Worked out from the definitions: Xoshiro256++ seeded by SplitMix64 from 0 begins with
        // 0.325, 0.382, 0.360, 0.011 and 0.495 of its range, so clusters 1, 1, 1, 0 and 2 of 5.
        // Whoever changes these numbers changes every interval that was ever reported.
        let block = Resamples::new(&Bootstrap::default(), 5).next().unwrap();
        let first: Vec<f32> = (0..5).map(|cluster| block.counts[cluster * 2000]).collect();
        assert_eq!(first, [1.0, 3.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn settings_are_checked() {
        let check = |resamples, level| Bootstrap { resamples, level, seed: 0 }.check();
        assert_eq!(check(39, 0.95), Ok(()));
        assert_eq!(
            check(38, 0.95).unwrap_err().to_string(),
            "38 resamples are too few for an interval of level 0.95: take 39 or more"
        );
        assert_eq!(check(1_000_000, 0.95), Ok(()));
        assert_eq!(
            check(1 << 32, 0.95).unwrap_err().to_string(),
            "4294967296 resamples are too many: take at most 1000000"
        );
        for level in [0.0, 1.0, 95.0, f64::NAN] {
            assert!(matches!(check(2000, level), Err(StatisticsError::Level { .. })), "{level}");
        }
    }
}
