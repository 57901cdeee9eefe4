//! The small set of operations over which the decoder is written.
//!
//! Everything but attention is *row-local*: a row is one token position of one run, and norms,
//! projections, MLP and unembedding act on packed rows `[rows, width]` without caring which run
//! a row belongs to. The decoder is therefore written once over this trait. [`Plain`] implements
//! it with candle tensors (any dtype, any device, differentiable); other sets of operations
//! implement it with buffers of their own.

mod plain;

pub use plain::{Plain, Precision};

use crate::config::{Activation, NormKind, Rotary};
use crate::tensors::{HostTensor, LinearTensors, NormTensors};

/// An operation failed: out of memory, or shapes that the decoder should never have joined.
/// Told in candle's first line; what follows there is a backtrace.
#[derive(Debug, thiserror::Error)]
#[error("the computation failed: {}", .0.to_string().lines().next().unwrap_or_default())]
pub struct OperationError(#[from] pub candle_core::Error);

/// What a query may see of its sequence's keys.
#[derive(Clone, Copy, Debug)]
pub struct Visibility<'a> {
    /// Position of each query row.
    pub queries: &'a [usize],
    /// Position of each key row.
    pub keys: &'a [usize],
    /// A query sees this many positions, itself included; `None`: all before it.
    pub window: Option<usize>,
}

impl Visibility<'_> {
    /// Whether query row `query` sees key row `key`.
    pub fn sees(&self, query: usize, key: usize) -> bool {
        let (query, key) = (self.queries[query], self.keys[key]);
        key <= query && self.window.is_none_or(|window| query - key < window)
    }
}

/// The operations of a decoder on packed rows `[rows, width]`.
pub trait Operations {
    /// Packed rows `[rows, width]`, and attention patterns `[heads, queries, keys]`.
    type Tensor: Clone;
    /// A projection's weights in the layout that these operations like.
    type Linear;
    /// A norm's weights.
    type Norm;
    /// An embedding table `[entries, width]`.
    type Table;
    /// One rotary encoding.
    type Rotary;

    /// Takes over a projection `[out, in]`.
    fn load_linear(&self, tensors: LinearTensors) -> Result<Self::Linear, OperationError>;
    /// Takes over a norm.
    fn load_norm(&self, tensors: NormTensors, kind: NormKind)
    -> Result<Self::Norm, OperationError>;
    /// Takes over an embedding table `[entries, width]`.
    fn load_table(&self, tensor: HostTensor) -> Result<Self::Table, OperationError>;
    /// A table that is also the unembedding: shares its memory.
    fn tie(&self, table: &Self::Table) -> Result<Self::Linear, OperationError>;
    /// Takes over a rotary encoding.
    fn load_rotary(&self, rotary: &Rotary) -> Result<Self::Rotary, OperationError>;

    /// Rows of a table: `[indices.len(), width]`.
    fn embed(&self, table: &Self::Table, indices: &[u32]) -> Result<Self::Tensor, OperationError>;
    /// `x W^T + b`.
    fn linear(
        &self,
        x: &Self::Tensor,
        linear: &Self::Linear,
    ) -> Result<Self::Tensor, OperationError>;
    /// Each head's own term of `x W^T`, without the bias: `[rows, heads * out]`.
    fn linear_by_head(
        &self,
        x: &Self::Tensor,
        linear: &Self::Linear,
        heads: usize,
    ) -> Result<Self::Tensor, OperationError>;
    /// Sums `heads` slices that stand side by side in a row: `[rows, width / heads]`.
    fn sum_heads(&self, x: &Self::Tensor, heads: usize) -> Result<Self::Tensor, OperationError>;
    /// Norms each row, or each stretch of the norm's own width in it (one head by itself).
    fn norm(&self, x: &Self::Tensor, norm: &Self::Norm) -> Result<Self::Tensor, OperationError>;
    /// Rotates each head of each row by its position's angles.
    fn rotate(
        &self,
        x: &Self::Tensor,
        rotary: &Self::Rotary,
        head_dim: usize,
        positions: &[usize],
    ) -> Result<Self::Tensor, OperationError>;
    /// The activation function, element by element.
    fn activate(
        &self,
        x: &Self::Tensor,
        activation: Activation,
    ) -> Result<Self::Tensor, OperationError>;
    /// `a + b`.
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `a - b`.
    fn subtract(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `a * b`, element by element.
    fn multiply(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `factor * x`.
    fn scale(&self, x: &Self::Tensor, factor: f64) -> Result<Self::Tensor, OperationError>;
    /// `cap * tanh(x / cap)`.
    fn soft_cap(&self, x: &Self::Tensor, cap: f64) -> Result<Self::Tensor, OperationError>;
    /// Rows `indices`, in that order.
    fn take_rows(
        &self,
        x: &Self::Tensor,
        indices: &[usize],
    ) -> Result<Self::Tensor, OperationError>;
    /// Rows `start..start + length`.
    fn slice_rows(
        &self,
        x: &Self::Tensor,
        start: usize,
        length: usize,
    ) -> Result<Self::Tensor, OperationError>;
    /// All rows, one tensor after the other.
    fn stack_rows(&self, tensors: &[Self::Tensor]) -> Result<Self::Tensor, OperationError>;

    /// `query . key` for each head: `[heads, queries, keys]` from `[queries, heads * head_dim]`
    /// and `[keys, key_value_heads * head_dim]`.
    fn scores(
        &self,
        queries: &Self::Tensor,
        keys: &Self::Tensor,
        head_dim: usize,
    ) -> Result<Self::Tensor, OperationError>;
    /// Puts `value` wherever the query may not see the key.
    fn hide(
        &self,
        pattern: &Self::Tensor,
        visibility: Visibility<'_>,
        value: f64,
    ) -> Result<Self::Tensor, OperationError>;
    /// Softmax over keys.
    fn softmax(&self, scores: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `weights . values`: `[queries, heads * head_dim]` from `[heads, queries, keys]` and
    /// `[keys, key_value_heads * head_dim]`.
    fn weigh(
        &self,
        weights: &Self::Tensor,
        values: &Self::Tensor,
        head_dim: usize,
    ) -> Result<Self::Tensor, OperationError>;
}
