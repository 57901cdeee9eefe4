//! The small set of operations over which the decoder is written.
//!
//! Everything but attention is *row-local*: a row is one token position of one run, and norms,
//! projections, MLP and unembedding act on packed rows `[rows, width]` without caring which run
//! a row belongs to. The decoder is therefore written once over this trait. [`Plain`] implements
//! it with candle tensors (any dtype, any device, differentiable); other sets of operations
//! implement it with buffers of their own.

mod counted;
mod differentiable;
mod experts;
mod fused;
mod node;
mod pattern;
mod plain;
mod recorded;
mod scoring;

pub use counted::{Counted, CountedRows, Work};
pub use differentiable::{Differentiable, OwnedPath, cross_entropy_of};
pub use fused::Fused;
pub use node::with_backward;
pub use pattern::Visibility;
pub use plain::{Plain, Precision};
pub use recorded::Recorded;
pub use scoring::Scoring;
pub use vene_kernels::{Path, Query};

use candle_core::Tensor as Values;
use vene_files::Interrupted;

use crate::config::{Activation, ClampedGate, Experts, NormKind, Rotary};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::{LinearTensors, NormTensors};

/// An operation failed: out of memory, or shapes that the decoder should never have joined.
/// Told in candle's first line; what follows there is a backtrace.
#[derive(thiserror::Error)]
#[error("the computation failed: {}", .0.to_string().lines().next().unwrap_or_default())]
pub struct OperationError(#[from] pub candle_core::Error);

vene_named::debug_as_sentence!(OperationError);

impl OperationError {
    /// That the computation was stopped.
    pub(crate) fn interrupted(interrupted: Interrupted) -> Self {
        Self(candle_core::Error::wrap(interrupted))
    }
}

/// The logits of chosen tokens in some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChosenLogits {
    /// `[rows, tokens]`, row-major.
    pub logits: Vec<f64>,
    /// log sum exp(logit) over the vocabulary, for each row; empty where nobody asked for it.
    pub log_normalisers: Vec<f64>,
}

/// The values of a tensor of packed rows where they lie in host memory.
#[derive(Debug)]
pub struct HostRows<'a> {
    /// `[rows, width]`, row-major.
    pub values: &'a mut [f32],
    /// The width of a row.
    pub width: usize,
}

