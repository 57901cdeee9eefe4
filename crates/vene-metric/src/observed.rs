//! What a metric is shown.

use candle_core::Tensor;
use vene_data::Said;
use vene_engine::Distribution;

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

impl Observed<'static> {
    /// What runs say about answers, of targets and of foils.
    pub fn of([target, foil]: [Vec<Said>; 2]) -> Self {
        Self { target, foil, ..Self::default() }
    }
}

impl Observed<'_> {
    /// The log-probabilities of all tokens after the prompt in nats, by token id; `None` where the distribution was not declared.
    pub fn log_probabilities(&self) -> Option<Vec<f64>> {
        self.distribution.map(Distribution::log_probabilities)
    }
}
