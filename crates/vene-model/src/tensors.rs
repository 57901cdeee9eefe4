//! Weights on their way from a file into a decoder: plain host arrays, one layer at a time.
//!
//! A family fills these from its checkpoint's names and layouts; the operations then take them
//! over in the layout that they like. Only one layer is held twice at any moment.

use candle_core::{DType, Tensor};

use crate::config::{BlockKind, DecoderConfig, Experts, QueryKeyNorm};
use crate::matrix::Matrix;

/// A dense row-major f32 tensor in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// The values, row-major; as many as the product of `shape`.
    pub data: Vec<f32>,
    /// The extents.
    pub shape: Vec<usize>,
}

impl HostTensor {
    /// The transpose of a matrix.
    pub(crate) fn transposed(&self) -> Self {
        let (rows, columns) = (self.shape[0], self.shape[1]);
        if self.data.is_empty() {
            return Self::outline(&[columns, rows]);
        }
        let mut data = vec![0.0; self.data.len()];
        // Square tiles, so that both sides stay in cache.
        const TILE: usize = 32;
        for row_tile in (0..rows).step_by(TILE) {
            for column_tile in (0..columns).step_by(TILE) {
                for row in row_tile..(row_tile + TILE).min(rows) {
                    for column in column_tile..(column_tile + TILE).min(columns) {
                        data[column * rows + row] = self.data[row * columns + column];
                    }
                }
            }
        }
        Self { data, shape: vec![columns, rows] }
    }

    /// The values of a candle tensor, in single precision.
    ///
    /// # Errors
    /// Failures of candle.
    pub fn of(tensor: &Tensor) -> candle_core::Result<Self> {
        let data = tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok(Self { data, shape: tensor.dims().to_vec() })
    }
}

/// A projection `y = x W^T + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearTensors {
    /// `[out, in]`.
    pub weight: Matrix,
    /// `[out]`.
    pub bias: Option<HostTensor>,
}

/// A norm's weight and, for layer norms, bias.
#[derive(Clone, Debug, PartialEq)]
pub struct NormTensors {
    /// `[width]`.
    pub weight: HostTensor,
    /// `[width]`.
    pub bias: Option<HostTensor>,
    /// Into how many stretches, each normed by itself, the width is cut: 1 but for the heads of a norm that has weights
    /// for each.
    pub stretches: usize,
}

impl HostTensor {
    /// A tensor of this shape without its values.
    pub(crate) fn outline(shape: &[usize]) -> Self {
        Self { data: Vec::new(), shape: shape.to_vec() }
    }
}

impl HostTensor {
    /// A vector of ones, as a norm without a weight has them.
    pub(crate) fn ones(width: usize) -> Self {
        Self { data: vec![1.0; width], shape: vec![width] }
    }

    /// Stretches of so many rows of a matrix, or numbers of a vector, one after the other.
    pub(crate) fn stretches(
        &self,
        starts: impl Iterator<Item = usize> + Clone,
        length: usize,
    ) -> Self {
        let width: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = starts.clone().count() * length;
        if self.data.is_empty() {
            return Self::outline(&shape);
        }
        let rows = starts.map(|start| &self.data[start * width..(start + length) * width]);
        Self { data: rows.flatten().copied().collect(), shape }
    }
}

impl LinearTensors {
    /// Output rows `start..start + length` of the projection.
    pub(crate) fn rows(&self, start: usize, length: usize) -> Self {
        self.stretches(std::iter::once(start), length)
    }

    /// Stretches of so many output rows, one after the other.
    pub(crate) fn stretches(
        &self,
        starts: impl Iterator<Item = usize> + Clone,
        length: usize,
    ) -> Self {
        let bias = self.bias.as_ref().map(|bias| bias.stretches(starts.clone(), length));
        Self { weight: self.weight.stretches(starts, length), bias }
    }

    fn outline(out: usize, input: usize) -> Self {
        Self { weight: Matrix::outline(out, input), bias: None }
    }
}

