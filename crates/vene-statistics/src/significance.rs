//! Whether a mean effect could be 0.
//!
//! Student's t-test with a standard error that counts clusters: `t = mean / se` with `m − 1` degrees of
//! freedom, `se² = m / (m − 1) · Σ_c (Σ_{i∈c} (x_i − mean))² / n²` over `m` clusters and `n` observations
//! (Liang & Zeger 1986, "CR1"; Cameron & Miller 2015, section II). Where clusters are equally large
//! that is the one-sample t-test over their means; where they are not, it tests the mean over
//! observations, which is what is reported. A test that flips the signs of clusters at random would
//! assume less, but B flips give no p-value below 1 / (B + 1), too coarse for a correction over
//! thousands of cells.
//!
//! With few clusters (below ten or so), or very unequal ones, the p-value is too small more often
//! than it says (Cameron & Miller 2015, section VI).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::ClusterSums;

/// What is left after rounding of what should cancel, as a share of it.
const ROUNDING: f64 = 1e-12;

/// The mean's standard error; `None` where there are fewer than two clusters.
pub(super) fn standard_error(sums: &ClusterSums) -> Option<f64> {
    let (clusters, mean) = (sums.clusters(), sums.mean()?);
    if clusters < 2 {
        return None;
    }
    let residual = |(total, size): (&f64, f64)| {
        let expected = mean * size;
        let residual = total - expected;
        // Clusters of one mean differ by rounding, which must not pass for a very small variance.
        if residual.abs() <= ROUNDING * sums.magnitude() * size { 0.0 } else { residual }
    };
    let squares: f64 = sums.totals.iter().zip(sums.sizes()).map(residual).map(|r| r * r).sum();
    let clusters = clusters as f64;
    Some((clusters / (clusters - 1.0) * squares).sqrt() / sums.observed as f64)
}

/// The two-sided p-value of the hypothesis that the mean is 0; `None` where there are fewer than
/// two clusters.
///
/// Where all clusters have the same mean, t is infinite. A p-value of 0 would be more than a few
/// observations can say: it is then that of the sign test, 2^(1 − m); and 1 if that mean is 0.
pub(super) fn p_value(sums: &ClusterSums) -> Option<f64> {
    let (error, mean) = (standard_error(sums)?, sums.mean()?);
    let freedom = sums.clusters() as f64 - 1.0;
    if error > 0.0 {
        let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
        return Some((2.0 * student.cdf(-(mean / error).abs())).min(1.0));
    }
    let is_zero = mean.abs() <= ROUNDING * sums.magnitude();
    Some(if is_zero { 1.0 } else { (-freedom).exp2() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Clusters;
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found}, expected {expected}");
    }

    // `fixtures/print_statistics.py` computes the numbers below by scipy and statsmodels.
    const VALUES: [f64; 10] = [0.31, -0.12, 0.55, 0.87, 0.02, 0.44, -0.23, 0.61, 0.28, 0.19];

    #[test]
    fn without_groups_it_is_the_one_sample_t_test() {
        let sums = ClusterSums::of(&Clusters::independent(10), &VALUES);
        close(p_value(&sums).unwrap(), 0.024297338659978615);
        close(standard_error(&sums).unwrap(), 0.10805142808455198);
        // Far out, where 1 − Φ would round to 0.
        let sums = ClusterSums::of(&Clusters::independent(10), &VALUES.map(|value| value + 100.0));
        close(p_value(&sums).unwrap(), 9.957039829063267e-24);
    }

    #[test]
    fn with_equal_groups_it_is_the_t_test_over_their_means() {
        let groups = ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"].map(Some);
        let sums = ClusterSums::of(&Clusters::of(groups), &VALUES);
        close(p_value(&sums).unwrap(), 0.11507679313687372);
    }

    #[test]
    fn with_unequal_groups_it_is_the_cluster_robust_regression_on_a_constant() {
        let groups = ["a", "a", "a", "b", "c", "c", "d", "d", "d", "d"].map(Some);
        let sums = ClusterSums::of(&Clusters::of(groups), &VALUES);
        close(standard_error(&sums).unwrap(), 0.07908476465160655);
        close(p_value(&sums).unwrap(), 0.03446290131182328);
    }

    #[test]
    fn effects_that_do_not_vary_get_what_their_signs_can_say() {
        for (value, clusters, expected) in [
            (0.1, 3, 0.25),
            (1.0, 40, 0.5_f64.powi(39)),
            (0.0, 10, 1.0),
            (-0.1, 7, 0.5_f64.powi(6)),
        ] {
            let sums = ClusterSums::of(&Clusters::independent(clusters), &vec![value; clusters]);
            assert_eq!(p_value(&sums), Some(expected), "{clusters} times {value}");
            assert_eq!(standard_error(&sums), Some(0.0));
        }
        // Equal means of unequal clusters, and sums that round.
        let groups = ["a", "a", "a", "b", "b", "b", "b", "b", "b", "c"].map(Some);
        let sums = ClusterSums::of(&Clusters::of(groups), &[0.1; 10]);
        assert_eq!(p_value(&sums), Some(0.25));
        // 0.1 + 0.2 − 0.3 is no effect.
        let groups = ["a", "a", "a", "b", "b", "b", "c", "c", "c"].map(Some);
        let cancelling = [0.1, 0.2, -0.3, 0.1, 0.2, -0.3, 0.1, 0.2, -0.3];
        assert_eq!(p_value(&ClusterSums::of(&Clusters::of(groups), &cancelling)), Some(1.0));
    }

    #[test]
    fn one_cluster_says_nothing() {
        assert_eq!(
            p_value(&ClusterSums::of(&Clusters::of(["a"; 3].map(Some)), &[1.0, 2.0, 3.0])),
            None
        );
        assert_eq!(standard_error(&ClusterSums::of(&Clusters::independent(0), &[])), None);
    }
}
