//! The activation functions of MLPs, alone and fused with the gate.
//!
//! Each is written so that nothing cancels: far out on the negative side, where
//! `1 + tanh` or `1 + erf` would lose all digits, results are still right to a few units in the
//! last place. `-inf` gives 0 there, not NaN.

use crate::exponential::{exp, tanh};
use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;
use crate::vector::multiply_add;

/// The activation function of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel 2016).
    GeluExact,
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, the same paper's approximation.
    GeluTanh,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// [`Activation::GeluExact`], but never more than 10.
    GeluClipped,
    /// `x / (1 + e^(-1.702 x))`, the same paper's other approximation.
    GeluQuick,
    /// `x tanh(ln(1 + e^x))` (Misra 2019).
    Mish,
    /// `max(x, 0)^2` (So et al. 2021).
    ReluSquared,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x`, or a hundredth of it where it is negative.
    ReluLeaky,
    /// `x`.
    Linear,
}

/// What a number costs next to an addition.
pub(crate) const COST: usize = 8;

/// `x := activation(x)`.
pub fn activate(x: &mut [f32], activation: Activation) {
    let here = match activation {
        Activation::GeluExact => gelu_exact_here,
        Activation::GeluTanh => gelu_tanh_here,
        Activation::Silu => silu_here,
        Activation::Relu => relu_here,
        Activation::Tanh => tanh_here,
        Activation::Sigmoid => sigmoid_here,
        Activation::GeluClipped => gelu_clipped_here,
        Activation::GeluQuick => gelu_quick_here,
        Activation::Mish => mish_here,
        Activation::ReluSquared => relu_squared_here,
        Activation::Relu6 => relu6_here,
        Activation::ReluLeaky => relu_leaky_here,
        Activation::Linear => linear_here,
    };
    for_each_stretch(x, 1, COST, |_, x| here(x));
}

/// `gate := activation(gate) * up`, the hidden layer of a gated MLP (Shazeer 2020).
///
/// # Panics
///
/// If the lengths differ.
pub fn activate_gated(gate: &mut [f32], up: &[f32], activation: Activation) {
    assert_eq!(gate.len(), up.len(), "gate and up");
    let here = match activation {
        Activation::GeluExact => gelu_exact_gated,
        Activation::GeluTanh => gelu_tanh_gated,
        Activation::Silu => silu_gated,
        Activation::Relu => relu_gated,
        Activation::Tanh => tanh_gated,
        Activation::Sigmoid => sigmoid_gated,
        Activation::GeluClipped => gelu_clipped_gated,
        Activation::GeluQuick => gelu_quick_gated,
        Activation::Mish => mish_gated,
        Activation::ReluSquared => relu_squared_gated,
        Activation::Relu6 => relu6_gated,
        Activation::ReluLeaky => relu_leaky_gated,
        Activation::Linear => linear_gated,
    };
    for_each_stretch(gate, 1, COST, |first, gate| here(gate, &up[first..][..gate.len()]));
}

/// What one thread does for an activation function, alone and gated.
macro_rules! activation {
    ($function:ident, $here:ident, $gated:ident) => {
        for_each_instruction_set! {
            fn $here<FUSED>(x: &mut [f32]) {
                for x in x {
                    *x = $function::<FUSED>(*x);
                }
            }
        }
        for_each_instruction_set! {
            fn $gated<FUSED>(gate: &mut [f32], up: &[f32]) {
                for (gate, up) in gate.iter_mut().zip(up) {
                    *gate = $function::<FUSED>(*gate) * up;
                }
            }
        }
    };
}

activation!(gelu_exact, gelu_exact_here, gelu_exact_gated);
activation!(gelu_tanh, gelu_tanh_here, gelu_tanh_gated);
activation!(silu, silu_here, silu_gated);
activation!(relu, relu_here, relu_gated);
activation!(tanh, tanh_here, tanh_gated);
activation!(sigmoid, sigmoid_here, sigmoid_gated);
activation!(gelu_clipped, gelu_clipped_here, gelu_clipped_gated);
activation!(gelu_quick, gelu_quick_here, gelu_quick_gated);
activation!(mish, mish_here, mish_gated);
activation!(relu_squared, relu_squared_here, relu_squared_gated);
activation!(relu6, relu6_here, relu6_gated);
activation!(relu_leaky, relu_leaky_here, relu_leaky_gated);
activation!(linear, linear_here, linear_gated);

/// Makes `-inf` the most negative number, so that 0 times it is 0.
#[inline(always)]
pub(crate) fn bounded(x: f32) -> f32 {
    if x < f32::MIN { f32::MIN } else { x }
}

#[inline(always)]
pub(crate) fn gelu_exact<const FUSED: bool>(x: f32) -> f32 {
    let magnitude = x.abs();
    let finite = if magnitude > f32::MAX { f32::MAX } else { magnitude };
    // What the other side of the normal distribution leaves, or what this side has.
    let term = beyond::<FUSED>(magnitude, finite.copysign(x));
    if x > 0.0 { x - term } else { term }
}

/// `x sigmoid(2u)`, which is `0.5 x (1 + tanh u)`.
#[inline(always)]
pub(crate) fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const LINEAR: f32 = -1.595_769; // -2 sqrt(2 / pi)
    const CUBIC: f32 = -0.071_354_814; // 0.044715 of that
    let x = bounded(x);
    let exponent = x * multiply_add::<FUSED>(x * x, CUBIC, LINEAR);
    x / (1.0 + exp::<FUSED>(exponent))
}

#[inline(always)]
pub(crate) fn silu<const FUSED: bool>(x: f32) -> f32 {
    let x = bounded(x);
    x / (1.0 + exp::<FUSED>(-x))
}

#[inline(always)]
pub(crate) fn relu<const FUSED: bool>(x: f32) -> f32 {
    // False for NaN, which stays.
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

#[inline(always)]
pub(crate) fn gelu_clipped<const FUSED: bool>(x: f32) -> f32 {
    let y = gelu_exact::<FUSED>(x);
    // False for NaN, which stays. The lower bound of -10 is never reached.
    if y > 10.0 { 10.0 } else { y }
}

/// What the sigmoid multiplies in [`Activation::GeluQuick`].
pub(crate) const QUICK: f32 = 1.702;

#[inline(always)]
pub(crate) fn gelu_quick<const FUSED: bool>(x: f32) -> f32 {
    let x = bounded(x);
    x / (1.0 + exp::<FUSED>(-QUICK * x))
}

/// With `n = e^x (e^x + 2)`, `tanh(ln(1 + e^x))` is `n / (n + 2)`: nothing cancels.
#[inline(always)]
pub(crate) fn mish<const FUSED: bool>(x: f32) -> f32 {
    let x = bounded(x);
    let n = mish_share::<FUSED>(x);
    x * (n / (n + 2.0))
}

#[inline(always)]
pub(crate) fn mish_share<const FUSED: bool>(x: f32) -> f32 {
    // From 20 on the share is 1 to all digits, and its square stays finite.
    let power = exp::<FUSED>(if x > 20.0 { 20.0 } else { x });
    power * (power + 2.0)
}

#[inline(always)]
pub(crate) fn relu_squared<const FUSED: bool>(x: f32) -> f32 {
    let y = relu::<FUSED>(x);
    y * y
}

#[inline(always)]
pub(crate) fn relu6<const FUSED: bool>(x: f32) -> f32 {
    let y = relu::<FUSED>(x);
    if y > 6.0 { 6.0 } else { y }
}

/// The slope of [`Activation::ReluLeaky`] below 0.
pub(crate) const LEAK: f32 = 0.01;

#[inline(always)]
pub(crate) fn relu_leaky<const FUSED: bool>(x: f32) -> f32 {
    if x < 0.0 { LEAK * x } else { x }
}

#[inline(always)]
fn linear<const FUSED: bool>(x: f32) -> f32 {
    x
}

/// `factor` times the normal distribution's mass beyond `x >= 0`, which is `erfc(x / sqrt 2) / 2`.
///
/// `e^(-x^2 / 2) t Q(t)` with `t = 1 / (1 + 0.4 x)`; the polynomial interpolates what is left at
/// Chebyshev's points of `0 <= x <= 14.2`, with a relative error of 1e-8. Beyond, the result is 0.
#[inline(always)]
#[allow(clippy::excessive_precision)] // the shortest decimals of these floats
pub(crate) fn beyond<const FUSED: bool>(x: f32, factor: f32) -> f32 {
    /// By ascending power of `t`.
    const COEFFICIENTS: [f32; 11] = [
        1.5956752e-01,
        1.59846446e-01,
        1.307027e-01,
        1.06558515e-01,
        -8.6102966e-02,
        2.702037e-01,
        -6.285559e-01,
        6.6518485e-01,
        -3.75534e-01,
        1.121559e-01,
        -1.40267959e-02,
    ];
    let x = if x > 20.0 { 20.0 } else { x };
    let t = 1.0 / multiply_add::<FUSED>(x, 0.4, 1.0);
    let mut q = COEFFICIENTS[10];
    for coefficient in COEFFICIENTS[..10].iter().rev() {
        q = multiply_add::<FUSED>(q, t, *coefficient);
    }
    let square = x * x;
    let mut bell = exp::<FUSED>(-0.5 * square);
    if FUSED {
        // What squaring rounded off matters where the exponent is large.
        bell = multiply_add::<FUSED>(bell, -0.5 * x.mul_add(x, -square), bell);
    }
    factor * (t * q) * bell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exponential::tests::{grid, units};

    /// `erfc(x / sqrt 2) / 2` by a continued fraction where it converges fast, else by its series.
    fn tail(x: f64) -> f64 {
        let bell = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x > 4.0 {
            return bell / (1..200).rev().fold(x, |rest, k| x + k as f64 / rest);
        }
        let (mut term, mut sum) = (x, x);
        for k in 1..200 {
            term *= x * x / (2 * k + 1) as f64;
            sum += term;
        }
        0.5 - bell * sum
    }

    #[test]
    fn exact_gelu_is_right_to_a_few_units_even_far_out() {
        for x in grid(-13.0, 6.0).chain(grid(-0.1, 0.1)) {
            let right = x as f64 * if x > 0.0 { 1.0 - tail(x as f64) } else { tail(-x as f64) };
            if right.abs() < f32::MIN_POSITIVE as f64 {
                continue;
            }
            let off = units(gelu_exact::<true>(x), right);
            assert!(off < 6.0, "{off} units at {x}");
            assert!((gelu_exact::<false>(x) as f64 - right).abs() <= 1e-5 * right.abs(), "at {x}");
        }
    }

    #[test]
    fn the_other_functions_are_right() {
        for x in grid(-30.0, 30.0) {
            let y = x as f64;
            let silu_right = y / (1.0 + (-y).exp());
            assert!(units(silu::<true>(x), silu_right) < 4.0, "silu {x}");
            let u = (2.0 / std::f64::consts::PI).sqrt() * (y + 0.044715 * y.powi(3));
            let gelu_right = y / (1.0 + (-2.0 * u).exp());
            // Far out the exponent's own rounding is what shows.
            let tolerance = 4e-7 * gelu_right.abs() * (1.0 + u.abs().min(90.0));
            let error = (gelu_tanh::<true>(x) as f64 - gelu_right).abs();
            assert!(error <= tolerance + 1e-37, "gelu {x}");
            assert_eq!(relu::<true>(x), x.max(0.0));
            assert!(units(sigmoid::<true>(x), 1.0 / (1.0 + (-y).exp())) < 4.0, "sigmoid {x}");
            let quick = f64::from(QUICK) * y;
            let tolerance = 4e-7 * (1.0 + quick.abs());
            let error = f64::from(gelu_quick::<true>(x)) / (y / (1.0 + (-quick).exp())) - 1.0;
            assert!(y == 0.0 || error.abs() <= tolerance, "quick gelu {x}: {error:e}");
            let right = y * y.exp().ln_1p().tanh();
            assert!(units(mish::<true>(x), right) < 8.0, "mish {x}");
            assert_eq!(relu_squared::<true>(x), x.max(0.0) * x.max(0.0));
            assert_eq!(relu6::<true>(x), x.clamp(0.0, 6.0));
            assert_eq!(relu_leaky::<true>(x), x.max(0.0) + 0.01 * x.min(0.0));
            assert_eq!(linear::<true>(x), x);
            assert_eq!(gelu_clipped::<true>(x), gelu_exact::<true>(x).min(10.0));
        }
    }

    #[test]
    fn bounded_functions_end_at_their_bounds() {
        for (x, limits) in [(f32::NEG_INFINITY, [-1.0, 0.0]), (f32::INFINITY, [1.0, 1.0])] {
            assert_eq!([tanh::<true>(x), sigmoid::<true>(x)], limits);
            assert_eq!([tanh::<true>(x.clamp(-1e30, 1e30)), sigmoid::<true>(x)], limits);
        }
        assert!(tanh::<true>(f32::NAN).is_nan() && sigmoid::<true>(f32::NAN).is_nan());
        assert_eq!(
            [tanh::<true>(0.0), tanh::<true>(1e-30), sigmoid::<true>(0.0)],
            [0.0, 1e-30, 0.5]
        );
    }

    #[test]
    fn extremes() {
        for function in [
            gelu_exact::<true>,
            gelu_tanh::<true>,
            gelu_quick::<true>,
            mish::<true>,
            silu::<true>,
            relu::<true>,
        ] {
            assert_eq!(function(f32::NEG_INFINITY), 0.0);
            assert_eq!(function(f32::INFINITY), f32::INFINITY);
            assert_eq!(function(f32::MIN), 0.0);
            assert_eq!(function(f32::MAX), f32::MAX);
            assert_eq!(function(0.0), 0.0);
            assert!(function(f32::NAN).is_nan());
            assert!(function(1e-40) >= 0.0);
        }
    }
}
