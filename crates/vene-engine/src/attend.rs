//! Attention whose pattern is looked at or edited: step by step, on plain tensors.
//!
//! The one place where scores become weights under somebody's eyes, for every executor. What nobody looks at is left to
//! [`Operations::attend`](vene_model::Operations::attend), which never holds a whole pattern.

use candle_core::Tensor;
use vene_model::{Component, Plain, Scoring, Visibility};

use crate::error::RunError;

/// Some queries of one run, with the keys and values that they meet.
pub(super) struct PatternAttention<'a> {
    pub(super) plain: &'a Plain,
    pub(super) scoring: Scoring<'a>,
    /// The run's example, for errors.
    pub(super) example: usize,
    /// `[queries, heads * head_dim]`.
    pub(super) queries: &'a Tensor,
    /// The position of each query.
    pub(super) positions: &'a [usize],
    /// `[keys, key_value_heads * head_dim]`, of the run's positions from 0 on.
    pub(super) keys: &'a Tensor,
    /// The same of values.
    pub(super) values: &'a Tensor,
}

/// Is shown a pattern `[heads, queries, keys]`, scores first, then weights; says whether it looked at it.
pub(super) type Look<'a> = &'a mut dyn FnMut(Component, &mut Tensor) -> Result<bool, RunError>;

impl PatternAttention<'_> {
    /// The weighted values `[queries, heads * head_dim]`. Attention stays causal whatever is edited.
    ///
    /// # Errors
    /// What `look` finds wrong; a query of which every key was hidden.
    pub(super) fn attend(&self, look: Look<'_>) -> Result<Tensor, RunError> {
        let weights = self.weights(look)?;
        Ok(self.plain.weigh(&weights, self.values, self.scoring.config.head_dim)?)
    }

    /// The attention weights `[heads, queries, keys]`, as [`PatternAttention::attend`] has them.
    fn weights(&self, look: Look<'_>) -> Result<Tensor, RunError> {
        let keys: Vec<usize> = (0..self.keys.dim(0)?).collect();
        let window = self.scoring.window();
        let visibility = Visibility { queries: self.positions, keys: &keys, window };
        let hide = |pattern: &Tensor, value| self.plain.hide(pattern, visibility, value);
        let mut scores = self.plain.scores(self.queries, self.keys, self.scoring, visibility)?;
        if look(Component::AttentionScore, &mut scores)? {
            scores = hide(&scores, f64::NEG_INFINITY)?;
            self.refuse_blind_queries(&scores)?;
        }
        let mut weights = self.plain.attention_weights(&scores, self.scoring)?;
        if look(Component::AttentionWeight, &mut weights)? {
            weights = hide(&weights, 0.0)?;
        }
        Ok(weights)
    }

    /// Refuses a query that sees no key any more: its softmax would be NaN. Where there are sinks they get all weight.
    fn refuse_blind_queries(&self, scores: &Tensor) -> Result<(), RunError> {
        if self.scoring.sinks.is_some() {
            return Ok(());
        }
        let best = scores.max(candle_core::D::Minus1)?;
        let best: Vec<Vec<f64>> = best.to_dtype(candle_core::DType::F64)?.to_vec2()?;
        for (head, queries) in best.iter().enumerate() {
            if let Some(query) = queries.iter().position(|score| *score == f64::NEG_INFINITY) {
                let (layer, query, example) =
                    (self.scoring.layer, self.positions[query], self.example);
                return Err(RunError::NothingToAttend { layer, head, query, example });
            }
        }
        Ok(())
    }
}
