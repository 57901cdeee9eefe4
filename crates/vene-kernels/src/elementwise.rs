//! Element-by-element operations on rows, threaded where there is enough to do.

use crate::exponential;
use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;

for_each_instruction_set! {
    /// `x := cap * tanh(x / cap)` on this thread.
    pub(crate) fn soft_cap_here<FUSED>(x: &mut [f32], cap: f32) {
        for x in x {
            *x = exponential::soft_cap::<FUSED>(*x, cap);
        }
    }
}

/// `x := cap * tanh(x / cap)`.
pub fn soft_cap(x: &mut [f32], cap: f32) {
    for_each_stretch(x, 1, 8, |_, x| soft_cap_here(x, cap));
}
