//! The principal components of a sample of activations.

use candle_core::{D, DType, Device, Tensor};

use super::symmetric::largest;
use crate::{ParameterError, orthogonal};

/// Components, and what is taken off the values before: their mean, and their standard deviation
/// where they were standardised.
#[derive(Clone, Debug)]
pub struct PrincipalComponents {
    /// Orthonormal directions as rows, `[components, width]`, those of the largest variance first;
    /// the entry of the largest size of each is positive, so that the same sample gives the same
    /// signs (as in scikit-learn 1.5).
    pub components: Tensor,
    /// `[width]`.
    pub mean: Tensor,
    /// `[width]`; 1 where the values were not standardised, or do not vary.
    pub deviation: Tensor,
    /// The variance along each component, of standardised values where they were (divided by the
    /// number of rows less one).
    pub variances: Vec<f64>,
}

impl PrincipalComponents {
    /// The first `count` components of rows of activations `[rows, width]`, in double precision;
    /// `standardised` divides each dimension by its standard deviation first, so that one large
    /// dimension does not make up all of the first component.
    ///
    /// # Errors
    /// More components than the rows can tell (their number less one, and the width), and values
    /// that are no numbers.
    pub fn fit(rows: &Tensor, count: usize, standardised: bool) -> Result<Self, ParameterError> {
        let (samples, width) = rows.dims2()?;
        let most = width.min(samples.saturating_sub(1));
        if !(1..=most).contains(&count) {
            return Err(ParameterError::Number {
                name: "the number of components",
                value: count as f64,
                expected: "1 to the width, and fewer than there are rows",
            });
        }
        crate::parameter::finite("rows", rows)?;
        let rows = rows.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let mean = rows.mean(0)?;
        let mut centred = rows.broadcast_sub(&mean)?;
        let mut deviation = mean.ones_like()?;
        if standardised {
            let found = centred.sqr()?.mean(0)?.sqrt()?;
            // What does not vary is not scaled.
            deviation = found.gt(0.0)?.where_cond(&found, &deviation)?;
            centred = centred.broadcast_div(&deviation)?;
        }
        let transposed = centred.t()?.contiguous()?;
        let degrees = samples as f64 - 1.0;
        // Of X Xᵀ and Xᵀ X the smaller one: they have the same eigenvalues.
        let (values, components) = if width <= samples {
            largest(&transposed.matmul(&centred)?, count)?
        } else {
            let (values, vectors) = largest(&centred.matmul(&transposed)?, count)?;
            let directions = transposed.matmul(&vectors.t()?)?;
            (values, orthogonal::orthonormalised(&directions)?.t()?.contiguous()?)
        };
        let components = with_signs(&components)?;
        let variances = values.iter().map(|value| value.max(0.0) / degrees).collect();
        Ok(Self { components, mean, deviation, variances })
    }
}

/// Each row with the sign that makes its largest entry positive.
fn with_signs(rows: &Tensor) -> candle_core::Result<Tensor> {
    let highest = rows.max_keepdim(D::Minus1)?;
    let lowest = rows.min_keepdim(D::Minus1)?.neg()?;
    let ones = highest.ones_like()?;
    let signs = lowest.gt(&highest)?.where_cond(&ones.neg()?, &ones)?;
    rows.broadcast_mul(&signs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Samples of which the components are known: independent along given directions.
    fn sample(rows: usize) -> (Tensor, Tensor) {
        let directions = orthogonal::random(12, 12, 5).unwrap();
        let deviations: Vec<f64> = (0..12).map(|index| 0.5f64.powi(index)).collect();
        let along = Tensor::randn(0.0, 1.0, (rows, 12), &Device::Cpu).unwrap();
        let scaled = along.broadcast_mul(&Tensor::new(deviations, &Device::Cpu).unwrap()).unwrap();
        (scaled.matmul(&directions.t().unwrap()).unwrap(), directions)
    }

    #[test]
    fn the_directions_of_a_sample_are_found() {
        let (rows, directions) = sample(20_000);
        let found = PrincipalComponents::fit(&rows, 3, false).unwrap();
        let products = found.components.matmul(&directions).unwrap().to_vec2::<f64>().unwrap();
        for (index, products) in products.iter().enumerate() {
            assert!(products[index].abs() > 0.999, "{index}: {products:?}");
            let expected = 0.25f64.powi(index as i32);
            assert!((found.variances[index] / expected - 1.0).abs() < 0.05);
        }
    }

    /// The variance along a component is its eigenvalue, and components are orthonormal, whichever
    /// of the two matrices was taken apart.
    #[test]
    fn many_rows_and_few_rows_keep_the_variance() {
        for (count, samples) in [(5, 100), (5, 8), (7, 8)] {
            let (rows, _) = sample(samples);
            for standardised in [false, true] {
                let found = PrincipalComponents::fit(&rows, count, standardised).unwrap();
                let drift = orthogonal::drift(&found.components.t().unwrap()).unwrap();
                assert!(drift < 1e-13, "{drift:e}");
                let values = rows.broadcast_sub(&found.mean).unwrap();
                let values = values.broadcast_div(&found.deviation).unwrap();
                let along = values.matmul(&found.components.t().unwrap()).unwrap();
                let covariance =
                    along.t().unwrap().matmul(&along).unwrap().to_vec2::<f64>().unwrap();
                for (row, values) in covariance.iter().enumerate() {
                    for (column, value) in values.iter().enumerate() {
                        let expected = if row == column { found.variances[row] } else { 0.0 };
                        let error = (value / (samples as f64 - 1.0) - expected).abs();
                        assert!(error < 1e-12 * found.variances[0], "{row} {column}: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn more_components_than_the_rows_can_tell_are_refused() {
        let (rows, _) = sample(4);
        assert!(PrincipalComponents::fit(&rows, 3, false).is_ok());
        assert!(PrincipalComponents::fit(&rows, 4, false).is_err());
        assert!(PrincipalComponents::fit(&rows, 0, false).is_err());
        assert!(PrincipalComponents::fit(&(rows / 0.0).unwrap(), 2, false).is_err());
    }
}
