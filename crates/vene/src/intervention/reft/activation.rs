//! The function between what a ReFT intervention reads and what it writes.

use candle_core::{Result, Tensor};

use crate::intervention::sigmoid::sigmoid;

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
    pub(super) fn apply(self, values: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear => Ok(values.clone()),
            Self::Relu => values.relu(),
            Self::Gelu => values.gelu_erf(),
            Self::GeluTanh => values.gelu(),
            Self::Silu => values.silu(),
            Self::Tanh => values.tanh(),
            Self::Sigmoid => sigmoid(values)?.to_dtype(values.dtype()),
        }
    }
}
