//! What was read of a next-token distribution: a few of its logits.

use vene_model::ChosenLogits;

use super::distribution::Distribution;
use crate::error::RunError;

/// The logits of the tokens that a plan named, at one position of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    logits: Vec<f64>,
    log_normaliser: Option<f64>,
}

impl Reading {
    /// A row of what the decoder was asked for.
    ///
    /// # Errors
    /// A number is none: an edit drove the run out of the range of its floats.
    pub(super) fn of_row(
        chosen: &ChosenLogits,
        tokens: usize,
        row: usize,
        example: usize,
    ) -> Result<Self, RunError> {
        let logits = chosen.logits[row * tokens..(row + 1) * tokens].to_vec();
        let log_normaliser = chosen.log_normalisers.get(row).copied();
        match logits.iter().chain(&log_normaliser).copied().find(|value| !value.is_finite()) {
            Some(value) => Err(RunError::LogitsNotFinite { value, example }),
            None => Ok(Self { logits, log_normaliser }),
        }
    }

    /// The same out of a whole distribution.
    pub(super) fn of(distribution: &Distribution, tokens: &[u32], normalised: bool) -> Self {
        Self {
            logits: tokens.iter().filter_map(|&token| distribution.logit(token)).collect(),
            log_normaliser: normalised.then(|| distribution.log_normaliser()),
        }
    }

    /// The logits, in the order in which the plan names their tokens.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// log Σ exp(logit) over the vocabulary; `None` where the plan asked for logits only.
    pub fn log_normaliser(&self) -> Option<f64> {
        self.log_normaliser
    }

    /// The log-probabilities in nats, in the same order; `None` where the plan asked for logits only.
    pub fn log_probabilities(&self) -> Option<Vec<f64>> {
        let normaliser = self.log_normaliser?;
        Some(self.logits.iter().map(|logit| logit - normaliser).collect())
    }

    /// The probabilities, in the same order; `None` where the plan asked for logits only.
    pub fn probabilities(&self) -> Option<Vec<f64>> {
        Some(self.log_probabilities()?.into_iter().map(f64::exp).collect())
    }
}
