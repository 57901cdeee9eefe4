//! The next-token distribution at one position.

use candle_core::Tensor;
use vene_model::ranking::{self, Standing};

use super::unit;
use crate::error::RunError;

/// Logits over the vocabulary and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    logits: Vec<f64>,
    /// log Σ exp(logit), so that probabilities are a subtraction and an exponential away.
    log_normaliser: f64,
}

impl Distribution {
    /// From the logits of the whole vocabulary.
    pub fn new(logits: Vec<f64>) -> Self {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        Self { log_normaliser: largest + sum.ln(), logits }
    }

    /// From a row of the logits of an example's run.
    ///
    /// # Errors
    /// A logit is no number: an edit drove the run out of the range of its floats.
    pub(super) fn of_row(logits: &Tensor, row: usize, example: usize) -> Result<Self, RunError> {
        let logits = unit::values(&logits.get(row)?)?;
        match logits.iter().copied().find(|logit| !logit.is_finite()) {
            Some(value) => Err(RunError::LogitsNotFinite { value, example }),
            None => Ok(Self::new(logits)),
        }
    }

    /// The logits, by token id.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// A token's logit; `None` where the unembedding has no such token, as for all methods here that take
    /// one.
    pub fn logit(&self, token: u32) -> Option<f64> {
        self.logits.get(token as usize).copied()
    }

    /// log Σ exp(logit) over the vocabulary.
    pub fn log_normaliser(&self) -> f64 {
        self.log_normaliser
    }

    /// A token's log-probability, in nats.
    pub fn log_probability(&self, token: u32) -> Option<f64> {
        Some(self.logit(token)? - self.log_normaliser)
    }

    /// The log-probabilities of all tokens, in nats, by token id.
    pub fn log_probabilities(&self) -> Vec<f64> {
        self.logits.iter().map(|logit| logit - self.log_normaliser).collect()
    }

    /// A token's probability.
    pub fn probability(&self, token: u32) -> Option<f64> {
        Some(self.log_probability(token)?.exp())
    }

    /// The likeliest token; of equally likely ones that with the lowest id.
    pub fn likeliest(&self) -> u32 {
        ranking::likeliest(&self.logits) as u32
    }

    /// Where a token stands among all: its rank and its accuracy.
    pub fn standing(&self, token: u32) -> Option<Standing> {
        self.logit(token).map(|_| Standing::of(&self.logits, token as usize))
    }

    /// The `count` likeliest tokens, likeliest first; ties go to the lower id.
    pub fn top(&self, count: usize) -> Vec<u32> {
        let mut tokens: Vec<u32> = (0..self.logits.len() as u32).collect();
        let by_logit =
            |a: &u32, b: &u32| ranking::likeliest_first(&self.logits, *a as usize, *b as usize);
        let count = count.min(tokens.len());
        if count > 0 && count < tokens.len() {
            tokens.select_nth_unstable_by(count - 1, by_logit);
        }
        tokens.truncate(count);
        tokens.sort_unstable_by(by_logit);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_however_large_the_logits() {
        let distribution = Distribution::new(vec![1000.0, 999.0, -1000.0]);
        let sum: f64 = (0..3).filter_map(|token| distribution.probability(token)).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        let first = distribution.probability(0).unwrap_or_default();
        assert!((first - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
        assert_eq!(distribution.probability(3), None);
    }

    #[test]
    fn the_likeliest_come_first_and_ties_by_id() {
        let distribution = Distribution::new(vec![0.0, 3.0, 1.0, 3.0]);
        assert_eq!(distribution.top(3), [1, 3, 2]);
        assert_eq!(distribution.top(9), [1, 3, 2, 0]);
        assert_eq!(distribution.top(0), [] as [u32; 0]);
        assert_eq!(distribution.likeliest(), 1);
        // The two zeros are equal.
        let zeros = Distribution::new(vec![-0.0, 0.0, -1.0]);
        assert_eq!((zeros.top(2), zeros.likeliest()), (vec![0, 1], 0));
        assert_eq!(zeros.standing(1).unwrap_or_default().rank(), 0.5);
    }
}
