//! Dot products of queries and keys.
//!
//! A register holds dimensions of one head, so that rows are read where they are. Sixteen sums
//! are kept at a time, of one, two or four queries with sixteen, eight or four keys, and folded
//! together at the end. Each sum is folded the same way, wherever it stands among the sixteen.

use crate::vector::Vector;

/// Sums kept at a time.
pub(super) const SUMS: usize = 16;

/// The dot products of `QUERIES` queries with keys `first..end` of a path, each query's to its own row of
/// `scores`, from the row's beginning on.
///
/// # Safety
///
/// The processor has the instructions of `V`. Each query and each key `base + offsets[position]` has
/// `width` floats. Rows of `scores` have room for the keys rounded up to a multiple of `SUMS`.
#[inline(always)]
pub(super) unsafe fn dots<V: Vector, const QUERIES: usize>(
    queries: [*const f32; QUERIES],
    base: *const f32,
    offsets: &[usize],
    width: usize,
    scores: [*mut f32; QUERIES],
) {
    let keys = SUMS / QUERIES;
    for (block, offsets) in offsets.chunks(keys).enumerate() {
        // SAFETY: the offsets are those of keys; where a block is not full its last key stands
        // in for those that are missing, and their scores land behind the others.
        unsafe {
            let pointers: [*const f32; SUMS] = std::array::from_fn(|key| {
                base.wrapping_add(offsets[(key % keys).min(offsets.len() - 1)])
            });
            let mut sums = [V::splat(0.0); SUMS];
            let whole = width - width % V::LANES;
            let mut dimension = 0;
            while dimension < whole {
                let queries = queries.map(|query| V::load(query.add(dimension)));
                for key in 0..keys {
                    let key_part = V::load(pointers[key].add(dimension));
                    for query in 0..QUERIES {
                        let sum = &mut sums[query * keys + key];
                        *sum = queries[query].multiply_add(key_part, *sum);
                    }
                }
                dimension += V::LANES;
            }
            if whole < width {
                let left = width - whole;
                let queries = queries.map(|query| V::load_first(query.add(whole), left));
                for key in 0..keys {
                    let key_part = V::load_first(pointers[key].add(whole), left);
                    for query in 0..QUERIES {
                        let sum = &mut sums[query * keys + key];
                        *sum = queries[query].multiply_add(key_part, *sum);
                    }
                }
            }
            let totals = V::fold(sums);
            for (query, scores) in scores.iter().enumerate() {
                let totals = totals[query * keys..][..keys].as_ptr();
                scores.add(block * keys).copy_from_nonoverlapping(totals, keys);
            }
        }
    }
}
