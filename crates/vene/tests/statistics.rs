//! What intervals and corrections promise, on simulated data sets whose truth is known.

#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, StandardNormal};
use vene::statistics::{Bootstrap, Clusters, Correction, Interval, means, ratios_of_means};

struct Simulation(Xoshiro256PlusPlus);

impl Simulation {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// `count` data sets of `clusters` x `size` observations around `mean`: within a cluster they
    /// share a deviation of `between`, and have one of `within` each.
    fn data_sets(
        &mut self,
        count: usize,
        [clusters, size]: [usize; 2],
        mean: f64,
        [between, within]: [f64; 2],
    ) -> Vec<Vec<f64>> {
        let mut data_set = || {
            let mut values = Vec::with_capacity(clusters * size);
            for _ in 0..clusters {
                let center = mean + between * self.normal();
                values.extend((0..size).map(|_| center + within * self.normal()));
            }
            values
        };
        (0..count).map(|_| data_set()).collect()
    }
}

/// Clusters of equal size, side by side.
fn clusters(count: usize, size: usize) -> Clusters {
    Clusters::of((0..count * size).map(|observation| Some((observation / size).to_string())))
}

fn intervals(data_sets: &[Vec<f64>], clusters: &Clusters) -> Vec<Interval> {
    let estimates = means(data_sets, clusters, &Bootstrap::default()).unwrap();
    estimates.iter().map(|estimate| estimate.interval.unwrap()).collect()
}

fn coverage(intervals: &[Interval], truth: f64) -> f64 {
    let held = intervals.iter().filter(|interval| interval.contains(truth)).count();
    held as f64 / intervals.len() as f64
}

#[test]
fn intervals_hold_the_true_mean_as_often_as_they_say() {
    let mut simulation = Simulation::new(1);
    // 2000 data sets: the share is known to ±1 %. The truth is a mean that is not 0, and rows of a
    // cluster rise and fall together.
    for (count, least) in [(40, 0.93), (20, 0.93), (10, 0.92), (5, 0.91)] {
        let data_sets = simulation.data_sets(2000, [count, 4], 0.7, [0.5, 1.0]);
        let held = coverage(&intervals(&data_sets, &clusters(count, 4)), 0.7);
        assert!((least..=0.97).contains(&held), "{count} clusters: {held}");
    }
}

#[test]
fn intervals_of_ratios_hold_the_true_ratio() {
    let mut simulation = Simulation::new(2);
    // Numerators that share the denominator's deviations, so that joint resampling matters.
    let below = simulation.data_sets(1000, [40, 3], 2.0, [0.5, 0.5]);
    let noise = simulation.data_sets(1000, [40, 3], 0.0, [0.2, 0.2]);
    let above: Vec<Vec<f64>> = below
        .iter()
        .zip(&noise)
        .map(|(below, noise)| below.iter().zip(noise).map(|(x, e)| 0.4 * x + e).collect())
        .collect();
    let ratios = ratios_of_means(&above, &below, &clusters(40, 3), &Bootstrap::default()).unwrap();
    let intervals: Vec<_> = ratios.iter().map(|ratio| ratio.interval().unwrap()).collect();
    let held = coverage(&intervals, 0.4);
    assert!((0.92..=0.975).contains(&held), "{held}");
}

#[test]
fn rows_of_a_template_are_no_independent_observations() {
    let mut simulation = Simulation::new(3);
    let data_sets = simulation.data_sets(500, [20, 10], 0.0, [1.0, 0.3]);
    let clustered = intervals(&data_sets, &clusters(20, 10));
    let naive = intervals(&data_sets, &Clusters::independent(200));
    // √(1 + 9ρ) with ρ = 1 / 1.09, and a little more for the few clusters: about 3.
    let wider = clustered.iter().zip(&naive).map(|(one, other)| one.width() / other.width());
    let wider = wider.sum::<f64>() / 500.0;
    assert!((2.7..=3.5).contains(&wider), "{wider}");
    assert!(coverage(&clustered, 0.0) > 0.9);
    assert!(coverage(&naive, 0.0) < 0.6, "who ignores templates is wrong most of the time");
}

#[test]
fn p_values_below_a_level_are_as_rare_as_it_says() {
    let mut simulation = Simulation::new(4);
    let data_sets = simulation.data_sets(4000, [12, 5], 0.0, [1.0, 1.0]);
    let estimates = means(&data_sets, &clusters(12, 5), &Bootstrap::default()).unwrap();
    for level in [0.01, 0.05, 0.5] {
        let below = estimates.iter().filter(|estimate| estimate.p_value.unwrap() < level).count();
        let share = below as f64 / 4000.0;
        let deviation = (level * (1.0 - level) / 4000.0_f64).sqrt();
        assert!((share - level).abs() < 4.0 * deviation, "{level}: {share}");
    }
}

#[test]
fn corrections_control_what_they_say() {
    let mut simulation = Simulation::new(5);
    let (sweeps, nothing, something) = (200, 180, 20);
    let (mut false_share, mut found, mut any_false, mut uncorrected) = (0.0, 0, 0, 0);
    for _ in 0..sweeps {
        let mut cells = simulation.data_sets(nothing, [30, 1], 0.0, [0.0, 1.0]);
        cells.extend(simulation.data_sets(something, [30, 1], 0.9, [0.0, 1.0]));
        let bootstrap = Bootstrap { resamples: 39, ..Bootstrap::default() };
        let estimates = means(&cells, &Clusters::independent(30), &bootstrap).unwrap();
        let p_values: Vec<_> = estimates.iter().map(|estimate| estimate.p_value).collect();
        let significant = |correction: Correction| -> Vec<usize> {
            let adjusted = correction.adjust(&p_values).into_iter().enumerate();
            adjusted.filter(|(_, p)| p.unwrap() <= 0.1).map(|(cell, _)| cell).collect()
        };
        let wrong = |cells: &[usize]| cells.iter().filter(|cell| **cell < nothing).count();
        let called = significant(Correction::BenjaminiHochberg);
        false_share += wrong(&called) as f64 / called.len().max(1) as f64;
        found += called.len() - wrong(&called);
        any_false += usize::from(wrong(&significant(Correction::Holm)) > 0);
        uncorrected += wrong(&significant(Correction::None));
    }
    // Benjamini–Hochberg keeps the false share to 0.1 · 180 / 200, and finds nearly all there is.
    let false_share = false_share / f64::from(sweeps);
    assert!((0.07..=0.1).contains(&false_share), "{false_share}");
    assert!(found as f64 > 0.95 * f64::from(sweeps) * something as f64, "{found}");
    // Holm is wrong anywhere in a tenth of the sweeps at most; no correction 18 times in each.
    assert!((1..=32).contains(&any_false), "{any_false}");
    assert!(uncorrected > 15 * 200, "{uncorrected}");
}
