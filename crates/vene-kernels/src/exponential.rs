//! The exponential without branches, so that the compiler makes vectors of it.

use crate::vector::multiply_add;

/// `e^x`, within about one unit in the last place. `-inf` gives 0, what is too large gives `inf`,
/// results below the smallest normal number are rounded like any other, NaN stays NaN.
///
/// Cephes' method (Moshier 1989): `e^x = 2^n e^r` with `|r| <= ln 2 / 2`, and a polynomial for
/// `e^r`.
#[inline(always)]
#[allow(clippy::excessive_precision)] // as published; the last digits say which float is meant
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves a small number rounded to an integer in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    // Comparisons that are false for NaN keep it.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = multiply_add::<FUSED>(n, -0.693_359_375, x);
    let r = multiply_add::<FUSED>(n, 2.121_944_40e-4, r);
    let mut p = 1.987_569_150_0e-4;
    p = multiply_add::<FUSED>(p, r, 1.398_199_950_7e-3);
    p = multiply_add::<FUSED>(p, r, 8.333_451_907_3e-3);
    p = multiply_add::<FUSED>(p, r, 4.166_579_589_4e-2);
    p = multiply_add::<FUSED>(p, r, 1.666_666_545_9e-1);
    p = multiply_add::<FUSED>(p, r, 5.000_000_120_1e-1);
    let p = multiply_add::<FUSED>(p, r * r, r) + 1.0;
    // 2^n in two factors, since one would overflow at n = 128 and underflow below -126.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `tanh(x)`, within about two units in the last place; NaN stays NaN.
///
/// Cephes' method: a polynomial near 0, `1 - 2 / (e^2x + 1)` elsewhere.
#[inline(always)]
#[allow(clippy::excessive_precision)] // as published
pub(crate) fn tanh<const FUSED: bool>(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let mut p = -5.704_988_727_45e-3;
    p = multiply_add::<FUSED>(p, square, 2.063_908_879_54e-2);
    p = multiply_add::<FUSED>(p, square, -5.373_971_555_31e-2);
    p = multiply_add::<FUSED>(p, square, 1.333_144_220_36e-1);
    p = multiply_add::<FUSED>(p, square, -3.333_328_194_22e-1);
    let near = multiply_add::<FUSED>(p * square, x, x);
    let far = (1.0 - 2.0 / (exp::<FUSED>(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { near } else { far }
}

/// `cap * tanh(x / cap)`: nearly `x` while small, never beyond `cap`.
#[inline(always)]
pub(crate) fn soft_cap<const FUSED: bool>(x: f32, cap: f32) -> f32 {
    cap * tanh::<FUSED>(x / cap)
}

/// Numbers that are summed, or compared, side by side: the order is the same whatever the width of
/// the processor's registers.
pub(crate) const LANES: usize = 16;

/// The sum of the lanes, as a tree.
#[inline(always)]
pub(crate) fn sum_of_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest of `values`; NaN is skipped, nothing gives `-inf`.
#[inline(always)]
pub(crate) fn largest(values: &[[f32; LANES]]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in values {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(value, *lane);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = larger(lanes[lane + width], lanes[lane]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The larger of two, the second if the first is NaN.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Replaces each value by `e^(value - shift)` and gives their sum.
#[inline(always)]
pub(crate) fn exponentials<const FUSED: bool>(values: &mut [[f32; LANES]], shift: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    for chunk in values {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = exp::<FUSED>(*value - shift);
            *lane += *value;
        }
    }
    sum_of_lanes(lanes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The difference in units of the last place of the right answer.
    pub(crate) fn units(got: f32, right: f64) -> f64 {
        let nearest = right as f32;
        let unit = (nearest.abs().next_up() - nearest.abs()) as f64;
        (got as f64 - right).abs() / unit
    }

    /// Many numbers between two.
    pub(crate) fn grid(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..200_001).map(move |i| from + (to - from) * (i as f32 / 200_000.0))
    }

    #[test]
    fn exp_is_right_to_about_a_unit() {
        for x in grid(-103.0, 88.7) {
            assert!(units(exp::<true>(x), (x as f64).exp()) < 1.2, "exp {x}");
            assert!(units(exp::<false>(x), (x as f64).exp()) < 2.0, "exp {x}, rounded twice");
        }
    }

    #[test]
    fn exp_of_extremes() {
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(-1e30), 0.0);
        assert_eq!(exp::<true>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<true>(89.0), f32::INFINITY);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<true>(1e-40), 1.0);
        assert!(exp::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_right_to_two_units() {
        for x in grid(-10.0, 10.0).chain(grid(-0.7, 0.7)).chain([1e-40, -1e-20, 0.0]) {
            assert!(units(tanh::<true>(x), (x as f64).tanh()) < 2.5, "tanh {x}");
        }
        assert_eq!(tanh::<true>(f32::NEG_INFINITY), -1.0);
        assert!(tanh::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn sums_and_maxima() {
        for chunks in 0..5 {
            let mut values: Vec<[f32; LANES]> = (0..chunks)
                .map(|chunk| std::array::from_fn(|i| ((chunk * LANES + i) as f32 * 1.7).sin()))
                .collect();
            let all = values.as_flattened().to_vec();
            let top = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&values), top);
            let right: f64 = all.iter().map(|&x| (x as f64 - 0.5).exp()).sum();
            let sum = exponentials::<true>(&mut values, 0.5);
            assert!((sum as f64 - right).abs() <= 1e-6 * right);
        }
        assert_eq!(largest(&[[f32::NAN; LANES]]), f32::NEG_INFINITY);
    }
}
