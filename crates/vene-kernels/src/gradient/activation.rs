//! Gradients of activation functions, alone and fused with the gate.

use crate::activation::{
    Activation, COST, LEAK, QUICK, beyond, bounded, mish_share, relu, relu_leaky, relu_squared,
    relu6,
};
use crate::exponential::{exp, tanh};
use crate::instructions::for_each_instruction_set;
use crate::parallel::{Shared, for_each_stretch, for_each_task, threads_for};

/// Numbers of a task.
const STRETCH: usize = 1 << 12;

/// The gradient of an activation function's `x` from that of its result: `gradient := gradient * slope(x)`.
///
/// # Panics
///
/// If the lengths differ.
pub fn activate_gradient(x: &[f32], activation: Activation, gradient: &mut [f32]) {
    assert_eq!(x.len(), gradient.len(), "x and the gradient of its activation");
    let here = match activation {
        Activation::GeluExact => gelu_exact_alone,
        Activation::GeluTanh => gelu_tanh_alone,
        Activation::Silu => silu_alone,
        Activation::Relu => relu_alone,
        Activation::Tanh => tanh_alone,
        Activation::Sigmoid => sigmoid_alone,
        Activation::GeluClipped => gelu_clipped_alone,
        Activation::GeluQuick => gelu_quick_alone,
        Activation::Mish => mish_alone,
        Activation::ReluSquared => relu_squared_alone,
        Activation::Relu6 => relu6_alone,
        Activation::ReluLeaky => relu_leaky_alone,
        Activation::Linear => linear_alone,
    };
    for_each_stretch(gradient, 1, COST, |first, gradient| {
        here(&x[first..][..gradient.len()], gradient);
    });
}

/// The gradients of a gated hidden layer's gate (before its activation) and up from that of
/// `activation(gate) * up`.
///
/// # Panics
///
/// If the lengths differ.
pub fn activate_gated_gradient(
    gate: &[f32],
    up: &[f32],
    activation: Activation,
    gradient: &[f32],
    of_gate: &mut [f32],
    of_up: &mut [f32],
) {
    let count = gate.len();
    assert!(
        [up.len(), gradient.len(), of_gate.len(), of_up.len()].iter().all(|&len| len == count),
        "gate, up and their gradients are of one length"
    );
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
    let (of_gate, of_up) = (Shared::new(of_gate), Shared::new(of_up));
    for_each_task(
        count.div_ceil(STRETCH),
        threads_for(count * COST),
        || (),
        |(), task| {
            let first = task * STRETCH;
            let length = STRETCH.min(count - first);
            let part = |all: &'_ [f32]| -> *const f32 { all[first..][..length].as_ptr() };
            // SAFETY: each task has stretches of its own, within slices of one length.
            unsafe {
                here(
                    std::slice::from_raw_parts(part(gate), length),
                    std::slice::from_raw_parts(part(up), length),
                    std::slice::from_raw_parts(part(gradient), length),
                    of_gate.part(first, length),
                    of_up.part(first, length),
                );
            }
        },
    );
}

/// What one thread does for an activation function, alone and gated.
macro_rules! slope {
    ($function:ident, $alone:ident, $gated:ident) => {
        for_each_instruction_set! {
            fn $alone<FUSED>(x: &[f32], gradient: &mut [f32]) {
                for (gradient, &x) in gradient.iter_mut().zip(x) {
                    *gradient *= $function::<FUSED>(x).1;
                }
            }
        }
        for_each_instruction_set! {
            fn $gated<FUSED>(
                gate: &[f32],
                up: &[f32],
                gradient: &[f32],
                of_gate: &mut [f32],
                of_up: &mut [f32],
            ) {
                let inputs = gate.iter().zip(up).zip(gradient);
                let outputs = of_gate.iter_mut().zip(of_up);
                for (((&gate, &up), &gradient), (of_gate, of_up)) in inputs.zip(outputs) {
                    let (value, slope) = $function::<FUSED>(gate);
                    *of_gate = gradient * up * slope;
                    *of_up = gradient * value;
                }
            }
        }
    };
}

