//! Random numbers that are the same on every machine and with every version of vene's
//! dependencies: a data set that a seed names must be the same one next year.
//!
//! So the algorithm has a name (ChaCha with 8 rounds), and nothing but its raw output is used.

use std::collections::HashMap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// A stream of random numbers.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `bound` (which is not 0), each as likely as the others.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The last numbers of 64 bits that fill no whole `bound` would favour small results.
        let last = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let number = self.0.next_u64();
            if number <= last {
                return number % bound;
            }
        }
    }

    /// [`Dice::below`] for an index.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}

/// The numbers from 0 up to a bound in random order, each once.
///
/// It is the shuffle of Fisher and Yates, which keeps no more of the list than what was moved: the
/// first hundred of 10^14 numbers cost a hundred steps.
pub(super) struct Shuffle {
    left: u64,
    moved: HashMap<u64, u64>,
}

impl Shuffle {
    pub fn new(bound: u64) -> Self {
        Self { left: bound, moved: HashMap::new() }
    }

    /// The next one, or `None` when all have been given.
    pub fn next(&mut self, dice: &mut Dice) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        let at = dice.below(self.left);
        self.left -= 1;
        let last = self.moved.remove(&self.left).unwrap_or(self.left);
        Some(if at == self.left { last } else { self.moved.insert(at, last).unwrap_or(at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned, and computed by a ChaCha8 written in Python from its specification: other numbers
    /// here would make other data sets of old seeds.
    #[test]
    fn the_numbers_are_those_of_always() {
        let mut dice = Dice::new(1);
        let drawn: Vec<u64> = (0..8).map(|_| dice.below(1000)).collect();
        assert_eq!(drawn, [407, 230, 458, 594, 360, 526, 700, 210]);
        let mut dice = Dice::new(1);
        let mut shuffle = Shuffle::new(100_000_000_000_000);
        let drawn: Vec<_> = (0..3).map(|_| shuffle.next(&mut dice)).collect();
        let expected = [37_572_835_827_407, 48_899_038_173_634, 91_807_200_227_960];
        assert_eq!(drawn, expected.map(Some));
    }

    #[test]
    fn a_shuffle_gives_each_number_once() {
        let mut dice = Dice::new(7);
        let mut shuffle = Shuffle::new(500);
        let mut drawn: Vec<u64> = std::iter::from_fn(|| shuffle.next(&mut dice)).collect();
        assert_ne!(drawn[..5], [0, 1, 2, 3, 4]);
        drawn.sort_unstable();
        assert_eq!(drawn, (0..500).collect::<Vec<_>>());
        assert!(shuffle.next(&mut dice).is_none());
    }

    /// Each of 7 numbers is drawn first about as often: 7000 draws, standard deviation 29.
    #[test]
    fn no_number_is_favoured() {
        let mut counts = [0_i32; 7];
        for seed in 0..7000 {
            if let Some(first) = Shuffle::new(7).next(&mut Dice::new(seed)) {
                counts[first as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| (count - 1000).abs() < 150), "{counts:?}");
    }
}
