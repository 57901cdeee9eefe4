//! The weighted sum of values.
//!
//! Loops here are plain ones: closures (`array::map`) are not always inlined into the kernel, and
//! vectors that cross a call cost more than all the rest.

use crate::vector::Vector;

/// Adds `weight * value` for each of the positions to the mixtures of `QUERIES` queries (to nothing
/// where they are `fresh`), position after position, and multiplies what comes out by `factors`.
/// Goes by `VECTORS * V::LANES` dimensions.
///
/// # Safety
///
/// The processor has the instructions of `V`. Each value `base + offsets[position]` and each
/// mixture has `width` floats, each row of weights as many as there are offsets.
#[inline(always)]
pub(super) unsafe fn mix<
    V: Vector,
    const QUERIES: usize,
    const VECTORS: usize,
    const FRESH: bool,
>(
    weights: [*const f32; QUERIES],
    base: *const f32,
    offsets: &[usize],
    width: usize,
    factors: [f32; QUERIES],
    mixtures: [*mut f32; QUERIES],
) {
    let step = VECTORS * V::LANES;
    let mut dimension = 0;
    // SAFETY: only dimensions below `width` are touched.
    unsafe {
        while dimension + step <= width {
            let mut sums = [[V::splat(0.0); VECTORS]; QUERIES];
            if !FRESH {
                for (sums, mixture) in sums.iter_mut().zip(mixtures) {
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(mixture.add(dimension + vector * V::LANES));
                    }
                }
            }
            for (position, &offset) in offsets.iter().enumerate() {
                let value = base.add(offset + dimension);
                let mut values = [V::splat(0.0); VECTORS];
                for (vector, values) in values.iter_mut().enumerate() {
                    *values = V::load(value.add(vector * V::LANES));
                }
                for (sums, weights) in sums.iter_mut().zip(weights) {
                    let weight = V::splat(*weights.add(position));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = weight.multiply_add(value, *sum);
                    }
                }
            }
            for ((sums, mixture), factor) in sums.into_iter().zip(mixtures).zip(factors) {
                for (vector, sum) in sums.into_iter().enumerate() {
                    let sum = sum.multiply(V::splat(factor));
                    sum.store(mixture.add(dimension + vector * V::LANES));
                }
            }
            dimension += step;
        }
        while dimension < width {
            let left = width - dimension;
            let mut sums = [V::splat(0.0); QUERIES];
            if !FRESH {
                for (sum, mixture) in sums.iter_mut().zip(mixtures) {
                    *sum = V::load_first(mixture.add(dimension), left);
                }
            }
            for (position, &offset) in offsets.iter().enumerate() {
                let value = V::load_first(base.add(offset + dimension), left);
                for query in 0..QUERIES {
                    let weight = V::splat(*weights[query].add(position));
                    sums[query] = weight.multiply_add(value, sums[query]);
                }
            }
            for query in 0..QUERIES {
                let sum = sums[query].multiply(V::splat(factors[query]));
                sum.store_first(mixtures[query].add(dimension), left);
            }
            dimension += V::LANES;
        }
    }
}