slope!(gelu_exact_with_slope, gelu_exact_alone, gelu_exact_gated);
slope!(gelu_tanh_with_slope, gelu_tanh_alone, gelu_tanh_gated);
slope!(silu_with_slope, silu_alone, silu_gated);
slope!(relu_with_slope, relu_alone, relu_gated);
slope!(tanh_with_slope, tanh_alone, tanh_gated);
slope!(sigmoid_with_slope, sigmoid_alone, sigmoid_gated);
slope!(gelu_clipped_with_slope, gelu_clipped_alone, gelu_clipped_gated);
slope!(gelu_quick_with_slope, gelu_quick_alone, gelu_quick_gated);
slope!(mish_with_slope, mish_alone, mish_gated);
slope!(relu_squared_with_slope, relu_squared_alone, relu_squared_gated);
slope!(relu6_with_slope, relu6_alone, relu6_gated);
slope!(relu_leaky_with_slope, relu_leaky_alone, relu_leaky_gated);
slope!(linear_with_slope, linear_alone, linear_gated);

/// The function's value and slope: the mass below `x` and the density there, of the normal distribution.
#[inline(always)]
fn gelu_exact_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    let finite = x.clamp(-1e18, 1e18);
    let tail = beyond::<FUSED>(finite.abs(), 1.0);
    let mass = if finite > 0.0 { 1.0 - tail } else { tail };
    let density = DENSITY * exp::<FUSED>(-0.5 * finite * finite);
    (finite * mass, mass + finite * density)
}

#[inline(always)]
fn gelu_tanh_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    const LINEAR: f32 = 1.595_769; // 2 sqrt(2 / pi)
    const CUBIC: f32 = 0.071_354_814; // 0.044715 of that
    // Farther out the slope is 0 or 1 to all digits, and squares stay finite.
    let x = x.clamp(-1e6, 1e6);
    let square = x * x;
    let share = 1.0 / (1.0 + exp::<FUSED>(-x * (LINEAR + CUBIC * square)));
    let steepness = LINEAR + 3.0 * CUBIC * square;
    // Where the share has reached 0 or 1, the product is 0 however steep.
    let change = share * (1.0 - share);
    (x * share, share + if change > 0.0 { x * change * steepness } else { 0.0 })
}

#[inline(always)]
fn silu_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    let x = bounded(x);
    let share = 1.0 / (1.0 + exp::<FUSED>(-x));
    let change = share * (1.0 - share);
    (x * share, share + if change > 0.0 { x * change } else { 0.0 })
}

#[inline(always)]
fn relu_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    (relu::<FUSED>(x), if x > 0.0 { 1.0 } else { 0.0 })
}

#[inline(always)]
fn tanh_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    let value = tanh::<FUSED>(x);
    (value, 1.0 - value * value)
}

#[inline(always)]
fn sigmoid_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    let value = 1.0 / (1.0 + exp::<FUSED>(-x));
    (value, value * (1.0 - value))
}

#[inline(always)]
fn gelu_clipped_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    let (value, slope) = gelu_exact_with_slope::<FUSED>(x);
    if value > 10.0 { (10.0, 0.0) } else { (value, slope) }
}

#[inline(always)]
fn gelu_quick_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    let x = bounded(x);
    let share = 1.0 / (1.0 + exp::<FUSED>(-QUICK * x));
    let change = share * (1.0 - share);
    (x * share, share + if change > 0.0 { QUICK * x * change } else { 0.0 })
}

/// With `n` as in the function, `1 - tanh^2` is `4 (n + 1) / (n + 2)^2`.
#[inline(always)]
fn mish_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    // Farther out the slope is 0 or 1 to all digits.
    let finite = x.clamp(-1e6, 1e6);
    let n = mish_share::<FUSED>(finite);
    let share = n / (n + 2.0);
    let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-finite));
    let change = 4.0 * ((n + 1.0) / (n + 2.0)) / (n + 2.0);
    // Where e^x is 0, or the change is one that no sum shows, the product is 0.
    let bend = if finite.abs() < 80.0 { finite * sigmoid * change } else { 0.0 };
    (bounded(x) * share, share + if finite > 20.0 { 0.0 } else { bend })
}

