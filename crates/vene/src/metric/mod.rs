//! Metrics: one number for what a run says about a row's answers. One file each.
//!
//! A metric declares how much of the next-token distribution it needs, so that a sweep computes no
//! more of the unembedding than its metrics read: two of its rows for a logit difference, all of
//! them, summed on the fly, for a probability, the whole distribution for a divergence or a rank.
//!
//! Answers may be *sets* (any of them is right) and *sequences* of tokens. The tokens of a sequence
//! are read one behind the other with the ones before put into the prompt (teacher forcing): its
//! log-probability is the sum of theirs. So a number that a tokenizer splits into digits is an answer
//! like any other.
//!
//! What rank, accuracy and forced choice are where tokens tie is defined in [`crate::ranking`].

mod accuracy;
mod forced_choice;
mod kl;
mod log_probability;
mod logit_difference;
mod probability;
mod probability_difference;
mod rank;

use std::fmt::Debug;

pub use accuracy::Accuracy;
pub use forced_choice::ForcedChoice;
pub use kl::Kl;
pub use log_probability::LogProbability;
pub use logit_difference::LogitDifference;
pub use probability::Probability;
pub use probability_difference::ProbabilityDifference;
pub use rank::Rank;

/// How much of a next-token distribution is needed, each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The answers' logits.
    Logits,
    /// The answers' log-probabilities.
    Probabilities,
    /// Everything.
    Distribution,
}

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

/// What a run says about a row's answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// About each answer that is right for the base.
    pub target: Vec<Said>,
    /// About each answer that is right for the source.
    pub foil: Vec<Said>,
    /// How far the next-token distribution is from that of the unedited run: the Kullback-Leibler
    /// divergence, in nats.
    pub divergence: Option<f64>,
}

/// A number for what a run says about a row's answers.
pub trait Metric: Debug + Send + Sync {
    /// Its name on the command line and in tables.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn description(&self) -> &'static str;

    /// What it needs.
    fn needs(&self) -> Needs;

    /// Whether rows need a foil.
    fn needs_foil(&self) -> bool {
        false
    }

    /// Whether it reads [`Observed::divergence`], for which the unedited runs' distributions are kept.
    fn needs_divergence(&self) -> bool {
        false
    }

    /// Whether each answer must be a single token.
    fn needs_single_tokens(&self) -> bool {
        false
    }

    /// The number; `None` where something that it needs was not read.
    fn value(&self, observed: &Observed) -> Option<f64>;
}

/// All of them; the first is the one that a sweep over a data set measures unless told.
pub const ALL: [&dyn Metric; 8] = [
    &LogitDifference,
    &LogProbability,
    &Probability,
    &ProbabilityDifference,
    &Kl,
    &Rank,
    &Accuracy,
    &ForcedChoice,
];

/// The metric of this name.
pub fn named(name: &str) -> Option<&'static dyn Metric> {
    ALL.into_iter().find(|metric| metric.name() == name)
}

/// log Σ exp of the scores: the score of "any of these answers". Of logits this is up to a constant
/// that is the same for all sets of answers of a run.
fn any_of(scores: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let largest = scores.clone().reduce(f64::max)?;
    let sum: f64 = scores.map(|score| (score - largest).exp()).sum();
    Some(largest + sum.ln())
}

/// The log-probability of "any of these answers", in nats.
fn log_probability_of(answers: &[Said]) -> Option<f64> {
    let each: Option<Vec<f64>> = answers.iter().map(|said| said.log_probability).collect();
    any_of(each?.into_iter())
}

/// log(P(any target) / P(any foil)), in nats.
fn log_odds(observed: &Observed) -> Option<f64> {
    let scores = |answers: &[Said]| any_of(answers.iter().map(|said| said.score));
    let all = || observed.target.iter().chain(&observed.foil);
    if all().all(|said| said.tokens == 1) {
        return Some(scores(&observed.target)? - scores(&observed.foil)?);
    }
    // A logit and the log-probability of a sequence cannot be compared.
    Some(log_probability_of(&observed.target)? - log_probability_of(&observed.foil)?)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Single tokens with these logits, of a run whose log-normaliser is 4.
    pub(crate) fn single(logits: &[f64]) -> Vec<Said> {
        let said = |&score: &f64| Said {
            score,
            log_probability: Some(score - 4.0),
            rank: Some(0.0),
            accuracy: Some(1.0),
            tokens: 1,
        };
        logits.iter().map(said).collect()
    }

    #[test]
    fn names_are_unique_and_found() {
        for metric in ALL {
            assert_eq!(named(metric.name()).unwrap().name(), metric.name());
            assert!(!metric.description().is_empty());
        }
        let names: std::collections::HashSet<_> = ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(named("surprise").is_none());
    }

    #[test]
    fn what_was_not_read_gives_no_number() {
        let unread = Observed {
            target: vec![Said {
                score: 1.0,
                log_probability: None,
                rank: None,
                accuracy: None,
                tokens: 1,
            }],
            ..Observed::default()
        };
        for metric in ALL {
            assert_eq!(metric.value(&unread), None, "{}", metric.name());
        }
    }
}
