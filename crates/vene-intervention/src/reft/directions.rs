//! The directions along which hidden states are edited.

use candle_core::{Result, Tensor};

use super::Linear;
use crate::parameter::{cast, expect_width};
use crate::product::product;
use crate::{Parameter, Rotation};

/// Along what the hidden state is edited.
#[derive(Clone, Debug)]
pub enum Directions {
    /// Orthonormal ones.
    Orthonormal(Rotation),
    /// Any: the rows of a linear map.
    Any(Linear),
}

impl Directions {
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Orthonormal(rotation) => rotation.width(),
            Self::Any(projection) => projection.width(),
        }
    }

    pub(super) fn rank(&self) -> usize {
        match self {
            Self::Orthonormal(rotation) => rotation.rank(),
            Self::Any(projection) => projection.rank(),
        }
    }

    /// What hidden states `[positions, width]` are along them, `[positions, rank]`.
    pub(super) fn read(&self, hidden: &Tensor) -> Result<Tensor> {
        match self {
            Self::Orthonormal(rotation) => product(hidden, &rotation.cast(hidden, None)?),
            Self::Any(projection) => projection.apply(hidden),
        }
    }

    /// Numbers along them, `[positions, rank]`, as changes of hidden states, `[positions, width]`.
    pub(super) fn write(&self, along: &Tensor) -> Result<Tensor> {
        match self {
            Self::Orthonormal(rotation) => product(along, &rotation.cast(along, None)?.t()?),
            Self::Any(projection) => product(along, &cast(projection.weight(), along)?),
        }
    }

    pub(super) fn check(&self, width: Option<usize>) -> std::result::Result<(), String> {
        match self {
            Self::Orthonormal(rotation) => rotation.check(width),
            Self::Any(projection) => expect_width("a projection", projection.width(), width),
        }
    }

    /// Its parameters, with a projection's bias where it is used.
    pub(super) fn parameters(&self, with_bias: bool) -> Vec<Parameter> {
        match self {
            Self::Orthonormal(rotation) => vec![rotation.parameter()],
            Self::Any(projection) => {
                let count = if with_bias { 2 } else { 1 };
                projection.parameters("proj_layer").take(count).collect()
            }
        }
    }
}
