//! Rotary position encodings and the ways in which published models stretch them to longer texts.
//!
//! In some of these the frequencies depend on how long the text is. Then rows of two texts that begin
//! alike are not the same ([`DecoderConfig::rotary_length`](crate::DecoderConfig::rotary_length)).

use std::borrow::Cow;
use std::f64::consts::PI;

pub use vene_kernels::Pairing;

/// Rotary position encoding (Su et al. 2021) of the first dimensions of each head, two for each of the `n` frequencies;
/// those after them stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// Which two dimensions turn together.
    pub pairing: Pairing,
    /// Radians per position, one for each rotated pair; scaling (linear, llama3, YaRN) is already in.
    pub frequencies: Vec<f64>,
    /// Cosines and sines are multiplied by this: 1 but in YaRN and LongRoPE, which sharpen attention.
    pub magnitude: f64,
    /// How longer texts differ, where they do.
    pub long_texts: Option<LongTexts>,
}

/// Texts of more than `after` tokens are turned with other frequencies, at all their positions.
#[derive(Clone, Debug, PartialEq)]
pub struct LongTexts {
    /// The longest text, in tokens, that is turned by [`Rotary::frequencies`].
    pub after: usize,
    /// With which.
    pub by: LongFrequencies,
}

/// The frequencies of long texts.
#[derive(Clone, Debug, PartialEq)]
pub enum LongFrequencies {
    /// The same ones for all of them (LongRoPE, Ding et al. 2024).
    Fixed(Vec<f64>),
    /// Those of a base that grows with the text (`dynamic` of transformers: NTK-aware scaling).
    Dynamic {
        /// The base of short texts.
        theta: f64,
        /// How fast it grows.
        factor: f64,
    },
}

/// YaRN's parameters (Peng et al. 2024), as transformers names them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// Long wavelengths are divided by this.
    pub factor: f64,
    /// The context of the model before it was stretched.
    pub original_context: f64,
    /// Pairs that turn more often than this in the original context stay as they are.
    pub beta_fast: f64,
    /// Pairs that turn less often than this are divided by the factor.
    pub beta_slow: f64,
    /// Whether the two ends of the blend are rounded to whole pairs.
    pub truncate: bool,
}

impl Rotary {
    /// The unscaled frequencies `theta^(-2i / dimensions)`, of so many dimensions of a head, half a head apart.
    pub fn new(theta: f64, dimensions: usize) -> Self {
        Self {
            pairing: Pairing::Halves,
            frequencies: unscaled(theta, dimensions),
            magnitude: 1.0,
            long_texts: None,
        }
    }

    /// All positions divided by `factor` (Chen et al. 2023).
    pub fn linear(mut self, factor: f64) -> Self {
        self.frequencies.iter_mut().for_each(|frequency| *frequency /= factor);
        self
    }

    /// Llama 3's scaling: long wavelengths are divided by `factor`, short ones are kept, and those
    /// between are blended (Dubey et al. 2024; `rope_type: llama3` of transformers).
    pub fn llama3(
        mut self,
        factor: f64,
        low_frequency_factor: f64,
        high_frequency_factor: f64,
        original_context: f64,
    ) -> Self {
        for frequency in &mut self.frequencies {
            let wavelength = 2.0 * PI / *frequency;
            let turns = original_context / wavelength;
            if turns < low_frequency_factor {
                *frequency /= factor;
            } else if turns <= high_frequency_factor {
                let blend =
                    (turns - low_frequency_factor) / (high_frequency_factor - low_frequency_factor);
                *frequency *= (1.0 - blend) / factor + blend;
            }
        }
        self
    }

    /// YaRN's scaling of the frequencies of this base (`rope_type: yarn` of transformers).
    pub fn yarn(mut self, theta: f64, yarn: Yarn) -> Self {
        let dimensions = (2 * self.frequencies.len()) as f64;
        // The pair, as a fraction of dimensions, that turns so often in the original context.
        let pair_of = |turns: f64| {
            dimensions * (yarn.original_context / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (pair_of(yarn.beta_fast), pair_of(yarn.beta_slow));
        if yarn.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dimensions - 1.0));
        if low == high {
            high += 0.001;
        }
        for (pair, frequency) in self.frequencies.iter_mut().enumerate() {
            let share = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
            *frequency *= share / yarn.factor + (1.0 - share);
        }
        self
    }

