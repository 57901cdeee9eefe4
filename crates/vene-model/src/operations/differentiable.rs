//! Operations through which gradients flow.
//!
//! Two sets have them: [`Plain`](super::Plain), written from elementary operations in any precision, and
//! [`Recorded`](super::Recorded), fast on a CPU and held to it.

use candle_core::{D, DType, Tensor};
use vene_kernels::ranking::Standing;

use super::{OperationError, Operations, Path, Query};

/// A [`Path`] that belongs to whoever has it, since a graph outlives the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedPath {
    /// The packed row of keys and values for each position `0..`.
    pub rows: Vec<u32>,
    /// Queries in ascending order of position.
    pub queries: Vec<Query>,
}

impl From<&Path<'_>> for OwnedPath {
    fn from(path: &Path<'_>) -> Self {
        Self { rows: path.rows.to_vec(), queries: path.queries.to_vec() }
    }
}

impl OwnedPath {
    /// The same, borrowed.
    pub fn as_path(&self) -> Path<'_> {
        Path { rows: &self.rows, queries: &self.queries }
    }
}

/// Operations on candle tensors whose results have a graph behind them wherever their inputs have one, to
/// everything but the weights.
pub trait Differentiable:
    Operations<
        Tensor = Tensor,
        Linear: Send + Sync + 'static,
        Norm: Send + Sync + 'static,
        Table: Send + Sync + 'static,
        Rotary: Send + Sync + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// -log p(target) of each row `[rows, d_model]` after the unembedding and its soft cap, in nats, `[rows]`;
    /// and where each target stands among all tokens.
    ///
    /// # Errors
    /// Failures of the computation.
    fn cross_entropy(
        &self,
        x: &Tensor,
        unembedding: &Self::Linear,
        soft_cap: Option<f64>,
        targets: &[u32],
    ) -> Result<(Tensor, Vec<Standing>), OperationError>;
}

/// -log p(target) of each row of logits `[rows, vocabulary]`, and where each target stands among all tokens: the
/// formula.
///
/// # Errors
/// Failures of the computation.
pub fn cross_entropy_of(
    logits: &Tensor,
    targets: &[u32],
) -> Result<(Tensor, Vec<Standing>), OperationError> {
    let tokens = targets;
    let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    // The largest logit only keeps the exponentials within their range: it has no part in the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let losses = (normaliser - shifted.gather(&targets, 1)?)?.squeeze(1)?;
    let rows = logits.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let standing = |(row, &token): (&Vec<f64>, &u32)| Standing::of(row, token as usize);
    Ok((losses, rows.iter().zip(tokens).map(standing).collect()))
}
