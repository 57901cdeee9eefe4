//! The hidden layer of a gated MLP whose gate and up are clamped, as gpt-oss has it.

use crate::activation::COST;
use crate::exponential::exp;
use crate::instructions::for_each_instruction_set;
use crate::parallel::for_each_stretch;

/// `gate := g sigmoid(steepness g) (u + 1)`, where `g` is the gate, at most `limit`, and `u` the up, between `limit` and its
/// negative.
///
/// # Panics
///
/// If the lengths differ.
pub fn activate_clamped(gate: &mut [f32], up: &[f32], steepness: f32, limit: f32) {
    assert_eq!(gate.len(), up.len(), "gate and up");
    for_each_stretch(gate, 1, COST, |first, gate| {
        here(gate, &up[first..][..gate.len()], steepness, limit);
    });
}

for_each_instruction_set! {
    fn here<FUSED>(gate: &mut [f32], up: &[f32], steepness: f32, limit: f32) {
        for (gate, up) in gate.iter_mut().zip(up) {
            // Comparisons that are false for NaN keep it; -inf would be 0 times infinity.
            let x = if *gate > limit { limit } else { *gate };
            let x = if x < f32::MIN { f32::MIN } else { x };
            let up = if *up > limit { limit } else { *up };
            let up = if up < -limit { -limit } else { up };
            *gate = x / (1.0 + exp::<FUSED>(-steepness * x)) * (up + 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_up_are_clamped_and_what_is_not_is_by_the_formula() {
        let silu = |x: f64| x / (1.0 + (-1.7 * x).exp());
        let cases = [
            (0.5, 0.25, silu(0.5) * 1.25),
            (9.0, 0.25, silu(7.0) * 1.25),
            (-9.0, 0.25, silu(-9.0) * 1.25),
            (0.5, 8.0, silu(0.5) * 8.0),
            (0.5, -8.0, silu(0.5) * -6.0),
            (f32::NEG_INFINITY, 1.0, 0.0),
        ];
        for (gate, up, right) in cases {
            let mut x = [gate];
            activate_clamped(&mut x, &[up], 1.7, 7.0);
            assert!((f64::from(x[0]) - right).abs() < 1e-6, "{gate}, {up}: {}, not {right}", x[0]);
        }
        let mut x = [f32::NAN, 1.0];
        activate_clamped(&mut x, &[1.0, f32::NAN], 1.7, 7.0);
        assert!(x[0].is_nan() && x[1].is_nan());
    }
}
