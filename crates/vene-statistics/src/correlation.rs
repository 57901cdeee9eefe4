//! How alike two orders, or two lists of numbers, are.

/// Pearson's correlation; `None` where either list has fewer than two different numbers, or they are not of one length.
pub fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() || one.is_empty() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (first, second) = (mean(one), mean(other));
    let (mut both, mut own, mut others) = (0.0, 0.0, 0.0);
    for (one, other) in one.iter().zip(other) {
        let (one, other) = (one - first, other - second);
        both += one * other;
        own += one * one;
        others += other * other;
    }
    let found = both / (own * others).sqrt();
    found.is_finite().then(|| found.clamp(-1.0, 1.0))
}

/// Spearman's: the correlation of ranks, equal numbers having the mean of theirs (Spearman 1904).
pub fn rank_correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.iter().chain(other).any(|value| value.is_nan()) {
        return None;
    }
    correlation(&ranks(one), &ranks(other))
}

/// From 1 on, the smallest first.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let is_equal = |place: &usize| values[*place] == values[order[first]];
        let count = order[first..].iter().take_while(|place| is_equal(place)).count();
        for &place in &order[first..first + count] {
            ranks[place] = first as f64 + (count as f64 + 1.0) / 2.0;
        }
        first += count;
    }
    ranks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_those_of_scipy() {
        // scipy.stats.pearsonr and spearmanr of these lists, with ties.
        let one = [1.0, 2.0, 2.0, 3.5, -1.0, 0.0, 7.0];
        let other = [0.5, 0.5, 3.0, 4.0, -2.0, 1.0, 2.0];
        assert!((correlation(&one, &other).unwrap() - PEARSON).abs() < 1e-12);
        assert!((rank_correlation(&one, &other).unwrap() - SPEARMAN).abs() < 1e-12);
    }

    const PEARSON: f64 = 0.6134278708481385;
    const SPEARMAN: f64 = 0.7181818181818183;

    #[test]
    fn orders_that_say_nothing_have_none() {
        assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(correlation(&[], &[]), None);
        assert_eq!(correlation(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(rank_correlation(&[f64::NAN, 1.0], &[1.0, 2.0]), None);
        assert_eq!(rank_correlation(&[1.0, 2.0, 9.0], &[0.1, 0.2, 0.3]), Some(1.0));
        assert_eq!(rank_correlation(&[1.0, 2.0, 9.0], &[0.3, 0.2, 0.1]), Some(-1.0));
    }
}