#[inline(always)]
fn relu_squared_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    (relu_squared::<FUSED>(x), 2.0 * relu::<FUSED>(x))
}

#[inline(always)]
fn relu6_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    (relu6::<FUSED>(x), if x > 0.0 && x < 6.0 { 1.0 } else { 0.0 })
}

#[inline(always)]
fn relu_leaky_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    (relu_leaky::<FUSED>(x), if x > 0.0 { 1.0 } else { LEAK })
}

#[inline(always)]
fn linear_with_slope<const FUSED: bool>(x: f32) -> (f32, f32) {
    (x, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exponential::tests::grid;

    /// Against differences of the functions in double precision.
    #[test]
    fn slopes_are_those_of_the_functions() {
        let gelu = |x: f64| {
            // By the series of the error function, which converges everywhere here.
            let (mut term, mut sum) = (x, x);
            for k in 1..400 {
                term *= x * x / f64::from(2 * k + 1);
                sum += term;
            }
            x * (0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt())
        };
        let by_tanh = |x: f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        };
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let near = |name: &str, found: f32, function: &dyn Fn(f64) -> f64, x: f32| {
            let (x, step) = (f64::from(x), 1e-5);
            let right = (function(x + step) - function(x - step)) / (2.0 * step);
            assert!((f64::from(found) - right).abs() < 2e-6, "{name} at {x}: {found}, not {right}");
        };
        for x in grid(-6.0, 6.0).step_by(50) {
            near("gelu", gelu_exact_with_slope::<true>(x).1, &gelu, x);
            near("gelu by tanh", gelu_tanh_with_slope::<true>(x).1, &by_tanh, x);
            near("silu", silu_with_slope::<true>(x).1, &silu, x);
            near("tanh", tanh_with_slope::<true>(x).1, &f64::tanh, x);
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            near("sigmoid", sigmoid_with_slope::<true>(x).1, &sigmoid, x);
            let quick = |x: f64| x / (1.0 + (-f64::from(QUICK) * x).exp());
            near("quick gelu", gelu_quick_with_slope::<true>(x).1, &quick, x);
            near("mish", mish_with_slope::<true>(x).1, &|x| x * x.exp().ln_1p().tanh(), x);
            near("clipped gelu", gelu_clipped_with_slope::<true>(x).1, &gelu, x);
            near("linear", linear_with_slope::<true>(x).1, &|x| x, x);
            if x.abs() > 1e-3 {
                let squared = |x: f64| x.max(0.0) * x.max(0.0);
                near("squared relu", relu_squared_with_slope::<true>(x).1, &squared, x);
                let leaky = |x: f64| x.max(0.0) + f64::from(LEAK) * x.min(0.0);
                near("leaky relu", relu_leaky_with_slope::<true>(x).1, &leaky, x);
            }
            // At its corners it has no slope.
            if x.abs() > 1e-3 && x < 5.9 {
                near("relu6", relu6_with_slope::<true>(x).1, &|x| x.max(0.0), x);
            }
        }
        for function in [
            gelu_exact_with_slope::<true>,
            gelu_tanh_with_slope::<true>,
            gelu_quick_with_slope::<true>,
            mish_with_slope::<true>,
            silu_with_slope::<true>,
            relu_with_slope::<true>,
        ] {
            assert_eq!(function(1e30).1, 1.0);
            assert_eq!(function(-1e30).1, 0.0);
        }
        assert_eq!(gelu_clipped_with_slope::<true>(10.5), (10.0, 0.0));
        assert_eq!(relu6_with_slope::<true>(6.5), (6.0, 0.0));
    }
}
