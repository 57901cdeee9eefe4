//! One unit of attention: some queries of one path, for some key-value heads.
//!
//! Queries (each query's heads of a group, then the next query's) go in tiles of up to four, which
//! read keys and values together. What a tile's queries don't all see is done for each by
//! itself: nothing that a query may not see is ever multiplied, not even by 0.

use std::ops::Range;

use super::dot::{SUMS, dots};
use super::mix::mix;
use super::softmax::softmax;
use super::{Path, Shape, visible};
use crate::buffer::AlignedBuffer;
use crate::exponential::LANES;
use crate::instructions::InstructionSet;
use crate::parallel::Shared;
#[cfg(target_arch = "x86_64")]
use crate::vector::{Avx2, Avx512};
use crate::vector::{NATIVELY_FUSED, Portable, Vector};

/// Queries of a tile.
const TILE: usize = 4;

/// Queries from which on keys and values are copied together first: rows lie a page apart, and each
/// would be looked up anew for every tile.
const PACKED: usize = 12;

/// The arguments of the attention, all checked.
pub(super) struct Job<'a> {
    pub queries: &'a [f32],
    pub keys: &'a [f32],
    pub values: &'a [f32],
    pub shape: &'a Shape<'a>,
    pub window: Option<usize>,
    pub out: Shared<'a, f32>,
}

/// What a thread needs besides.
#[derive(Default)]
pub(super) struct Scratch {
    /// Where each position's row lies.
    offsets: Vec<usize>,
    /// Where it lies once copied together.
    packed_offsets: Vec<usize>,
    /// Keys and values of one head, position after position.
    keys: AlignedBuffer,
    values: AlignedBuffer,
    /// Scores, then weights, of a tile.
    scores: AlignedBuffer,
    askers: Vec<Asker>,
}

/// One query of one head, and which positions of the unit it sees.
#[derive(Clone, Copy)]
struct Asker {
    head: usize,
    query: *const f32,
    out: *mut f32,
    start: usize,
    end: usize,
}

/// Keys and values of one head: position `p`'s are at `offsets[p]`. Behind the last position there
/// are `SUMS - 1` more offsets of some key, so that dot products need no tail.
#[derive(Clone, Copy)]
struct Rows<'a> {
    /// The position in the run from which positions count here.
    first: usize,
    keys: *const f32,
    values: *const f32,
    offsets: &'a [usize],
}

