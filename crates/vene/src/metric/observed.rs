//! What a metric is shown.

use candle_core::Tensor;

use crate::engine::Distribution;

/// What a run says about one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// The logit of its only token, where it has one; else its log-probability.
    pub score: f64,
    /// Its log-probability in nats: of a sequence the sum over its tokens.
    pub log_probability: Option<f64>,
    /// The mid-rank of its only token ([`crate::ranking`]); of a sequence, the largest of its tokens'.
    pub rank: Option<f64>,
    /// The accuracy of its only token, shared where tokens tie ([`crate::ranking`]); of a sequence the product
    /// over its tokens.
    pub accuracy: Option<f64>,
    /// How many tokens it has.
    pub tokens: usize,
}

/// What a run shows of what a metric declared to read; all else is empty.
#[derive(Clone, Debug, Default)]
pub struct Observed<'a> {
    /// What the run says about each answer that is right for the base.
    pub target: Vec<Said>,
    /// Likewise for the source.
    pub foil: Vec<Said>,
    /// The edited run's next-token distribution after the prompt.
    pub distribution: Option<&'a Distribution>,
    /// That of the same prompt's run without any edit.
    pub unedited: Option<&'a Distribution>,
    /// The activations, in the order in which they were declared, in the model's type: `[positions, width]`, of
    /// attention patterns `[heads, queries, keys]`.
    pub activations: &'a [Tensor],
}

impl Observed<'_> {
    /// The log-probabilities of all tokens after the prompt in nats, by token id; `None` where the distribution was not declared.
    pub fn log_probabilities(&self) -> Option<Vec<f64>> {
        self.distribution.map(Distribution::log_probabilities)
    }
}
