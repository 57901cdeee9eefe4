//! Rotary position encoding (Su et al. 2021): in each head, two dimensions of a pair turn together, and dimensions
//! from `2 * pairs` on stay as they are.

use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;
use crate::vector::multiply_add;

/// Which two of the dimensions that are rotated turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Dimension `i` and `i + pairs`: most families.
    Halves,
    /// Dimension `2 i` and `2 i + 1`: the paper, and GPT-J.
    Adjacent,
}

/// Cosines and sines of all angles, `[positions, pairs]` each.
#[derive(Clone, Debug)]
pub struct RotaryTable {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    pairs: usize,
    positions: usize,
}

impl RotaryTable {
    /// The angles `position * frequency` for positions `0..positions`, computed in f64;
    /// `frequencies` are radians per position, one for each pair.
    pub fn new(frequencies: &[f64], positions: usize) -> Self {
        let angles = (0..positions).flat_map(|position| {
            frequencies.iter().map(move |frequency| position as f64 * frequency)
        });
        Self::of_angles(angles, frequencies.len(), positions, 1.0)
    }

    /// Any angles, row by row `[positions, pairs]`; cosines and sines are multiplied by `magnitude`.
    ///
    /// # Panics
    ///
    /// If there are not so many angles.
    pub fn of_angles(
        angles: impl Iterator<Item = f64> + Clone,
        pairs: usize,
        positions: usize,
        magnitude: f64,
    ) -> Self {
        let values = |function: fn(f64) -> f64| -> Vec<f32> {
            angles.clone().map(|angle| (magnitude * function(angle)) as f32).collect()
        };
        let (cosines, sines) = (values(f64::cos), values(f64::sin));
        assert_eq!(cosines.len(), positions * pairs, "an angle for each pair of each position");
        Self { cosines, sines, pairs, positions }
    }

    /// Positions in the table.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Pairs of dimensions that are rotated in each head.
    pub fn pairs(&self) -> usize {
        self.pairs
    }
}

/// Rotates each head of each row of `x`, `[rows, heads * head_dim]`, by the angles of the row's
/// position, `[rows]`.
///
/// # Panics
///
/// If the lengths don't fit, a head is narrower than the pairs, or a position isn't in the table.
pub fn rotate(
    x: &mut [f32],
    head_dim: usize,
    positions: &[u32],
    table: &RotaryTable,
    pairing: Pairing,
) {
    if positions.is_empty() {
        assert!(x.is_empty(), "a position for each row");
        return;
    }
    let width = x.len() / positions.len();
    assert_eq!(x.len(), positions.len() * width, "a position for each row");
    assert!(head_dim > 0 && width.is_multiple_of(head_dim), "rows are [heads * {head_dim}]");
    assert!(2 * table.pairs <= head_dim, "{} pairs in {head_dim} dimensions", table.pairs);
    for &position in positions {
        assert!(
            (position as usize) < table.positions,
            "position {position} of {}",
            table.positions
        );
    }
    if width == 0 || table.pairs == 0 {
        return;
    }
    for_each_stretch(x, width, 2, |first, x| {
        for (row, x) in x.chunks_exact_mut(width).enumerate() {
            let start = positions[first + row] as usize * table.pairs;
            let cosines = &table.cosines[start..][..table.pairs];
            let sines = &table.sines[start..][..table.pairs];
            match pairing {
                Pairing::Halves => rotate_halves(x, head_dim, cosines, sines),
                Pairing::Adjacent => rotate_adjacent(x, head_dim, cosines, sines),
            }
        }
    });
}

for_each_instruction_set! {
    fn rotate_halves<FUSED>(x: &mut [f32], head_dim: usize, cosines: &[f32], sines: &[f32]) {
        for head in x.chunks_exact_mut(head_dim) {
            let (first, second) = head.split_at_mut(cosines.len());
            for (((a, b), &cosine), &sine) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
                let (x, y) = (*a, *b);
                *a = multiply_add::<FUSED>(x, cosine, -(y * sine));
                *b = multiply_add::<FUSED>(y, cosine, x * sine);
            }
        }
    }
}

for_each_instruction_set! {
    fn rotate_adjacent<FUSED>(x: &mut [f32], head_dim: usize, cosines: &[f32], sines: &[f32]) {
        for head in x.chunks_exact_mut(head_dim) {
            for ((pair, &cosine), &sine) in head.chunks_exact_mut(2).zip(cosines).zip(sines) {
                let (x, y) = (pair[0], pair[1]);
                pair[0] = multiply_add::<FUSED>(x, cosine, -(y * sine));
                pair[1] = multiply_add::<FUSED>(y, cosine, x * sine);
            }
        }
    }
}
