//! Random numbers that depend on their key alone: not on order, batch, chunk or machine.
//!
//! SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") over the numbers
//! of a key in turn; normal draws are made of its next two outputs by the Box–Muller transform.

/// One draw from N(0, 1), a function of the four numbers.
pub fn standard_normal(key: [u64; 4]) -> f64 {
    let mut state = key.into_iter().fold(0, |state, part| split_mix(state ^ part).1);
    let mut uniform = || {
        let (next, output) = split_mix(state);
        state = next;
        // 53 bits, shifted off 0 so that its logarithm is finite.
        ((output >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let (radius, angle) = (uniform(), uniform());
    (-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
}

/// The seed of draws in a layer at some distance from the one that a seed is for: in that layer itself the
/// seed is as it was given.
pub fn seed_at(seed: u64, distance: i64) -> u64 {
    if distance == 0 { seed } else { Draws::new([seed, distance as u64]).bits() }
}

/// SplitMix64: the next state and its output.
fn split_mix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut output = state;
    output = (output ^ (output >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    output = (output ^ (output >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state, output ^ (output >> 31))
}

/// Draws one after the other from a key.
pub struct Draws(u64);

impl Draws {
    /// Draws that depend on these numbers alone.
    pub fn new(key: impl IntoIterator<Item = u64>) -> Self {
        Self(key.into_iter().fold(0, |state, part| split_mix(state ^ part).1))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let (next, output) = split_mix(self.0);
        self.0 = next;
        output
    }

    /// A number from 0 on and below 1, one of 2^53 that are equally likely.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `end`, which is not 0; all are equally likely but for one part in 2^32.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// The numbers below `end` in an order of which all are about equally likely (Fisher and Yates).
    pub fn order(&mut self, end: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..end).collect();
        for place in (1..end).rev() {
            order.swap(place, self.below(place + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_mean_0_and_variance_1() {
        let draws: Vec<f64> =
            (0..40_000).map(|column| standard_normal([7, 0, 3, column])).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn every_number_below_the_end_is_drawn_about_equally_often() {
        let mut draws = Draws::new([3, 4]);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[draws.below(5)] += 1;
        }
        assert!(counts.iter().all(|&count| (1_850..2_150).contains(&count)), "{counts:?}");
    }
}