/// Attends on this thread: writes the rows of `out` that the path's queries name, in the heads of
/// the groups.
pub(super) fn run(job: &Job<'_>, path: &Path<'_>, heads: Range<usize>, scratch: &mut Scratch) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    fn avx512(job: &Job<'_>, path: &Path<'_>, heads: Range<usize>, scratch: &mut Scratch) {
        // SAFETY: the instructions are enabled here.
        unsafe { unit::<Avx512, 4, true>(job, path, heads, scratch) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(job: &Job<'_>, path: &Path<'_>, heads: Range<usize>, scratch: &mut Scratch) {
        // SAFETY: the instructions are enabled here.
        unsafe { unit::<Avx2, 2, true>(job, path, heads, scratch) }
    }
    match InstructionSet::detect() {
        // SAFETY: the instructions were just found.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { avx512(job, path, heads, scratch) },
        // SAFETY: likewise.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { avx2(job, path, heads, scratch) },
        // SAFETY: needs no instructions.
        _ => unsafe { unit::<Portable, 2, NATIVELY_FUSED>(job, path, heads, scratch) },
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn unit<V: Vector, const VECTORS: usize, const FUSED: bool>(
    job: &Job<'_>,
    path: &Path<'_>,
    heads: Range<usize>,
    scratch: &mut Scratch,
) {
    let Shape { heads: query_heads, key_value_heads, head_dim, .. } = *job.shape;
    let group = query_heads / key_value_heads;
    let (Some(first), Some(last)) = (path.queries.first(), path.queries.last()) else { return };
    // All that these queries see; positions count from its start.
    let span = visible(first, job.window).start..last.position as usize + 1;
    let width = key_value_heads * head_dim;
    scratch.offsets.clear();
    scratch.offsets.extend(path.rows[span.clone()].iter().map(|&row| row as usize * width));
    let pack = path.queries.len() * group >= PACKED;
    if pack {
        scratch.packed_offsets.clear();
        scratch.packed_offsets.extend((0..span.len()).map(|position| position * head_dim));
        scratch.packed_offsets.extend([0; SUMS - 1]);
    }
    scratch.offsets.extend([scratch.offsets[0]; SUMS - 1]);
    // Room for the dot products' last block, or for the padding of the softmax's.
    let stride = span.len() + SUMS.max(LANES);
    scratch.scores.resize(TILE * stride);
    for head in heads {
        let (keys, values) = (&job.keys[head * head_dim..], &job.values[head * head_dim..]);
        let mut rows = Rows {
            first: span.start,
            keys: keys.as_ptr(),
            values: values.as_ptr(),
            offsets: &scratch.offsets,
        };
        if pack {
            let offsets = &scratch.offsets[..span.len()];
            gather(&mut scratch.keys, keys, offsets, head_dim);
            gather(&mut scratch.values, values, offsets, head_dim);
            rows.keys = scratch.keys.as_ptr();
            rows.values = scratch.values.as_ptr();
            rows.offsets = &scratch.packed_offsets;
        }
        scratch.askers.clear();
        for query in path.queries {
            let sees = visible(query, job.window);
            for head in head * group..(head + 1) * group {
                let row = (query.row as usize * query_heads + head) * head_dim;
                scratch.askers.push(Asker {
                    head,
                    query: job.queries[row..].as_ptr(),
                    out: job.out.at(row),
                    start: sees.start - span.start,
                    end: sees.end - span.start,
                });
            }
        }
        for tile in scratch.askers.chunks(TILE) {
            let scores = scratch.scores.as_mut_ptr();
            // SAFETY: rows were checked against keys, values and output; tasks have different
            // queries or heads, so nobody else writes these outputs; there are `TILE` rows of
            // scores.
            unsafe {
                match *tile {
                    [a] => {
                        attend::<V, 1, 1, VECTORS, FUSED>(job.shape, rows, [a], [a], scores, stride)
                    }
                    [a, b] => attend::<V, 2, 2, VECTORS, FUSED>(
                        job.shape,
                        rows,
                        [a, b],
                        [a, b],
                        scores,
                        stride,
                    ),
                    [a, b, c] => attend::<V, 3, 4, VECTORS, FUSED>(
                        job.shape,
                        rows,
                        [a, b, c],
                        [a, b, c, c],
                        scores,
                        stride,
                    ),
                    [a, b, c, d, ..] => attend::<V, 4, 4, VECTORS, FUSED>(
                        job.shape,
                        rows,
                        [a, b, c, d],
                        [a, b, c, d],
                        scores,
                        stride,
                    ),
                    [] => {}
                }
            }
        }
    }
}

/// Copies the first `width` floats at each offset behind each other.
fn gather(packed: &mut AlignedBuffer, from: &[f32], offsets: &[usize], width: usize) {
    packed.resize(offsets.len() * width);
    for (packed, &offset) in packed.chunks_exact_mut(width).zip(offsets) {
        packed.copy_from_slice(&from[offset..][..width]);
    }
}

/// One tile. `filled` are the same queries, the last one repeated so that their number divides
/// the dot products' sixteen sums.
///
/// # Safety
///
/// The processor has the instructions of `V`; the pointers are good for their heads' width;
/// `scores` has `TILE` rows of `stride`, which is what the positions need and `SUMS` or `LANES`
/// more.
#[inline(always)]
unsafe fn attend<
    V: Vector,
    const QUERIES: usize,
    const FILLED: usize,
    const VECTORS: usize,
    const FUSED: bool,
>(
    shape: &Shape<'_>,
    rows: Rows<'_>,
    askers: [Asker; QUERIES],
    filled: [Asker; FILLED],
    scores: *mut f32,
    stride: usize,
) {
    let width = shape.head_dim;
    // Positions ascend, so the first query sees the earliest key and the last one the latest.
    let start = askers[0].start;
    let all = start..askers[QUERIES - 1].end;
    let blocks = all.len().next_multiple_of(SUMS / FILLED);
    // SAFETY: `all` has at most `stride - SUMS` positions; a query's own are among them.
    unsafe {
        let scores: [*mut f32; FILLED] = std::array::from_fn(|row| scores.add(row * stride));
        let queries = filled.map(|asker| asker.query);
        dots::<V, FILLED>(queries, rows.keys, &rows.offsets[start..][..blocks], width, scores);
        let mut factors = [0.0; QUERIES];
        for ((asker, &scores), factor) in askers.iter().zip(&scores).zip(&mut factors) {
            let own = scores.add(asker.start - start);
            let (length, first) = (asker.end - asker.start, rows.first + asker.start);
            *factor = 1.0 / softmax::<FUSED>(own, length, shape, asker.head, first);
        }
        let out = askers.map(|asker| asker.out);
        let common = askers[QUERIES - 1].start..askers[0].end;
        if common == all {
            let weights = std::array::from_fn(|query| scores[query].cast_const());
            let offsets = &rows.offsets[common];
            mix::<V, QUERIES, VECTORS, true>(weights, rows.values, offsets, width, factors, out);
            return;
        }
        // Before and behind what they all see, each goes by itself.
        let common = common.start..common.end.max(common.start);
        for (&asker, &weights) in askers.iter().zip(&scores) {
            std::slice::from_raw_parts_mut(asker.out, width).fill(0.0);
            let before = Asker { end: common.start.min(asker.end), ..asker };
            mix_one::<V, VECTORS>(rows, before, 1.0, weights.add(asker.start - start), width);
        }
        let weights = std::array::from_fn(|query| {
            scores[query].wrapping_add(common.start - start).cast_const()
        });
        let offsets = &rows.offsets[common.clone()];
        mix::<V, QUERIES, VECTORS, false>(
            weights,
            rows.values,
            offsets,
            width,
            [1.0; QUERIES],
            out,
        );
        for ((&asker, &weights), factor) in askers.iter().zip(&scores).zip(factors) {
            let first = common.end.min(asker.end).max(asker.start);
            let behind = Asker { start: first, ..asker };
            mix_one::<V, VECTORS>(rows, behind, factor, weights.add(first - start), width);
        }
    }
}

/// # Safety
///
/// As for [`attend`].
#[inline(always)]
unsafe fn mix_one<V: Vector, const VECTORS: usize>(
    rows: Rows<'_>,
    asker: Asker,
    factor: f32,
    weights: *const f32,
    width: usize,
) {
    let offsets = &rows.offsets[asker.start..asker.end];
    // SAFETY: the caller's.
    unsafe {
        mix::<V, 1, VECTORS, false>([weights], rows.values, offsets, width, [factor], [asker.out]);
    }
}
