//! Representation fine-tuning (Wu et al. 2024, "ReFT: Representation Finetuning for Language
//! Models"): learned edits of a few hidden states, which read no source.
//!
//! All six add to the hidden state `h` something along a few directions, what they read of `h`
//! being learned. They differ in whether the directions are orthonormal, in whether what was there
//! along them is taken away first, and in whether what is put there depends on `h`:
//!
//! | | directions | `h` along them is | put there |
//! | --- | --- | --- | --- |
//! | [`LoReft`] | orthonormal | replaced | `f(W h + b)` |
//! | [`NoReft`] | any | replaced | `f(W h + b)` |
//! | [`DiReft`] | orthonormal | added to | `f(W h + b)` |
//! | [`NodiReft`] | any | added to | `f(W h + b)` |
//! | [`ConsReft`] | orthonormal | replaced | a constant |
//! | [`LobiReft`] | orthonormal | added to | a constant |
//!
//! pyreft's `dropout` is [`Dropout`](super::Dropout) around one of them.

mod activation;
mod consreft;
mod direft;
mod linear;
mod lobireft;
mod loreft;
mod nodireft;
mod noreft;

pub use activation::Activation;
pub use consreft::ConsReft;
pub use direft::DiReft;
pub use linear::Linear;
pub use lobireft::LobiReft;
pub use loreft::LoReft;
pub use nodireft::NodiReft;
pub use noreft::NoReft;

use super::{ParameterError, Rotation};

/// Refuses a learned source of another size than the directions.
fn expect_same(source: &Linear, width: usize, rank: usize) -> Result<(), ParameterError> {
    source.expect("learned_source.weight", width, rank)
}

/// A learned constant, one number for each direction.
fn constant(
    values: &candle_core::Tensor,
    rotation: &Rotation,
) -> Result<candle_core::Var, ParameterError> {
    super::parameter::variable("learned_source", values, &[rotation.rank()])
}

/// A constant as a training begins: uniform in 0 to 1, as pyreft draws it.
pub(crate) fn random_constant(
    rank: usize,
    seed: u64,
) -> Result<candle_core::Tensor, ParameterError> {
    Ok(linear::uniform(&[rank], 0.0, 1.0, [seed, 2])?)
}
