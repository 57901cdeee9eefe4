//! Attention step by step on plain tensors, for whoever looks at its patterns or edits them.

use candle_core::{D, Tensor};

use super::{OperationError, Operations, Plain, Scoring};

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
    /// `query . key` for each head, scaled, soft-capped, and lower where scores fall with the distance: `[heads, queries, keys]`
    /// from `[queries, heads * head_dim]` and `[keys, key_value_heads * head_dim]`; what queries may not see is -inf.
    pub fn scores(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        scoring: Scoring<'_>,
        visibility: Visibility<'_>,
    ) -> Result<Tensor, OperationError> {
        let config = scoring.config;
        let head_dim = config.head_dim;
        let keys = Self::split_heads(keys, head_dim)?;
        let queries = Self::split_heads(queries, head_dim)?;
        let (heads, rows, _) = queries.dims3()?;
        let (key_heads, key_rows, _) = keys.dims3()?;
        // The query heads of one group are neighbours: they become rows of one product.
        let queries = queries.reshape((key_heads, heads / key_heads * rows, head_dim))?;
        let scores = queries.matmul(&keys.transpose(1, 2)?.contiguous()?)?;
        let mut scores =
            (scores.reshape((heads, rows, key_rows))? * scoring.options().score_scale)?;
        if let Some(cap) = config.score_soft_cap {
            scores = self.soft_cap(scores, cap)?;
        }
        if let Some(alibi) = &config.alibi {
            let mut falls = Vec::with_capacity(heads * rows * key_rows);
            for head in 0..heads {
                for query in visibility.queries {
                    falls.extend(visibility.keys.iter().map(|key| alibi.fall(head, *query, *key)));
                }
            }
            let falls = Tensor::from_vec(falls, (heads, rows, key_rows), self.device())?;
            scores = (scores - falls.to_dtype(self.dtype())?)?;
        }
        self.hide(&scores, visibility, f64::NEG_INFINITY)
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

    /// Attention weights `[heads, queries, keys]` of scores: softmax over keys, and the head's sink, where there is one.
    pub fn attention_weights(
        &self,
        scores: &Tensor,
        scoring: Scoring<'_>,
    ) -> Result<Tensor, OperationError> {
        let Some(sinks) = scoring.sinks else { return self.softmax(scores) };
        let (heads, queries, keys) = scores.dims3()?;
        let sinks = Tensor::new(sinks, self.device())?.to_dtype(self.dtype())?;
        let sinks = sinks.reshape((heads, 1, 1))?.expand((heads, queries, 1))?;
        let weights = self.softmax(&Tensor::cat(&[scores, &sinks], D::Minus1)?)?;
        Ok(weights.narrow(D::Minus1, 0, keys)?.contiguous()?)
    }

    /// Softmax over the last extent.
    pub(super) fn softmax(&self, scores: &Tensor) -> Result<Tensor, OperationError> {
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
