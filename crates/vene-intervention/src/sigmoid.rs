//! The logistic function, for masks.

use candle_core::{DType, Result, Tensor};

/// `1 / (1 + exp(−x))` in double precision, as `(1 + tanh(x/2)) / 2`: the exponential would
/// overflow far out, and its gradient become 0 · ∞.
pub(super) fn sigmoid(values: &Tensor) -> Result<Tensor> {
    (values.to_dtype(DType::F64)? * 0.5)?.tanh()?.affine(0.5, 0.5)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn it_and_its_gradient_are_numbers_far_out() {
        let values: [f64; 5] = [-2e3, -1.5, 0.0, 0.3, 2e3];
        let variable = Var::new(&values, &Device::Cpu).unwrap();
        let result = sigmoid(&variable).unwrap();
        let gradients = result.sum_all().unwrap().backward().unwrap();
        let gradients = gradients.get(&variable).unwrap().to_vec1::<f64>().unwrap();
        for ((x, y), slope) in values.iter().zip(result.to_vec1::<f64>().unwrap()).zip(gradients) {
            let expected = 1.0 / (1.0 + (-x).exp());
            assert!((y - expected).abs() < 1e-15);
            assert!((slope - expected * (1.0 - expected)).abs() < 1e-15);
        }
    }
}
