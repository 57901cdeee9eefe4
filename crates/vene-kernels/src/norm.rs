//! Layer and root-mean-square normalisation of rows.
//!
//! The weight's width says what is normed by itself: a whole row, or each head in it (the norms of
//! queries and keys). Sums are kept in sixteen lanes, so that they are the same on every processor.

use crate::exponential::{LANES, sum_of_lanes};
use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;
use crate::vector::multiply_add;

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` (Ba et al. 2016) of each stretch of
/// `weight.len()` numbers. `x` and `out` are `[rows, n * weight.len()]`.
///
/// # Panics
///
/// If the lengths don't fit.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, epsilon: f32, out: &mut [f32]) {
    assert!(bias.is_none_or(|bias| bias.len() == weight.len()), "bias and weight");
    for_each_normed(x, weight, out, |_, x, out| layer(x, weight, bias, epsilon, out));
}

/// `x / sqrt(mean of squares + epsilon) * weight` (Zhang and Sennrich 2019) of each stretch of
/// `weight.len()` numbers. `x` and `out` are `[rows, n * weight.len()]`; a family that stores its
/// weight as the difference from 1 has it added already.
///
/// # Panics
///
/// If the lengths don't fit.
pub fn root_mean_square_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    for_each_normed(x, weight, out, |_, x, out| root_mean_square(x, weight, epsilon, out));
}

/// Calls `norm` with whole stretches of `x` and of `out`, and where in them they begin.
pub(crate) fn for_each_normed(
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
    norm: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) {
    let width = weight.len();
    assert!(width > 0, "a norm of nothing");
    assert!(x.len().is_multiple_of(width), "x is [rows, n * {width}]");
    assert_eq!(x.len(), out.len(), "x and out");
    for_each_stretch(out, width, 2, |first, out| {
        norm(first * width, &x[first * width..][..out.len()], out);
    });
}

for_each_instruction_set! {
    fn layer<FUSED>(
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        epsilon: f32,
        out: &mut [f32],
    ) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean = sum(x, |x| x) / width as f32;
            let variance = sum(x, |x| (x - mean) * (x - mean)) / width as f32;
            let factor = 1.0 / (variance + epsilon).sqrt();
            match bias {
                Some(bias) => {
                    for (((out, &x), &weight), &bias) in out.iter_mut().zip(x).zip(weight).zip(bias)
                    {
                        *out = multiply_add::<FUSED>((x - mean) * factor, weight, bias);
                    }
                }
                None => {
                    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
                        *out = (x - mean) * factor * weight;
                    }
                }
            }
        }
    }
}

for_each_instruction_set! {
    fn root_mean_square<FUSED>(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean_square = sum(x, |x| x * x) / width as f32;
            let factor = 1.0 / (mean_square + epsilon).sqrt();
            for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * factor * weight;
            }
        }
    }
}

/// The sum of `term` over `values`, in lanes.
#[inline(always)]
pub(crate) fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += term(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += term(value);
    }
    sum_of_lanes(lanes)
}

/// The sum of `term` over pairs of two slices of one length, in lanes.
#[inline(always)]
pub(crate) fn sum_of_products(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += term(a, b);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += term(a, b);
    }
    sum_of_lanes(lanes)
}
