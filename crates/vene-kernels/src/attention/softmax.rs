//! From scores to weights, but for the division by their sum, which the mixture gets at its end.

use super::Shape;
use crate::exponential::{LANES, exponentials, largest, soft_cap};

/// Scales and caps `length` scores, replaces them by `e^(score - largest)` and gives their sum.
/// What lies behind them, up to a multiple of `LANES`, is overwritten.
///
/// # Safety
///
/// There are `length` scores and room for `LANES` more.
#[inline(always)]
pub(super) unsafe fn softmax<const FUSED: bool>(
    scores: *mut f32,
    length: usize,
    shape: &Shape,
) -> f32 {
    let chunks = length.div_ceil(LANES);
    // SAFETY: the caller's promise.
    let scores = unsafe { std::slice::from_raw_parts_mut(scores.cast::<[f32; LANES]>(), chunks) };
    for score in scores.as_flattened_mut() {
        *score *= shape.score_scale;
    }
    if let Some(cap) = shape.soft_cap {
        for score in scores.as_flattened_mut() {
            *score = soft_cap::<FUSED>(*score, cap);
        }
    }
    if let Some(last) = scores.last_mut() {
        let used = length - (chunks - 1) * LANES;
        for (lane, score) in last.iter_mut().enumerate() {
            *score = if lane < used { *score } else { f32::NEG_INFINITY };
        }
    }
    let top = largest(scores);
    exponentials::<FUSED>(scores, top)
}
