//! How far two results are apart.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Tensor};

/// A tensor's values, row-major, as f64.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest |actual − expected| over the largest |expected| of the whole tensor. Infinite where
/// they differ in length or where something is no number; small values beside large ones count
/// little, as they do for whoever reads the tensor next.
pub fn relative_error(actual: &[f64], expected: &[f64]) -> f64 {
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let mut differences = actual.iter().zip(expected).map(|(a, e)| (a - e).abs());
    if actual.len() != expected.len()
        || differences.clone().any(|difference| !difference.is_finite())
    {
        return f64::INFINITY;
    }
    match largest(&mut differences) {
        0.0 => 0.0,
        difference => difference / largest(&mut expected.iter().map(|value| value.abs())),
    }
}

/// Errors by name, of which the worst is of interest.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    worst: BTreeMap<String, (f64, String)>,
    compared: usize,
}

impl Agreement {
    /// Notes an error under `group`; `what` says where it was.
    pub fn note(&mut self, group: &str, error: f64, what: impl fmt::Display) {
        self.compared += 1;
        let worst = self.worst.entry(group.to_owned()).or_insert((-1.0, String::new()));
        // A NaN is the worst there is.
        if error.is_nan() || error > worst.0 {
            *worst = (if error.is_nan() { f64::INFINITY } else { error }, what.to_string());
        }
    }

    /// How many errors were noted.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// The worst error of all.
    pub fn worst(&self) -> f64 {
        self.worst.values().map(|(error, _)| *error).fold(0.0, f64::max)
    }

    /// Prints the worst error of every group, and panics where one is above `tolerance`.
    #[track_caller]
    pub fn check(&self, title: &str, tolerance: f64) {
        println!("{title}: {} compared; worst errors:\n{self}", self.compared);
        let above = self.worst.values().any(|(error, _)| *error > tolerance);
        assert!(!above, "{title}: an error is above {tolerance:e}:\n{self}");
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (group, (error, what)) in &self.worst {
            writeln!(formatter, "  {group:<24} {error:.1e}  {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_to_the_largest_value() {
        assert_eq!(relative_error(&[1.0, 9.0], &[0.0, 10.0]), 0.1);
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[1.0], &[0.0]), f64::INFINITY);
        assert_eq!(relative_error(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(relative_error(&[f64::NAN], &[1.0]), f64::INFINITY);
    }

    #[test]
    #[should_panic(expected = "above")]
    fn what_is_no_number_never_agrees() {
        let mut agreement = Agreement::default();
        agreement.note("a", f64::NAN, "here");
        agreement.note("a", 0.0, "there");
        agreement.check("test", 1.0);
    }
}