/// The operations of a decoder on packed rows `[rows, width]`.
///
/// What is done with a tensor for the last time takes it by value, so that its memory may be used
/// again.
pub trait Operations {
    /// Packed rows `[rows, width]`.
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
    fn load_table(&self, table: Matrix) -> Result<Self::Table, OperationError>;
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
    /// Rotates each head of each row by the angles of its place.
    fn rotate(
        &self,
        x: Self::Tensor,
        rotary: &Self::Rotary,
        head_dim: usize,
        places: RowPlaces<'_>,
    ) -> Result<Self::Tensor, OperationError>;
    /// The activation function, element by element.
    fn activate(
        &self,
        x: Self::Tensor,
        activation: Activation,
    ) -> Result<Self::Tensor, OperationError>;
    /// `activation(gate) * up`: the values of [`Operations::activate`] and
    /// [`Operations::multiply`], bit for bit.
    fn gate(
        &self,
        gate: Self::Tensor,
        up: &Self::Tensor,
        activation: Activation,
    ) -> Result<Self::Tensor, OperationError> {
        self.multiply(self.activate(gate, activation)?, up)
    }
    /// The hidden layer of a gated MLP whose gate and up are clamped.
    fn gate_clamped(
        &self,
        gate: Self::Tensor,
        up: &Self::Tensor,
        clamped: ClampedGate,
    ) -> Result<Self::Tensor, OperationError>;
    /// `a + b`.
    fn add(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `a - b`.
    fn subtract(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `a * b`, element by element.
    fn multiply(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, OperationError>;
    /// `factor * x`.
    fn scale(&self, x: Self::Tensor, factor: f64) -> Result<Self::Tensor, OperationError>;
    /// `min(max(x, -limit), limit)`.
    fn clip(&self, x: Self::Tensor, limit: f64) -> Result<Self::Tensor, OperationError>;
    /// `cap * tanh(x / cap)`.
    fn soft_cap(&self, x: Self::Tensor, cap: f64) -> Result<Self::Tensor, OperationError>;

    /// The weights of experts `[rows, experts]` by a router's scores, 0 for those that are not chosen; of equal scores the
    /// first is chosen.
    fn route(
        &self,
        scores: &Self::Tensor,
        experts: &Experts,
    ) -> Result<Self::Tensor, OperationError>;
    /// For each expert the rows in which its weight is not 0.
    fn chosen_rows(
        &self,
        weights: &Self::Tensor,
        experts: &Experts,
    ) -> Result<Vec<Vec<usize>>, OperationError>;
    /// The sum of what experts give for the rows that each was chosen for, weighted: `[rows, width]`, a row's experts in
    /// their order.
    fn mix(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Self::Tensor],
        weights: &Self::Tensor,
    ) -> Result<Self::Tensor, OperationError>;
    /// What experts give, side by side, zeros where one was not chosen: `[rows, experts * width]`.
    fn spread(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Self::Tensor],
        weights: &Self::Tensor,
    ) -> Result<Self::Tensor, OperationError>;
    /// Rows `indices` of one of so many parts that stand side by side: what [`Operations::spread`] put there.
    fn take_part(
        &self,
        x: &Self::Tensor,
        indices: &[usize],
        part: usize,
        parts: usize,
    ) -> Result<Self::Tensor, OperationError>;
    /// Each row times its factor, `[rows, 1]`.
    fn weigh_rows(
        &self,
        x: Self::Tensor,
        factors: &Self::Tensor,
    ) -> Result<Self::Tensor, OperationError>;

    /// Rows `indices`, in that order.
    fn take_rows(
        &self,
        x: &Self::Tensor,
        indices: &[usize],
    ) -> Result<Self::Tensor, OperationError>;
    /// Copies of rows `indices`, set behind all rows.
    fn append_rows(&self, x: &mut Self::Tensor, indices: &[usize]) -> Result<(), OperationError>;
    /// The rows of another tensor of the same width, set behind all rows. Cheap again and again: what
    /// is kept of a text grows so.
    fn extend_rows(&self, x: &mut Self::Tensor, rows: &Self::Tensor) -> Result<(), OperationError>;

    /// The first rows alone: what [`Operations::extend_rows`] added for a while is taken off again.
    fn keep_first_rows(&self, x: &mut Self::Tensor, rows: usize) -> Result<(), OperationError>;

    /// All rows, one tensor after the other; there is at least one.
    fn stack(&self, parts: &[Self::Tensor]) -> Result<Self::Tensor, OperationError>;

    /// Causal attention: softmax over each query's scores of the keys that it sees (and the head's sink, where there is one),
    /// and with these weights the sum of the values: `[query rows, heads * head_dim]`. Every query row that is in no
    /// path has values that nobody may read.
    fn attend(
        &self,
        queries: &Self::Tensor,
        keys: &Self::Tensor,
        values: &Self::Tensor,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<Self::Tensor, OperationError>;

    /// [`Operations::attend`] where keys and values come from two passes: the first rows of the paths are the earlier
    /// ones, those of `keys` and `values` follow them. Where gradients flow, each of these is in one path only, and none
    /// flows to the earlier ones.
    #[allow(clippy::too_many_arguments)]
    fn attend_behind(
        &self,
        queries: &Self::Tensor,
        keys: &Self::Tensor,
        values: &Self::Tensor,
        earlier: Option<[Self::Tensor; 2]>,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<Self::Tensor, OperationError> {
        let Some([mut all_keys, mut all_values]) = earlier else {
            return self.attend(queries, keys, values, paths, scoring);
        };
        self.extend_rows(&mut all_keys, keys)?;
        self.extend_rows(&mut all_values, values)?;
        self.attend(queries, &all_keys, &all_values, paths, scoring)
    }

    /// The logits of `tokens` in every row, soft-capped where there is a cap, and where `normalised`
    /// also each row's log-normaliser over the whole vocabulary.
    fn choose_logits(
        &self,
        x: &Self::Tensor,
        unembedding: &Self::Linear,
        soft_cap: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError>;

    /// Whether tensors have values; where they have only shapes, there is nothing to edit.
    fn has_values(&self) -> bool {
        true
    }
    /// Told at the end of each forward pass: what counts them counts one.
    fn pass_ended(&self) {}
    /// Plain operations on what [`Operations::values`] gives out.
    fn plain(&self) -> Plain;
    /// Rows `indices` as a candle tensor `[rows, width]`: how values get to an intervention, or to
    /// whoever keeps them.
    fn values(&self, x: &Self::Tensor, indices: &[usize]) -> Result<Values, OperationError>;
    /// A candle tensor `[rows, width]`, of the type that [`Operations::values`] gives out, as packed rows.
    fn rows_of(&self, values: &Values) -> Result<Self::Tensor, OperationError>;
    /// Writes a candle tensor `[rows, width]` over rows `indices`, all different.
    fn set_values(
        &self,
        x: &mut Self::Tensor,
        indices: &[usize],
        values: &Values,
    ) -> Result<(), OperationError>;
    /// The values where they lie, if that is 32-bit floats in host memory: for whom a candle tensor
    /// for every row would be too slow.
    fn host<'a>(&self, x: &'a mut Self::Tensor) -> Option<HostRows<'a>>;
}
