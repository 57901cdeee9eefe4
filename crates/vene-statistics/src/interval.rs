//! From resamples to an interval: which of them are its ends.
//!
//! The percentile interval takes the resamples' quantiles. It needs no formula for what is
//! resampled, so that means and ratios go the same way, and it never leaves what the data could
//! have been. Its flaw: with few clusters it is too narrow, since resamples vary by a factor
//! √((m − 1) / m) too little and a normal law stands where Student's would be right. So the
//! quantiles are moved outwards by what that would be for a mean of m normal clusters (the *expanded*
//! percentile interval of Hesterberg 2015, "What teachers should know about the bootstrap", *The
//! American Statistician* 69:371): for a level of 1 − α the lower one is Φ(−√(m / (m − 1)) · t), with t
//! the 1 − α/2 quantile of Student's law with m − 1 degrees of freedom. With 40 clusters and a level
//! of 0.95 that is 0.020 instead of 0.025. The BCa interval corrects for skewness but not for that, and
//! with few clusters its correction rests on those few.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Two ends, both belonging to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the number lies within.
    pub fn contains(&self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// How far the ends are apart.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// The interval of a level in (0, 1) that `resampled` numbers of `clusters` clusters span; NaN marks
/// resamples that gave no number. `None` where there are fewer than two clusters.
pub(super) fn percentile(mut resampled: Vec<f64>, clusters: usize, level: f64) -> Option<Interval> {
    if clusters < 2 {
        return None;
    }
    resampled.retain(|value| !value.is_nan());
    let last = resampled.len().checked_sub(1)?;
    // The k-th smallest and the k-th largest with k = ⌊(B + 1) · tail⌋ (Efron & Tibshirani 1993, 12.5):
    // values that did occur, and not between them.
    let rank = ((resampled.len() + 1) as f64 * tail(clusters, level)) as usize;
    let from_end = rank.saturating_sub(1).min(last / 2);
    let mut end = |index| *resampled.select_nth_unstable_by(index, f64::total_cmp).1;
    Some(Interval { low: end(from_end), high: end(last - from_end) })
}

/// The share of resamples beyond either end.
fn tail(clusters: usize, level: f64) -> f64 {
    let plain = (1.0 - level) / 2.0;
    let count = clusters as f64;
    let (Ok(student), Ok(normal)) = (StudentsT::new(0.0, 1.0, count - 1.0), Normal::new(0.0, 1.0))
    else {
        return plain;
    };
    normal.cdf((count / (count - 1.0)).sqrt() * student.inverse_cdf(plain)).min(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tails_are_those_of_hesterbergs_formula() {
        // scipy 1.17: norm.cdf(sqrt(m / (m - 1)) * t.ppf((1 - level) / 2, m - 1))
        for (clusters, level, expected) in [
            (2, 0.95, 1.6952190726058738e-72),
            (3, 0.95, 6.834137311941282e-08),
            (5, 0.95, 0.0009541005518824907),
            (10, 0.95, 0.008550639024406366),
            (40, 0.95, 0.020257536362843834),
            (200, 0.95, 0.024026184770620417),
            (10, 0.9, 0.026663051932234564),
            (10, 0.5, 0.22942731473253603),
        ] {
            let found = tail(clusters, level);
            assert!((found - expected).abs() < 1e-6 * expected, "{clusters}, {level}: {found}");
        }
    }

    #[test]
    fn ends_are_resamples_counted_from_both_sides() {
        // 999 numbers of 40 clusters: rank ⌊1000 · 0.02026⌋.
        let numbers: Vec<f64> = (1..1000).rev().map(f64::from).collect();
        let interval = percentile(numbers.clone(), 40, 0.95).unwrap();
        assert_eq!(interval, Interval { low: 20.0, high: 980.0 });
        // Two clusters: nothing lies outside.
        let widest = percentile(numbers.clone(), 2, 0.95).unwrap();
        assert_eq!(widest, Interval { low: 1.0, high: 999.0 });
        assert_eq!(percentile(numbers, 1, 0.95), None);
    }

    #[test]
    fn resamples_without_a_number_are_left_out() {
        let interval = percentile(vec![f64::NAN, 2.0, f64::NAN, 1.0], 2, 0.5).unwrap();
        assert_eq!((interval, interval.width()), (Interval { low: 1.0, high: 2.0 }, 1.0));
        assert!(interval.contains(1.0) && interval.contains(2.0) && !interval.contains(2.1));
        assert_eq!(percentile(vec![f64::NAN; 3], 2, 0.5), None);
    }
}
