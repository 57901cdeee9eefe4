//! The function between what a ReFT intervention reads and what it writes.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use candle_core::{Result, Tensor};

use crate::sigmoid::sigmoid;

/// An activation function, `f` in the formulas (pyreft's `act_fn`, under transformers' names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `linear`: none.
    #[default]
    Linear,
    /// `relu`.
    Relu,
    /// `gelu`: `x Φ(x)`.
    Gelu,
    /// `gelu_pytorch_tanh` or `gelu_new`: its approximation by tanh.
    GeluTanh,
    /// `silu`: `x σ(x)`.
    Silu,
    /// `tanh`.
    Tanh,
    /// `sigmoid`.
    Sigmoid,
}

impl Activation {
    /// Each, under its name in transformers.
    pub const NAMED: [(&str, Self); 7] = [
        ("linear", Self::Linear),
        ("relu", Self::Relu),
        ("gelu", Self::Gelu),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("silu", Self::Silu),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
    ];

    /// The name in transformers.
    pub fn name(self) -> &'static str {
        let found = Self::NAMED.iter().find(|(_, activation)| *activation == self);
        found.map_or("linear", |(name, _)| name)
    }

    pub(super) fn apply(self, values: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear => Ok(values.clone()),
            Self::Relu => values.relu(),
            // Spelt out: the gradients of candle's own have seven digits in either precision.
            Self::Gelu => values * (values * FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?,
            Self::GeluTanh => {
                let inner = (values + (values.powf(3.0)? * 0.044_715)?)?;
                values * (inner * (2.0 / PI).sqrt())?.tanh()?.affine(0.5, 0.5)?
            }
            Self::Silu => values.silu(),
            Self::Tanh => values.tanh(),
            Self::Sigmoid => sigmoid(values)?.to_dtype(values.dtype()),
        }
    }
}
