//! How the next token is drawn.

use super::GenerationError;
use crate::Distribution;

/// A draw from the model's distribution, sharpened and cut.
///
/// Logits are divided by the temperature; then all but the `top_k` likeliest tokens are left out, and then
/// all but the fewest likeliest ones whose probabilities reach `top_p` together (nucleus sampling, Holtzman
/// et al. 2020), and then those whose probability is less than `min_p` of the likeliest one's (Nguyen et al. 2024). The cuts,
/// and their order, are those of transformers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Above 0; below 1 likely tokens become likelier.
    pub temperature: f64,
    /// How many of the likeliest tokens are left, and those as likely as the last of them.
    pub top_k: Option<usize>,
    /// The probability that the tokens that are left reach together, above 0 and at most 1.
    pub top_p: Option<f64>,
    /// The share of the likeliest token's probability that a token must have, from 0 to 1.
    pub min_p: Option<f64>,
}

impl Default for Sampling {
    /// The model's own distribution.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, min_p: None }
    }
}

impl Sampling {
    /// Refuses numbers that cannot be.
    ///
    /// # Errors
    /// Which, and what was expected.
    pub fn check(&self) -> Result<(), GenerationError> {
        let Self { temperature, top_k, top_p, min_p } = *self;
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(GenerationError::Temperature { temperature });
        }
        if top_k == Some(0) {
            return Err(GenerationError::TopK);
        }
        if let Some(top_p) = top_p.filter(|top_p| !(*top_p > 0.0 && *top_p <= 1.0)) {
            return Err(GenerationError::TopP { top_p });
        }
        match min_p.filter(|min_p| !(0.0..=1.0).contains(min_p)) {
            Some(min_p) => Err(GenerationError::MinP { min_p }),
            None => Ok(()),
        }
    }

    /// What is drawn from: for each token, by id, its probability, 0 for those that are left out.
    ///
    /// # Errors
    /// Numbers that cannot be, as [`Sampling::check`] tells them.
    pub fn probabilities(&self, distribution: &Distribution) -> Result<Vec<f64>, GenerationError> {
        self.check()?;
        Ok(self.cut(distribution))
    }

    /// The same, of numbers that were checked.
    fn cut(&self, distribution: &Distribution) -> Vec<f64> {
        let largest = distribution.logits().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // From the largest down, so that a small temperature overflows nothing.
        let mut scores: Vec<f64> = distribution
            .logits()
            .iter()
            .map(|logit| (logit - largest) / self.temperature)
            .collect();
        if let Some(top_k) = self.top_k.filter(|&top_k| top_k < scores.len()) {
            let mut sorted = scores.clone();
            let (_, &mut least, _) =
                sorted.select_nth_unstable_by(top_k - 1, |a, b| b.total_cmp(a));
            let out = scores.iter_mut().filter(|score| **score < least);
            out.for_each(|score| *score = f64::NEG_INFINITY);
        }
        let mut probabilities = softmax(&scores);
        if let Some(top_p) = self.top_p.filter(|&top_p| top_p < 1.0) {
            for token in outside_nucleus(&probabilities, top_p) {
                scores[token] = f64::NEG_INFINITY;
            }
            probabilities = softmax(&scores);
        }
        if let Some(min_p) = self.min_p {
            let largest = probabilities.iter().copied().fold(0.0, f64::max);
            for (score, probability) in scores.iter_mut().zip(&probabilities) {
                if *probability < min_p * largest {
                    *score = f64::NEG_INFINITY;
                }
            }
            probabilities = softmax(&scores);
        }
        probabilities
    }

    /// The token at `uniform`, a number from 0 on and below 1, in the order of ids.
    pub(super) fn draw(&self, distribution: &Distribution, uniform: f64) -> u32 {
        at(&self.cut(distribution), uniform)
    }
}

/// Probabilities of scores of which the largest is 0.
fn softmax(scores: &[f64]) -> Vec<f64> {
    let mut probabilities: Vec<f64> = scores.iter().map(|score| score.exp()).collect();
    let sum: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
    probabilities
}

/// The least likely tokens that are no more than `1 - top_p` together; never the likeliest one. Of equally
/// likely ones those with higher ids come first.
fn outside_nucleus(probabilities: &[f64], top_p: f64) -> Vec<usize> {
    let mut possible: Vec<usize> =
        (0..probabilities.len()).filter(|&token| probabilities[token] > 0.0).collect();
    possible
        .sort_unstable_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]).then(b.cmp(&a)));
    possible.pop();
    let mut together = 0.0;
    possible.retain(|&token| {
        together += probabilities[token];
        together <= 1.0 - top_p
    });
    possible
}

