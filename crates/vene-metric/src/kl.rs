//! How far a run's next-token distribution is from the unedited run's. It asks for no answer: it is large wherever
//! the model now says something else.

use vene_engine::Distribution;

use super::{BuiltIn, Observed, Reads};

/// The Kullback-Leibler divergence Σ p log(p / q) over the vocabulary, in nats, of the edited run's next-token
/// distribution q from that of the unedited run p (Kullback and Leibler 1951).
pub const KL: BuiltIn = BuiltIn {
    name: "kl",
    aliases: &["kl_divergence"],
    documentation: "Σ p log(p/q) over the vocabulary, in nats; p is the unedited run",
    reads: || Reads::distribution().with_unedited(),
    value,
};

fn value(observed: &Observed<'_>) -> Option<f64> {
    Some(divergence(observed.unedited?, observed.distribution?))
}

/// Σ p log(p / q) in nats, with p the reference. Never below 0, whatever the rounding.
fn divergence(reference: &Distribution, distribution: &Distribution) -> f64 {
    let shift = distribution.log_normaliser() - reference.log_normaliser();
    let term = |(&p, &q): (&f64, &f64)| (p - reference.log_normaliser()).exp() * (p - q + shift);
    reference.logits().iter().zip(distribution.logits()).map(term).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divergence_is_that_of_the_formula() {
        // (1/2, 1/2) from (1/4, 3/4).
        let p = Distribution::new(vec![5.0, 5.0]);
        let q = Distribution::new(vec![0.0, 3.0_f64.ln()]);
        let of = |p, q| {
            let (unedited, distribution) = (Some(p), Some(q));
            value(&Observed { distribution, unedited, ..Observed::default() })
        };
        let expected = 0.5 * (0.5_f64 / 0.25).ln() + 0.5 * (0.5_f64 / 0.75).ln();
        assert!((of(&p, &q).unwrap_or_default() - expected).abs() < 1e-12);
        assert_eq!(of(&p, &p), Some(0.0));
    }
}
