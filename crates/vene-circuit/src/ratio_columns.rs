//! Ratios of means over examples, and the columns that tables have of them.

use vene_statistics::{Clusters, Ratio, RatioSums, Refusal};

/// Of pairs in the order of the examples; NaN where an example has none.
pub(crate) fn sums(values: impl IntoIterator<Item = (f64, f64)>, clusters: &Clusters) -> RatioSums {
    let mut sums = RatioSums::new(clusters);
    for (observation, (above, below)) in values.into_iter().enumerate() {
        sums.add(clusters, observation, above, below);
    }
    sums
}

pub(crate) fn low(found: &[Ratio]) -> Vec<Option<f64>> {
    found.iter().map(|ratio| Some(ratio.interval()?.low)).collect()
}

pub(crate) fn high(found: &[Ratio]) -> Vec<Option<f64>> {
    found.iter().map(|ratio| Some(ratio.interval()?.high)).collect()
}

/// A ratio, without an interval too, where there are too few groups for one.
pub(crate) fn value(ratio: &Ratio) -> Option<f64> {
    match ratio.quotient {
        Ok(quotient) => Some(quotient.value),
        Err(Refusal::FewClusters { .. }) => {
            let value = ratio.numerator.mean? / ratio.denominator.mean?;
            value.is_finite().then_some(value)
        }
        Err(_) => None,
    }
}

/// Why there is no ratio, or no interval.
pub(crate) fn note(ratio: &Ratio) -> Option<String> {
    ratio.quotient.as_ref().err().map(ToString::to_string)
}
