//! Attention step by step on plain tensors, for whoever looks at its patterns or edits them.

use candle_core::{D, Tensor};

use super::{OperationError, Operations, Plain};
use crate::config::{DecoderConfig, LayerConfig};

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

impl Plain {
    /// `query . key` for each head, scaled and soft-capped: `[heads, queries, keys]` from
    /// `[queries, heads * head_dim]` and `[keys, key_value_heads * head_dim]`; nothing hidden yet.
    pub fn scores(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        config: &DecoderConfig,
        layer: &LayerConfig,
    ) -> Result<Tensor, OperationError> {
        let head_dim = config.head_dim;
        let keys = Self::split_heads(keys, head_dim)?;
        let queries = Self::split_heads(queries, head_dim)?;
        let (heads, rows, _) = queries.dims3()?;
        let (key_heads, key_rows, _) = keys.dims3()?;
        // The query heads of one group are neighbours: they become rows of one product.
        let queries = queries.reshape((key_heads, heads / key_heads * rows, head_dim))?;
        let scores = queries.matmul(&keys.transpose(1, 2)?.contiguous()?)?;
        let scores = (scores.reshape((heads, rows, key_rows))? * layer.score_scale)?;
        match config.score_soft_cap {
            Some(cap) => self.soft_cap(scores, cap),
            None => Ok(scores),
        }
    }

    /// Puts `value` wherever the query may not see the key.
    pub fn hide(
        &self,
        pattern: &Tensor,
        visibility: Visibility<'_>,
        value: f64,
    ) -> Result<Tensor, OperationError> {
        let (queries, keys) = (visibility.queries.len(), visibility.keys.len());
        let sees: Vec<u8> = (0..queries)
            .flat_map(|query| (0..keys).map(move |key| u8::from(visibility.sees(query, key))))
            .collect();
        let sees = Tensor::from_vec(sees, (queries, keys), self.device())?;
        let hidden = Tensor::full(value, pattern.shape(), self.device())?.to_dtype(self.dtype())?;
        Ok(sees.broadcast_as(pattern.shape())?.where_cond(pattern, &hidden)?)
    }

    /// Softmax over keys.
    pub fn softmax(&self, scores: &Tensor) -> Result<Tensor, OperationError> {
        // The largest score only keeps the exponentials within their range: it has no part in the
        // gradient.
        let shifted = scores.broadcast_sub(&scores.detach().max_keepdim(D::Minus1)?)?;
        let exponentials = shifted.exp()?;
        Ok(exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?)
    }

    /// `weights . values`: `[queries, heads * head_dim]` from `[heads, queries, keys]` and
    /// `[keys, key_value_heads * head_dim]`.
    pub fn weigh(
        &self,
        weights: &Tensor,
        values: &Tensor,
        head_dim: usize,
    ) -> Result<Tensor, OperationError> {
        let (heads, rows, key_rows) = weights.dims3()?;
        let values = Self::split_heads(values, head_dim)?;
        let key_heads = values.dim(0)?;
        let weights =
            weights.contiguous()?.reshape((key_heads, heads / key_heads * rows, key_rows))?;
        let mixed = weights.matmul(&values)?.reshape((heads, rows, head_dim))?;
        Ok(mixed.transpose(0, 1)?.reshape((rows, heads * head_dim))?)
    }
}
