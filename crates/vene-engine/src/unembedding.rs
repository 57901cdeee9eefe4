//! The way back through the unembedding: for whoever computes a loss of logits elsewhere, such as in PyTorch.

use candle_core::{Tensor, Var};
use vene_model::{Decoder, Differentiable, Model, OperationError, Recorded};

use crate::error::RunError;

/// The gradient of the unembedding's input `normed` `[rows, d_model]`, from that of the logits `[rows, vocabulary]`.
///
/// # Errors
/// Tensors of other shapes; failures of the computation.
pub fn unembedding_gradient(
    model: &Model,
    normed: &Tensor,
    gradient: &Tensor,
) -> Result<Tensor, RunError> {
    match model.fused()? {
        Some(fused) => back(&fused.over(Recorded), normed, gradient),
        None => back(model.plain()?, normed, gradient),
    }
}

fn back<O: Differentiable>(
    decoder: &Decoder<O>,
    normed: &Tensor,
    gradient: &Tensor,
) -> Result<Tensor, RunError> {
    let dtype = decoder.operations().plain().dtype();
    let normed = Var::from_tensor(&normed.to_dtype(dtype).map_err(OperationError::from)?)?;
    let logits = decoder.logits(&normed)?;
    // The gradient of this sum is that of the logits, carried on.
    let sum = (logits * gradient.to_dtype(dtype)?)?.sum_all()?;
    match sum.backward()?.get(&normed) {
        Some(gradient) => Ok(gradient.clone()),
        None => Ok(normed.zeros_like()?),
    }
}
