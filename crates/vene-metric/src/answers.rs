//! How likely the answers are: of sets any of them, of sequences all of their tokens.

use vene_model::ranking::accuracy_of_two;

use super::{BuiltIn, Observed, Reads, Said};

/// The logit of the target minus that of the foil: log(P(target) / P(foil)), in nats (Wang et al. 2022,
/// "Interpretability in the wild").
///
/// It moves in proportion where probabilities saturate, and needs two rows of the unembedding only.
/// Of sets of answers it is the log-odds of the one set against the other, log Σ exp(logit) of
/// each; of sequences the difference of their log-probabilities. Each agrees with the plain
/// difference where there is one token on both sides.
pub const LOGIT_DIFFERENCE: BuiltIn = BuiltIn {
    name: "logit_difference",
    aliases: &["logit_diff"],
    documentation: "the logit of the target minus that of the foil = log(P(target) / P(foil)), in nats",
    reads: || Reads::logits().with_foil(),
    value: log_odds,
};

/// The log-probability of the target in nats; of a set, of any of its answers.
pub const LOG_PROBABILITY: BuiltIn = BuiltIn {
    name: "log_probability",
    aliases: &["log_prob"],
    documentation: "the log-probability of the target, in nats",
    reads: Reads::log_probabilities,
    value: |observed| log_probability_of(&observed.target),
};

/// The probability of the target; of a set, of any of its answers.
pub const PROBABILITY: BuiltIn = BuiltIn {
    name: "probability",
    aliases: &["prob"],
    documentation: "the probability of the target",
    reads: Reads::log_probabilities,
    value: |observed| Some(log_probability_of(&observed.target)?.exp()),
};

/// The probability of the target minus that of the foil (Hanna et al. 2023, "How does GPT-2 compute
/// greater-than?", where both are sets of years).
pub const PROBABILITY_DIFFERENCE: BuiltIn = BuiltIn {
    name: "probability_difference",
    aliases: &["prob_diff"],
    documentation: "the probability of the target minus that of the foil",
    reads: || Reads::log_probabilities().with_foil(),
    value: |observed| {
        let probability = |answers| Some(log_probability_of(answers)?.exp());
        Some(probability(&observed.target)? - probability(&observed.foil)?)
    },
};

/// 1 where the target is likelier than the foil, else 0, and 1/2 where they tie: the accuracy of a model that may
/// only answer one of the two.
pub const FORCED_CHOICE: BuiltIn = BuiltIn {
    name: "forced_choice",
    aliases: &[],
    documentation: "1 where the target is likelier than the foil, 1/2 where they tie, else 0",
    reads: || Reads::logits().with_foil(),
    value: |observed| log_odds(observed).map(accuracy_of_two),
};

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
fn log_odds(observed: &Observed<'_>) -> Option<f64> {
    let scores = |answers: &[Said]| any_of(answers.iter().map(|said| said.score));
    let all = || observed.target.iter().chain(&observed.foil);
    if all().all(|said| said.tokens == 1) {
        return Some(scores(&observed.target)? - scores(&observed.foil)?);
    }
    // A logit and the log-probability of a sequence cannot be compared.
    Some(log_probability_of(&observed.target)? - log_probability_of(&observed.foil)?)
}

#[cfg(test)]
pub(super) mod tests {
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

    fn of(metric: &BuiltIn, target: Vec<Said>, foil: Vec<Said>) -> f64 {
        (metric.value)(&Observed { target, foil, ..Observed::default() }).unwrap()
    }

    #[test]
    fn logits_are_compared_of_tokens_of_sets_and_of_sequences() {
        let value = |target, foil| of(&LOGIT_DIFFERENCE, target, foil);
        assert_eq!(value(single(&[3.0]), single(&[1.0])), 2.0);
        // Two equally likely answers are twice as likely as one.
        let difference = value(single(&[1.0, 1.0]), single(&[1.0]));
        assert!((difference - 2.0_f64.ln()).abs() < 1e-12);
        // A sequence is compared by its log-probability, even with a single token.
        let mut sequence = single(&[0.0]);
        sequence[0].tokens = 2;
        sequence[0].log_probability = Some(-7.0);
        assert_eq!(value(sequence, single(&[1.0])), -4.0);
    }

    #[test]
    fn the_probability_of_a_set_is_that_of_any_of_it() {
        let (target, foil) = (|| single(&[3.0, 2.0]), || single(&[1.0]));
        let expected = (-1.0_f64).exp() + (-2.0_f64).exp();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12);
        close(of(&PROBABILITY, target(), vec![]), expected);
        close(of(&LOG_PROBABILITY, target(), vec![]), expected.ln());
        close(of(&PROBABILITY_DIFFERENCE, target(), foil()), expected - (-3.0_f64).exp());
    }

    #[test]
    fn the_likelier_wins() {
        let value = |target: &[f64], foil: &[f64]| of(&FORCED_CHOICE, single(target), single(foil));
        assert_eq!(value(&[2.0], &[1.0]), 1.0);
        assert_eq!(value(&[1.0], &[1.0]), 0.5);
        assert_eq!(value(&[1.0], &[2.0]), 0.0);
    }
}