    /// Cosines and sines multiplied by this.
    pub fn magnified(self, magnitude: f64) -> Self {
        Self { magnitude, ..self }
    }

    /// LongRoPE: frequencies are divided by `short`, those of texts of more than `after` tokens by
    /// `long`. Both have one number for each pair.
    pub fn long_rope(mut self, short: &[f64], long: &[f64], after: usize) -> Self {
        let divided = |by: &[f64]| -> Vec<f64> {
            self.frequencies.iter().zip(by).map(|(frequency, by)| frequency / by).collect()
        };
        let (short, long) = (divided(short), divided(long));
        self.frequencies = short;
        self.long_texts = Some(LongTexts { after, by: LongFrequencies::Fixed(long) });
        self
    }

    /// Texts of more than `after` tokens are turned with a larger base, the larger the longer they are.
    pub fn dynamic(self, theta: f64, factor: f64, after: usize) -> Self {
        let by = LongFrequencies::Dynamic { theta, factor };
        Self { long_texts: Some(LongTexts { after, by }), ..self }
    }

    /// Whether all that is known before a text is there is finite.
    pub(crate) fn is_finite(&self) -> bool {
        let of_long = match &self.long_texts {
            Some(LongTexts { by: LongFrequencies::Fixed(frequencies), .. }) => {
                frequencies.as_slice()
            }
            _ => &[],
        };
        let mut all = self.frequencies.iter().chain(of_long).chain([&self.magnitude]);
        all.all(|number| number.is_finite())
    }

    /// The frequencies at which the rows of a text of this many tokens are turned.
    pub fn frequencies_of(&self, length: usize) -> Cow<'_, [f64]> {
        match &self.long_texts {
            Some(LongTexts { after, by }) if length > *after => match by {
                LongFrequencies::Fixed(frequencies) => frequencies.into(),
                LongFrequencies::Dynamic { theta, factor } => {
                    let head_dim = 2 * self.frequencies.len();
                    let dimensions = head_dim as f64;
                    let growth = factor * length as f64 / *after as f64 - (factor - 1.0);
                    let theta = theta * growth.powf(dimensions / (dimensions - 2.0));
                    unscaled(theta, head_dim).into()
                }
            },
            _ => (&self.frequencies).into(),
        }
    }

    /// The length of the shortest text that is turned as one of this length.
    pub(crate) fn equal_length(&self, length: usize) -> usize {
        match &self.long_texts {
            Some(LongTexts { after, by }) if length > *after => match by {
                LongFrequencies::Fixed(_) => after + 1,
                LongFrequencies::Dynamic { .. } => length,
            },
            _ => 1,
        }
    }

    /// The length of the longest text that is turned as one of this length.
    pub(crate) fn longest_like(&self, length: usize) -> usize {
        let Some(LongTexts { after, by }) = &self.long_texts else { return usize::MAX };
        match by {
            _ if length <= *after => *after,
            LongFrequencies::Fixed(_) => usize::MAX,
            LongFrequencies::Dynamic { .. } => length,
        }
    }
}

fn unscaled(theta: f64, head_dim: usize) -> Vec<f64> {
    (0..head_dim / 2).map(|pair| theta.powf(-2.0 * pair as f64 / head_dim as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_equal_where_frequencies_are() {
        let fixed = Rotary::new(1e4, 4).long_rope(&[1.0, 2.0], &[3.0, 4.0], 10);
        assert_eq!([1, 10, 11, 99].map(|length| fixed.equal_length(length)), [1, 1, 11, 11]);
        assert_eq!([1, 10, 11].map(|length| fixed.longest_like(length)), [10, 10, usize::MAX]);
        assert_eq!(*fixed.frequencies_of(10), [1.0, 0.005]);
        assert_eq!(*fixed.frequencies_of(11), [1.0 / 3.0, 0.0025]);
        let dynamic = Rotary::new(1e4, 4).dynamic(1e4, 2.0, 10);
        assert_eq!([1, 10, 11, 99].map(|length| dynamic.equal_length(length)), [1, 1, 11, 99]);
        assert_eq!([1, 10, 11].map(|length| dynamic.longest_like(length)), [10, 10, 11]);
        assert_eq!(*dynamic.frequencies_of(10), [1.0, 0.01]);
        // 2 * 20 / 10 - 1 = 3, to the power of 4 / 2.
        assert!((dynamic.frequencies_of(20)[1] - (9e4f64).powf(-0.5)).abs() < 1e-15);
    }
}
