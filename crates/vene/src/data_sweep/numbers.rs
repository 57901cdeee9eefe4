//! From what the engine reads to numbers on a row's answers.

use std::sync::Arc;

use crate::data::{Continuation, Numbers};
use crate::engine::{Distribution, ExampleOutcome};
use crate::metric::Needs;
use crate::plan::{Outputs, Reduce};
use crate::ranking::Standing;

/// What is asked of the engine, for each of its examples, which are given with whether their rows'
/// answers are single tokens: of sequences a logit says nothing without the others'.
pub(super) fn outputs(
    needs: Needs,
    runs: &[(&Continuation, bool)],
    references: &[Option<Arc<Distribution>>],
) -> Outputs {
    let each = runs
        .iter()
        .map(|(run, single)| (run.read.clone(), !single || needs == Needs::Probabilities));
    match needs {
        Needs::Logits | Needs::Probabilities => Outputs::Each(each.collect()),
        Needs::Distribution => Outputs::Reduced(Arc::new(Whole {
            runs: runs.iter().map(|(run, _)| (*run).clone()).collect(),
            references: references.to_vec(),
        })),
    }
}

/// Makes [`Numbers`] of a whole distribution.
#[derive(Debug)]
struct Whole {
    /// By example.
    runs: Vec<Continuation>,
    /// By example what the divergence at its first read position is taken from.
    references: Vec<Option<Arc<Distribution>>>,
}

impl Reduce for Whole {
    /// The log-normaliser, the divergence (or NaN), for each target how many tokens are larger and how many others
    /// equal, the logits.
    fn reduce(&self, example: usize, read: usize, distribution: &Distribution) -> Vec<f64> {
        let Continuation { read: tokens, targets, .. } = &self.runs[example];
        let reference = self.references.get(example).and_then(Option::as_ref);
        let divergence = match reference.filter(|_| read == 0) {
            Some(reference) => divergence(reference, distribution),
            None => f64::NAN,
        };
        // Answers are tokens that the model has: rows with others are left out.
        let logit = |token: u32| distribution.logit(token).unwrap_or(f64::NAN);
        let standing = |&token: &u32| {
            let Standing { larger, equal } = distribution.standing(token).unwrap_or_default();
            [larger as f64, equal as f64]
        };
        [distribution.log_normaliser(), divergence]
            .into_iter()
            .chain(tokens[..*targets].iter().flat_map(standing))
            .chain(tokens.iter().map(|&token| logit(token)))
            .collect()
    }
}

/// Σ p log(p / q) in nats, with p the reference. Never below 0, whatever the rounding.
fn divergence(reference: &Distribution, distribution: &Distribution) -> f64 {
    let shift = distribution.log_normaliser() - reference.log_normaliser();
    let term = |(&p, &q): (&f64, &f64)| (p - reference.log_normaliser()).exp() * (p - q + shift);
    reference.logits().iter().zip(distribution.logits()).map(term).sum::<f64>().max(0.0)
}

/// What was read of a run, position by position.
pub(super) fn all_numbers(showed: &ExampleOutcome, run: &Continuation) -> Vec<Numbers> {
    (0..=run.tokens.len()).filter_map(|offset| numbers(showed, offset, run)).collect()
}

/// What was read at the `offset`-th position of a run.
fn numbers(showed: &ExampleOutcome, offset: usize, run: &Continuation) -> Option<Numbers> {
    if let Some(reading) = showed.readings.get(offset) {
        return Some(Numbers {
            logits: reading.logits().to_vec(),
            log_normaliser: reading.log_normaliser(),
            ..Numbers::default()
        });
    }
    let (&[log_normaliser, divergence], rest) =
        showed.reduced.get(offset)?.split_first_chunk::<2>()?;
    let (standings, logits) = rest.split_at_checked(2 * run.targets)?;
    let standing = |pair: &[f64; 2]| Standing { larger: pair[0] as usize, equal: pair[1] as usize };
    Some(Numbers {
        logits: logits.to_vec(),
        log_normaliser: Some(log_normaliser),
        standings: standings.as_chunks().0.iter().map(standing).collect(),
        divergence: (!divergence.is_nan()).then_some(divergence),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_divergence_is_that_of_the_formula() {
        // (1/2, 1/2) from (1/4, 3/4).
        let p = Distribution::new(vec![5.0, 5.0]);
        let q = Distribution::new(vec![0.0, 3.0_f64.ln()]);
        let expected = 0.5 * (0.5_f64 / 0.25).ln() + 0.5 * (0.5_f64 / 0.75).ln();
        assert!((divergence(&p, &q) - expected).abs() < 1e-12);
        assert_eq!(divergence(&p, &p), 0.0);
    }

    #[test]
    fn whole_distributions_give_what_readings_give_and_more() {
        let run = Continuation { tokens: vec![], read: vec![2, 0], targets: 1 };
        let distribution = Distribution::new(vec![1.0, 4.0, 3.0]);
        let whole = Whole { runs: vec![run.clone()], references: vec![None] };
        let mut showed = ExampleOutcome::default();
        showed.reduced.push(whole.reduce(0, 0, &distribution));
        let numbers = numbers(&showed, 0, &run).unwrap();
        assert_eq!(numbers.logits, [3.0, 1.0]);
        assert_eq!(numbers.standings, [Standing { larger: 1, equal: 0 }]);
        assert_eq!(numbers.log_normaliser, Some(distribution.log_normaliser()));
        assert_eq!(numbers.divergence, None);
    }
}