impl NormTensors {
    fn outline(width: usize) -> Self {
        Self { weight: HostTensor::outline(&[width]), bias: None, stretches: 1 }
    }
}

/// What stands before and behind the blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct OuterTensors {
    /// `[inputs, d_model]`.
    pub embedding: Matrix,
    /// `[context, d_model]` where positions are learned.
    pub position_embedding: Option<Matrix>,
    /// Of the tokens' embeddings, where they are normed.
    pub embedding_norm: Option<NormTensors>,
    /// The last norm, where there is one.
    pub final_norm: Option<NormTensors>,
    /// `[vocabulary, d_model]`; `None` where it is the embedding itself.
    pub unembedding: Option<LinearTensors>,
}

impl OuterTensors {
    /// Shapes alone, for counting what a pass would cost. A transformer's unembedding is taken for
    /// tied.
    pub(crate) fn outline(config: &DecoderConfig) -> Self {
        let DecoderConfig { d_model, inputs, vocabulary, context, .. } = *config;
        let positions = || Matrix::outline(context, d_model);
        let head = || LinearTensors::outline(vocabulary, d_model);
        Self {
            embedding: Matrix::outline(inputs, d_model),
            position_embedding: config.has_position_embedding().then(positions),
            embedding_norm: config.embedding_norm.then(|| NormTensors::outline(d_model)),
            final_norm: config.final_norm.then(|| NormTensors::outline(d_model)),
            unembedding: (!config.is_transformer()).then(head),
        }
    }
}

/// One block.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockTensors {
    /// Of a transformer.
    Transformer(Box<TransformerTensors>),
    /// `[d_model, d_model]` of a multilayer perceptron.
    Feedforward(LinearTensors),
    /// Of a gated recurrent unit.
    GatedRecurrent(Box<GatedRecurrentTensors>),
}

impl From<TransformerTensors> for BlockTensors {
    fn from(tensors: TransformerTensors) -> Self {
        Self::Transformer(Box::new(tensors))
    }
}

impl BlockTensors {
    /// Shapes alone, as [`OuterTensors::outline`].
    pub(crate) fn outline(config: &DecoderConfig, layer: usize) -> Self {
        let linear = || LinearTensors::outline(config.d_model, config.d_model);
        let gates = || GateTensors { reset: linear(), update: linear(), new: linear() };
        match config.layers[layer].kind {
            BlockKind::Transformer => TransformerTensors::outline(config, layer).into(),
            BlockKind::Feedforward => Self::Feedforward(linear()),
            BlockKind::GatedRecurrent => {
                let tensors = GatedRecurrentTensors { input: gates(), state: gates() };
                Self::GatedRecurrent(Box::new(tensors))
            }
        }
    }
}

/// A gated recurrent unit: what it makes of its input and of its state.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedRecurrentTensors {
    /// Of the block's input.
    pub input: GateTensors,
    /// Of the state that comes from the position before.
    pub state: GateTensors,
}

/// The projections of one side into the three gates, each `[d_model, d_model]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTensors {
    /// Into the reset gate.
    pub reset: LinearTensors,
    /// Into the update gate.
    pub update: LinearTensors,
    /// Into the new state.
    pub new: LinearTensors,
}

/// A transformer's block.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerTensors {
    /// Before attention.
    pub attention_norm: Option<NormTensors>,
    /// `[heads * head_dim, d_model]`.
    pub query: LinearTensors,
    /// `[key_value_heads * head_dim, d_model]`.
    pub key: LinearTensors,
    /// `[key_value_heads * head_dim, d_model]`.
    pub value: LinearTensors,
    /// On each query head, `[head_dim]`, or on all of them, `[heads * head_dim]`.
    pub query_norm: Option<NormTensors>,
    /// On each key head, `[head_dim]`, or on all of them, `[key_value_heads * head_dim]`.
    pub key_norm: Option<NormTensors>,
    /// A score of each head that takes part in the softmax, `[heads]`.
    pub sinks: Option<HostTensor>,
    /// `[d_model, heads * head_dim]`.
    pub attention_output: LinearTensors,
    /// After attention.
    pub attention_post_norm: Option<NormTensors>,
    /// Before the MLP.
    pub mlp_norm: Option<NormTensors>,
    /// The MLP, or the experts.
    pub mlp: MlpTensors,
    /// After the MLP.
    pub mlp_post_norm: Option<NormTensors>,
}

