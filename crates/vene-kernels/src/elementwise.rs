//! Element-by-element operations, threaded where there is enough to do.
//!
//! Slices of one operation have one length; all functions panic if they don't.

use crate::exponential;
use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;

/// An operation of two slices: its public function and what one thread does.
macro_rules! of_two {
    ($(#[$attribute:meta])* $name:ident, $here:ident, $operator:tt) => {
        $(#[$attribute])*
        pub fn $name(a: &[f32], b: &[f32], out: &mut [f32]) {
            assert_eq!(a.len(), b.len(), "lengths differ");
            assert_eq!(a.len(), out.len(), "lengths differ");
            for_each_stretch(out, 1, 1, |first, out| {
                $here(&a[first..][..out.len()], &b[first..][..out.len()], out);
            });
        }

        for_each_instruction_set! {
            fn $here<FUSED>(a: &[f32], b: &[f32], out: &mut [f32]) {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = a $operator b;
                }
            }
        }
    };
}

of_two! {
    /// `out := a + b`.
    add, add_here, +
}
of_two! {
    /// `out := a - b`.
    subtract, subtract_here, -
}
of_two! {
    /// `out := a * b`.
    multiply_elements, multiply_here, *
}

/// `x := x + y`.
pub fn add_in_place(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "lengths differ");
    for_each_stretch(x, 1, 1, |first, x| add_in_place_here(x, &y[first..][..x.len()]));
}

/// `x := factor * x`.
pub fn scale(x: &mut [f32], factor: f32) {
    for_each_stretch(x, 1, 1, |_, x| scale_here(x, factor));
}

/// `x := cap * tanh(x / cap)`: nearly `x` while small, never beyond `cap`.
pub fn soft_cap(x: &mut [f32], cap: f32) {
    for_each_stretch(x, 1, 8, |_, x| soft_cap_here(x, cap));
}

for_each_instruction_set! {
    fn add_in_place_here<FUSED>(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

for_each_instruction_set! {
    fn scale_here<FUSED>(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }
}

for_each_instruction_set! {
    /// [`soft_cap`] on this thread.
    pub(crate) fn soft_cap_here<FUSED>(x: &mut [f32], cap: f32) {
        for x in x {
            *x = exponential::soft_cap::<FUSED>(*x, cap);
        }
    }
}