/// The token in which the running sum of probabilities passes a share of them all.
fn at(probabilities: &[f64], uniform: f64) -> u32 {
    let wanted = uniform * probabilities.iter().sum::<f64>();
    let (mut sum, mut last) = (0.0, 0);
    for (token, &probability) in probabilities.iter().enumerate() {
        if probability > 0.0 {
            sum += probability;
            last = token;
            if wanted < sum {
                break;
            }
        }
    }
    last as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use vene_random::Draws;

    fn of(probabilities: &[f64]) -> Distribution {
        Distribution::new(probabilities.iter().map(|probability| probability.ln()).collect())
    }

    fn left(sampling: Sampling, probabilities: &[f64]) -> Vec<usize> {
        let found = sampling.probabilities(&of(probabilities)).unwrap();
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        (0..found.len()).filter(|&token| found[token] > 0.0).collect()
    }

    /// Not in order, two alike.
    const SHARES: [f64; 6] = [0.08, 0.3, 0.05, 0.3, 0.02, 0.25];

    #[test]
    fn the_temperature_is_an_exponent() {
        for temperature in [0.5, 1.0, 2.0] {
            let sampling = Sampling { temperature, ..Sampling::default() };
            let powers: Vec<f64> =
                SHARES.iter().map(|share| share.powf(1.0 / temperature)).collect();
            let sum: f64 = powers.iter().sum();
            let found = sampling.probabilities(&of(&SHARES)).unwrap();
            for (found, power) in found.iter().zip(&powers) {
                assert!((found - power / sum).abs() < 1e-12, "{temperature}");
            }
        }
    }

    #[test]
    fn the_coldest_draw_is_the_likeliest() {
        let sampling = Sampling { temperature: 1e-300, ..Sampling::default() };
        let found = sampling.probabilities(&Distribution::new(vec![1e3, -1e3, 999.0])).unwrap();
        assert_eq!(found, [1.0, 0.0, 0.0]);
    }

    #[test]
    fn top_k_keeps_ties() {
        let top = |top_k| Sampling { top_k: Some(top_k), ..Sampling::default() };
        assert_eq!(left(top(1), &SHARES), [1, 3]);
        assert_eq!(left(top(2), &SHARES), [1, 3]);
        assert_eq!(left(top(3), &SHARES), [1, 3, 5]);
        assert_eq!(left(top(100), &SHARES), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses() {
        let top = |top_p| Sampling { top_p: Some(top_p), ..Sampling::default() };
        assert_eq!(left(top(1e-9), &SHARES), [1]);
        assert_eq!(left(top(0.29), &SHARES), [1]);
        assert_eq!(left(top(0.31), &SHARES), [1, 3]);
        assert_eq!(left(top(0.61), &SHARES), [1, 3, 5]);
        assert_eq!(left(top(0.86), &SHARES), [0, 1, 3, 5]);
        assert_eq!(left(top(0.99), &SHARES), [0, 1, 2, 3, 4, 5]);
        assert_eq!(left(top(1.0), &SHARES), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn min_p_is_a_share_of_the_likeliest_ones() {
        let min = |min_p| Sampling { min_p: Some(min_p), ..Sampling::default() };
        assert_eq!(left(min(0.0), &SHARES), [0, 1, 2, 3, 4, 5]);
        assert_eq!(left(min(0.2), &SHARES), [0, 1, 3, 5]);
        assert_eq!(left(min(0.84), &SHARES), [1, 3]);
        assert_eq!(left(Sampling { temperature: 9.0, ..min(0.5) }, &SHARES), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn top_p_counts_what_top_k_left() {
        // Of 0.3, 0.3, 0.25 the first two are 0.7 of the whole, but only 0.6 before.
        let both = Sampling { top_k: Some(3), top_p: Some(0.65), ..Sampling::default() };
        assert_eq!(left(both, &SHARES), [1, 3]);
        let alone = Sampling { top_p: Some(0.65), ..Sampling::default() };
        assert_eq!(left(alone, &SHARES), [1, 3, 5]);
    }

    /// Pearson's chi-square with 3 degrees of freedom stays below 16.27 in 999 of 1,000 cases; the seed is
    /// fixed.
    #[test]
    fn draws_follow_the_probabilities() {
        let sampling = Sampling { temperature: 1.5, top_p: Some(0.85), ..Sampling::default() };
        let expected = sampling.probabilities(&of(&SHARES)).unwrap();
        assert_eq!(expected.iter().filter(|&&probability| probability > 0.0).count(), 4);
        let (mut counts, draws) = ([0.0; 6], 20_000);
        let mut random = Draws::new([5]);
        for _ in 0..draws {
            counts[sampling.draw(&of(&SHARES), random.uniform()) as usize] += 1.0;
        }
        let chi_square: f64 = counts
            .iter()
            .zip(&expected)
            .map(|(count, probability)| match probability * f64::from(draws) {
                0.0 => {
                    assert_eq!(*count, 0.0);
                    0.0
                }
                expected => (count - expected).powi(2) / expected,
            })
            .sum();
        assert!(chi_square < 16.27, "{chi_square}: {counts:?}");
    }

    #[test]
    fn the_ends_of_the_unit_interval_are_tokens_that_can_be() {
        let probabilities = [0.0, 0.25, 0.75, 0.0];
        assert_eq!(at(&probabilities, 0.0), 1);
        assert_eq!(at(&probabilities, 0.25), 2);
        assert_eq!(at(&probabilities, 1.0 - f64::EPSILON / 2.0), 2);
    }

    #[test]
    fn numbers_that_cannot_be() {
        let says = |sampling: Sampling| sampling.check().unwrap_err().to_string();
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let said = says(Sampling { temperature, ..Sampling::default() });
            assert!(said.contains("expected a number above 0"), "{said}");
        }
        assert!(says(Sampling { top_k: Some(0), ..Sampling::default() }).contains("1 or more"));
        for top_p in [0.0, -0.1, 1.1, f64::NAN] {
            let said = says(Sampling { top_p: Some(top_p), ..Sampling::default() });
            assert!(said.contains("above 0 and at most 1"), "{said}");
        }
        for min_p in [-0.1, 1.1, f64::NAN] {
            let said = says(Sampling { min_p: Some(min_p), ..Sampling::default() });
            assert!(said.contains("from 0 to 1"), "{said}");
        }
    }
}
