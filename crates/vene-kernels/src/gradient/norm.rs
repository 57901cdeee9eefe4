//! Gradients of norms.

use crate::instructions::for_each_instruction_set;
use crate::norm::{for_each_normed, sum, sum_of_products};

/// The gradient of [`layer_norm`](crate::layer_norm)'s `x` from that of its result, `[rows, n * weight.len()]`
/// each: with `h = weight * gradient` and `x' = (x - mean) / deviation`,
/// `(h - mean(h) - x' mean(h x')) / deviation`.
///
/// # Panics
///
/// If the lengths don't fit.
pub fn layer_norm_gradient(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    gradient: &[f32],
    out: &mut [f32],
) {
    assert_eq!(x.len(), gradient.len(), "x and the gradient of its norm");
    for_each_normed(x, weight, out, |first, x, out| {
        layer(x, weight, epsilon, &gradient[first..][..x.len()], out);
    });
}

/// The gradient of [`root_mean_square_norm`](crate::root_mean_square_norm)'s `x` from that of its result: with
/// `h = weight * gradient` and `x' = x / scale`, `(h - x' mean(h x')) / scale`.
///
/// # Panics
///
/// If the lengths don't fit.
pub fn root_mean_square_norm_gradient(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    gradient: &[f32],
    out: &mut [f32],
) {
    assert_eq!(x.len(), gradient.len(), "x and the gradient of its norm");
    for_each_normed(x, weight, out, |first, x, out| {
        root_mean_square(x, weight, epsilon, &gradient[first..][..x.len()], out);
    });
}

for_each_instruction_set! {
    fn layer<FUSED>(
        x: &[f32],
        weight: &[f32],
        epsilon: f32,
        gradient: &[f32],
        out: &mut [f32],
    ) {
        let width = weight.len();
        let all = x.chunks_exact(width).zip(gradient.chunks_exact(width));
        for ((x, gradient), out) in all.zip(out.chunks_exact_mut(width)) {
            let count = width as f32;
            let mean = sum(x, |x| x) / count;
            let variance = sum(x, |x| (x - mean) * (x - mean)) / count;
            let factor = 1.0 / (variance + epsilon).sqrt();
            for ((out, &weight), &gradient) in out.iter_mut().zip(weight).zip(gradient) {
                *out = weight * gradient;
            }
            let mean_of_gradient = sum(out, |h| h) / count;
            let along = sum_of_products(out, x, |h, x| h * ((x - mean) * factor)) / count;
            for (out, &x) in out.iter_mut().zip(x) {
                *out = (*out - mean_of_gradient - (x - mean) * factor * along) * factor;
            }
        }
    }
}

for_each_instruction_set! {
    fn root_mean_square<FUSED>(
        x: &[f32],
        weight: &[f32],
        epsilon: f32,
        gradient: &[f32],
        out: &mut [f32],
    ) {
        let width = weight.len();
        let all = x.chunks_exact(width).zip(gradient.chunks_exact(width));
        for ((x, gradient), out) in all.zip(out.chunks_exact_mut(width)) {
            let count = width as f32;
            let mean_square = sum(x, |x| x * x) / count;
            let factor = 1.0 / (mean_square + epsilon).sqrt();
            for ((out, &weight), &gradient) in out.iter_mut().zip(weight).zip(gradient) {
                *out = weight * gradient;
            }
            let along = sum_of_products(out, x, |h, x| h * (x * factor)) / count;
            for (out, &x) in out.iter_mut().zip(x) {
                *out = (*out - x * factor * along) * factor;
            }
        }
    }
}
