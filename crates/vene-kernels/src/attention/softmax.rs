//! From scores to weights, but for the division by their sum, which the mixture gets at its end.

use super::Shape;
use crate::exponential::{LANES, exp, exponentials, larger, largest, soft_cap};

/// Scales and caps `length` scores, the last of which is that of the query's own position, lets them fall with the distance,
/// replaces them by `e^(score - largest)` and gives their sum, in which the head's sink counts. What lies behind them, up
/// to a multiple of `LANES`, is overwritten. `first` is the position of the first key.
///
/// # Safety
///
/// There are `length` scores and room for `LANES` more.
#[inline(always)]
pub(super) unsafe fn softmax<const FUSED: bool>(
    scores: *mut f32,
    length: usize,
    shape: &Shape<'_>,
    head: usize,
    first: usize,
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
    if let Some(slopes) = shape.slopes {
        slopes.add(head, first, &mut scores.as_flattened_mut()[..length]);
    }
    if let Some(last) = scores.last_mut() {
        let used = length - (chunks - 1) * LANES;
        for (lane, score) in last.iter_mut().enumerate() {
            *score = if lane < used { *score } else { f32::NEG_INFINITY };
        }
    }
    let top = largest(scores);
    match shape.sinks {
        None => exponentials::<FUSED>(scores, top),
        Some(sinks) => {
            let top = larger(sinks[head], top);
            exponentials::<FUSED>(scores, top) + exp::<FUSED>(sinks[head] - top)
        }
    }
}
