//! Dot products of queries and keys.
//!
//! A register holds dimensions of one head, so that rows are read where they are. Sixteen sums
//! are kept at a time, of one, two or four queries with sixteen, eight or four keys, and folded
//! together at the end. Each sum is folded the same way, wherever it stands among the sixteen.

use crate::vector::Vector;

/// Sums kept at a time.
pub(super) const SUMS: usize = 16;

/// The dot products of `QUERIES` queries with keys, each query's to its own row of `scores`.
///
/// # Safety
///
/// The processor has the instructions of `V`. Each query and each key `base + offset` has `width`
/// floats. There are a multiple of `SUMS / QUERIES` offsets, and as many places in each row of
/// `scores`.
#[inline(always)]
pub(super) unsafe fn dots<V: Vector, const QUERIES: usize>(
    queries: [*const f32; QUERIES],
    base: *const f32,
    offsets: &[usize],
    width: usize,
    scores: [*mut f32; QUERIES],
) {
    let keys = const { SUMS / QUERIES };
    for (block, offsets) in offsets.chunks_exact(keys).enumerate() {
        // SAFETY: the offsets are those of keys, and `keys` of them are left.
        unsafe {
            let mut pointers = [base; SUMS];
            for (pointer, &offset) in pointers.iter_mut().zip(offsets) {
                *pointer = base.add(offset);
            }
            let mut sums = [V::splat(0.0); SUMS];
            let whole = width - width % V::LANES;
            let mut dimension = 0;
            while dimension < whole {
                let mut parts = [V::splat(0.0); QUERIES];
                for (part, query) in parts.iter_mut().zip(queries) {
                    *part = V::load(query.add(dimension));
                }
                for key in 0..keys {
                    let key_part = V::load(pointers[key].add(dimension));
                    for query in 0..QUERIES {
                        let sum = &mut sums[query * keys + key];
                        *sum = parts[query].multiply_add(key_part, *sum);
                    }
                }
                dimension += V::LANES;
            }
            if whole < width {
                let left = width - whole;
                let mut parts = [V::splat(0.0); QUERIES];
                for (part, query) in parts.iter_mut().zip(queries) {
                    *part = V::load_first(query.add(whole), left);
                }
                for key in 0..keys {
                    let key_part = V::load_first(pointers[key].add(whole), left);
                    for query in 0..QUERIES {
                        let sum = &mut sums[query * keys + key];
                        *sum = parts[query].multiply_add(key_part, *sum);
                    }
                }
            }
            let totals = V::fold(sums);
            for (query, scores) in scores.iter().enumerate() {
                for key in 0..keys {
                    *scores.add(block * keys + key) = totals[query * keys + key];
                }
            }
        }
    }
}
