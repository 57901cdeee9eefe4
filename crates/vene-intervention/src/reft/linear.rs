//! A learned linear map from the hidden state to a few numbers.

use candle_core::{Device, Result, Tensor, Var};
use vene_random::Draws;

use crate::parameter::{cast, variable};
use crate::product::product;
use crate::{Parameter, ParameterError};

/// `W h + b`, with `W` `[rank, width]` and `b` `[rank]` (PyTorch's layout). A clone shares its
/// values.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Var,
    bias: Option<Var>,
}

impl Linear {
    /// From a weight `[rank, width]` and a bias `[rank]`.
    ///
    /// # Errors
    /// Other shapes, or what is no number.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> std::result::Result<Self, ParameterError> {
        let &[rank, width] = weight.dims() else {
            return Err(ParameterError::Shape {
                name: "weight".to_owned(),
                found: weight.dims().to_vec(),
                expected: "[rank, width]".to_owned(),
            });
        };
        Ok(Self {
            weight: variable("weight", weight, &[rank, width])?,
            bias: bias.map(|bias| variable("bias", bias, &[rank])).transpose()?,
        })
    }

    /// With random values, uniform in ±1/√width as PyTorch draws them, in double precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn random(
        width: usize,
        rank: usize,
        bias: bool,
        seed: u64,
    ) -> std::result::Result<Self, ParameterError> {
        let bound = 1.0 / (width.max(1) as f64).sqrt();
        let weight = uniform(&[rank, width], -bound, bound, [seed, 0])?;
        let bias = bias.then(|| uniform(&[rank], -bound, bound, [seed, 1])).transpose()?;
        Self::new(&weight, bias.as_ref())
    }

    /// How wide the values are that it reads.
    pub fn width(&self) -> usize {
        self.weight.dims()[1]
    }

    /// How many numbers it gives.
    pub fn rank(&self) -> usize {
        self.weight.dims()[0]
    }

    /// `W`, `[rank, width]`.
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    pub(super) fn expect(
        &self,
        name: &str,
        width: usize,
        rank: usize,
    ) -> std::result::Result<(), ParameterError> {
        if self.weight.dims() == [rank, width] {
            return Ok(());
        }
        Err(ParameterError::Shape {
            name: name.to_owned(),
            found: self.weight.dims().to_vec(),
            expected: format!("{:?}, as the directions say", [rank, width]),
        })
    }

    /// Its parameters, under the name of the layer.
    pub(super) fn parameters(&self, layer: &str) -> impl Iterator<Item = Parameter> {
        let weight = Parameter::trained(format!("{layer}.weight"), &self.weight);
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| Parameter::trained(format!("{layer}.bias"), bias));
        [Some(weight), bias].into_iter().flatten()
    }

    /// `[positions, rank]` of the hidden states `[positions, width]`.
    pub(super) fn apply(&self, hidden: &Tensor) -> Result<Tensor> {
        let product = product(hidden, &cast(&self.weight, hidden)?.t()?)?;
        match &self.bias {
            None => Ok(product),
            Some(bias) => product.broadcast_add(&cast(bias, hidden)?),
        }
    }
}

/// Uniform draws in double precision, a function of the key alone.
pub(super) fn uniform(shape: &[usize], low: f64, high: f64, key: [u64; 2]) -> Result<Tensor> {
    let mut draws = Draws::new(key);
    let count = shape.iter().product();
    let mut draw = || low + (high - low) * draws.below(1 << 53) as f64 / (1u64 << 53) as f64;
    let values: Vec<f64> = (0..count).map(|_| draw()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn random_values_are_within_their_bounds_and_fill_them() {
        let linear = Linear::random(100, 50, true, 3).unwrap();
        let values = linear.weight.to_vec2::<f64>().unwrap().concat();
        let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        assert!((0.099..=0.1).contains(&largest), "{largest}");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        // A standard deviation of the mean is 0.0008.
        assert!(mean.abs() < 0.004, "{mean}");
    }
}