/// What a transformer's block has between the norms of its MLP.
#[derive(Clone, Debug, PartialEq)]
pub enum MlpTensors {
    /// One MLP.
    Dense(Box<DenseTensors>),
    /// A mixture of experts.
    Experts(Box<ExpertTensors>),
}

/// An MLP, of hidden width `hidden`.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseTensors {
    /// `[hidden, d_model]` in gated MLPs.
    pub gate: Option<LinearTensors>,
    /// `[hidden, d_model]`.
    pub up: LinearTensors,
    /// `[d_model, hidden]`.
    pub down: LinearTensors,
}

/// A mixture of experts.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertTensors {
    /// `[experts, d_model]`.
    pub router: LinearTensors,
    /// The experts.
    pub experts: Vec<DenseTensors>,
    /// The one that every token has, and its gate `[1, d_model]`, where it has one.
    pub shared: Option<(DenseTensors, Option<LinearTensors>)>,
}

impl DenseTensors {
    fn outline(d_model: usize, hidden: usize, gated: bool) -> Self {
        let linear = LinearTensors::outline;
        Self {
            gate: gated.then(|| linear(hidden, d_model)),
            up: linear(hidden, d_model),
            down: linear(d_model, hidden),
        }
    }
}

impl MlpTensors {
    fn outline(config: &DecoderConfig, layer: usize) -> Self {
        let dense = |hidden| DenseTensors::outline(config.d_model, hidden, config.gated);
        match config.layers[layer].experts {
            None => Self::Dense(Box::new(dense(config.d_mlp))),
            Some(Experts { count, d_expert, d_shared, .. }) => {
                Self::Experts(Box::new(ExpertTensors {
                    router: LinearTensors::outline(count, config.d_model),
                    experts: (0..count).map(|_| dense(d_expert)).collect(),
                    shared: d_shared.map(|hidden| {
                        (dense(hidden), Some(LinearTensors::outline(1, config.d_model)))
                    }),
                }))
            }
        }
    }
}

impl TransformerTensors {
    /// Shapes alone, as [`OuterTensors::outline`].
    pub(crate) fn outline(config: &DecoderConfig, layer: usize) -> Self {
        let DecoderConfig { d_model, heads, key_value_heads, head_dim, .. } = *config;
        let linear = LinearTensors::outline;
        let head_norm = |heads: usize| match config.query_key_norm? {
            QueryKeyNorm::EachHead => Some(NormTensors::outline(head_dim)),
            QueryKeyNorm::AllHeads => Some(NormTensors::outline(heads * head_dim)),
            QueryKeyNorm::EachHeadOwn => {
                Some(NormTensors { stretches: heads, ..NormTensors::outline(heads * head_dim) })
            }
        };
        let pre_norm = config.pre_norms.then(|| NormTensors::outline(d_model));
        let post_norm = config.post_norms.then(|| NormTensors::outline(d_model));
        Self {
            attention_norm: pre_norm.clone(),
            query: linear(heads * head_dim, d_model),
            key: linear(key_value_heads * head_dim, d_model),
            value: linear(key_value_heads * head_dim, d_model),
            query_norm: head_norm(heads),
            key_norm: head_norm(key_value_heads),
            sinks: None,
            attention_output: linear(d_model, heads * head_dim),
            attention_post_norm: post_norm.clone(),
            mlp_norm: pre_norm,
            mlp: MlpTensors::outline(config, layer),
            mlp_post_norm: post_norm,
        }
    }
}
