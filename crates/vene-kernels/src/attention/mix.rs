//! The weighted sum of values.

use crate::vector::Vector;

/// Adds `weight * value` for each of the positions to the mixtures of `QUERIES` queries, position after
/// position, in registers of `VECTORS * V::LANES` dimensions.
///
/// # Safety
///
/// The processor has the instructions of `V`. Each value `base + offsets[position]` and each mixture has
/// `width` floats, each row of weights as many as there are offsets.
#[inline(always)]
pub(super) unsafe fn mix<V: Vector, const QUERIES: usize, const VECTORS: usize>(
    weights: [*const f32; QUERIES],
    base: *const f32,
    offsets: &[usize],
    width: usize,
    mixtures: [*mut f32; QUERIES],
) {
    let step = VECTORS * V::LANES;
    let mut dimension = 0;
    // SAFETY: only dimensions below `width` are touched.
    unsafe {
        while dimension + step <= width {
            let mut sums = mixtures.map(|mixture| {
                std::array::from_fn::<V, VECTORS, _>(|vector| {
                    V::load(mixture.add(dimension + vector * V::LANES))
                })
            });
            for (position, &offset) in offsets.iter().enumerate() {
                let value = base.add(offset + dimension);
                let value: [V; VECTORS] =
                    std::array::from_fn(|vector| V::load(value.add(vector * V::LANES)));
                for query in 0..QUERIES {
                    let weight = V::splat(*weights[query].add(position));
                    for vector in 0..VECTORS {
                        let sum = &mut sums[query][vector];
                        *sum = weight.multiply_add(value[vector], *sum);
                    }
                }
            }
            for (sums, mixture) in sums.into_iter().zip(mixtures) {
                for (vector, sum) in sums.into_iter().enumerate() {
                    sum.store(mixture.add(dimension + vector * V::LANES));
                }
            }
            dimension += step;
        }
        while dimension < width {
            let left = width - dimension;
            let mut sums = mixtures.map(|mixture| V::load_first(mixture.add(dimension), left));
            for (position, &offset) in offsets.iter().enumerate() {
                let value = V::load_first(base.add(offset + dimension), left);
                for query in 0..QUERIES {
                    let weight = V::splat(*weights[query].add(position));
                    sums[query] = weight.multiply_add(value, sums[query]);
                }
            }
            for query in 0..QUERIES {
                sums[query].store_first(mixtures[query].add(dimension), left);
            }
            dimension += V::LANES;
        }
    }
}
