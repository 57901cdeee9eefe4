//! The operations on rows and elements against their formulas in f64.

mod support;

use support::{assert_close, bits, numbers, on_any_threads};
use vene_kernels::{
    Activation, Pairing, RotaryTable, activate, activate_gated, add, add_in_place, layer_norm,
    multiply_elements, root_mean_square_norm, rotate, scale, soft_cap, subtract,
};

/// Widths of a row's stretches, stretches in a row, rows; the last is enough for several threads.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 1, 1), (5, 3, 2), (16, 1, 7), (64, 3, 33), (77, 1, 5), (768, 1, 500)];

fn normed(x: &[f32], weight: &[f32], bias: Option<&[f32]>, centred: bool) -> Vec<f64> {
    let width = weight.len();
    let mut out = Vec::new();
    for x in x.chunks(width) {
        let mean = x.iter().map(|&x| x as f64).sum::<f64>() / width as f64;
        let mean = if centred { mean } else { 0.0 };
        let square = x.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / width as f64;
        for (i, &x) in x.iter().enumerate() {
            let bias = bias.map_or(0.0, |bias| bias[i] as f64);
            out.push((x as f64 - mean) / (square + 1e-5).sqrt() * weight[i] as f64 + bias);
        }
    }
    out
}

#[test]
fn norms() {
    for (width, stretches, rows) in SIZES {
        let mut x = numbers(rows * stretches * width, 1);
        x.iter_mut().for_each(|x| *x = 3.0 * *x + 1.0);
        let (weight, bias) = (numbers(width, 2), numbers(width, 3));
        for bias in [None, Some(&bias[..])] {
            let y = on_any_threads(|| {
                let mut y = vec![f32::NAN; x.len()];
                layer_norm(&x, &weight, bias, 1e-5, &mut y);
                y
            });
            // With one number a row, all that is left is rounding, much enlarged.
            assert_close(&y, &normed(&x, &weight, bias, true), 2e-6);
        }
        let y = on_any_threads(|| {
            let mut y = vec![f32::NAN; x.len()];
            root_mean_square_norm(&x, &weight, 1e-5, &mut y);
            y
        });
        assert_close(&y, &normed(&x, &weight, None, false), 2e-6);
        let mut first = vec![0.0; width];
        root_mean_square_norm(&x[..width], &weight, 1e-5, &mut first);
        assert_eq!(bits(&first), bits(&y[..width]));
    }
}

#[test]
fn norms_of_zeros_and_large_numbers_are_finite() {
    let mut y = [f32::NAN; 20];
    layer_norm(&[0.0; 20], &[1.0; 20], None, 1e-5, &mut y);
    assert_eq!(y, [0.0; 20]);
    layer_norm(&[1e15; 20], &[1.0; 20], None, 1e-5, &mut y);
    assert!(y.iter().all(|y| y.is_finite()));
    root_mean_square_norm(&[1e15; 20], &[1.0; 20], 1e-5, &mut y);
    assert_close(&y, &[1.0; 20], 1e-6);
}

#[test]
fn rotations() {
    for (head_dim, heads, rows) in [(2, 1, 1), (8, 3, 5), (64, 12, 300), (20, 2, 3)] {
        for pairs in [head_dim / 2, head_dim / 4] {
            let x = numbers(rows * heads * head_dim, 1);
            let frequencies: Vec<f64> = (0..pairs).map(|i| 0.7f64.powi(i as i32)).collect();
            let table = RotaryTable::new(&frequencies, 400);
            let positions: Vec<u32> = (0..rows as u32).map(|row| (row * 37) % 400).collect();
            for pairing in [Pairing::Halves, Pairing::Adjacent] {
                let y = on_any_threads(|| {
                    let mut y = x.clone();
                    rotate(&mut y, head_dim, &positions, &table, pairing);
                    y
                });
                let mut right: Vec<f64> = x.iter().map(|&x| x as f64).collect();
                for (row, right) in right.chunks_mut(heads * head_dim).enumerate() {
                    for head in right.chunks_mut(head_dim) {
                        for (pair, frequency) in frequencies.iter().enumerate() {
                            let (sine, cosine) = (positions[row] as f64 * frequency).sin_cos();
                            let (first, second) = match pairing {
                                Pairing::Halves => (pair, pair + pairs),
                                Pairing::Adjacent => (2 * pair, 2 * pair + 1),
                            };
                            let (a, b) = (head[first], head[second]);
                            head[first] = a * cosine - b * sine;
                            head[second] = b * cosine + a * sine;
                        }
                    }
                }
                assert_close(&y, &right, 3e-7);
            }
        }
    }
}

#[test]
fn activations_on_slices() {
    for length in [0, 1, 15, 100, 300_001] {
        let x: Vec<f32> = numbers(length, 1).iter().map(|x| 8.0 * x).collect();
        let up = numbers(length, 2);
        for activation in [
            Activation::GeluExact,
            Activation::GeluTanh,
            Activation::Silu,
            Activation::Relu,
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::GeluClipped,
            Activation::GeluQuick,
            Activation::Mish,
            Activation::ReluSquared,
            Activation::Relu6,
            Activation::ReluLeaky,
            Activation::Linear,
        ] {
            let right: Vec<f64> = x
                .iter()
                .map(|&x| {
                    let x = x as f64;
                    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                    match activation {
                        Activation::GeluTanh | Activation::GeluExact => x * 0.5 * (1.0 + u.tanh()),
                        Activation::Silu => x / (1.0 + (-x).exp()),
                        Activation::Relu => x.max(0.0),
                        Activation::Tanh => x.tanh(),
                        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                        Activation::GeluClipped => (x * 0.5 * (1.0 + u.tanh())).min(10.0),
                        Activation::GeluQuick => x / (1.0 + (-1.702 * x).exp()),
                        Activation::Mish => x * x.exp().ln_1p().tanh(),
                        Activation::ReluSquared => x.max(0.0) * x.max(0.0),
                        Activation::Relu6 => x.clamp(0.0, 6.0),
                        Activation::ReluLeaky => x.max(0.0) + 0.01 * x.min(0.0),
                        Activation::Linear => x,
                    }
                })
                .collect();
            // The approximation of GELU is no further from it than that.
            let by_erf = [Activation::GeluExact, Activation::GeluClipped].contains(&activation);
            let tolerance = if by_erf { 5e-4 } else { 1e-6 };
            let y = on_any_threads(|| {
                let mut y = x.clone();
                activate(&mut y, activation);
                y
            });
            assert_close(&y, &right, tolerance);
            let gated = on_any_threads(|| {
                let mut y = x.clone();
                activate_gated(&mut y, &up, activation);
                y
            });
            let products: Vec<f32> = y.iter().zip(&up).map(|(y, up)| y * up).collect();
            assert_eq!(bits(&gated), bits(&products));
        }
    }
}

#[test]
fn elements() {
    for length in [0, 1, 33, 300_001] {
        let (a, b) = (numbers(length, 1), numbers(length, 2));
        let pairs = || a.iter().zip(&b);
        let mut y = vec![f32::NAN; length];
        add(&a, &b, &mut y);
        assert_eq!(y, pairs().map(|(a, b)| a + b).collect::<Vec<_>>());
        let mut sum = a.clone();
        add_in_place(&mut sum, &b);
        assert_eq!(sum, y);
        subtract(&a, &b, &mut y);
        assert_eq!(y, pairs().map(|(a, b)| a - b).collect::<Vec<_>>());
        multiply_elements(&a, &b, &mut y);
        assert_eq!(y, pairs().map(|(a, b)| a * b).collect::<Vec<_>>());
        y.copy_from_slice(&a);
        scale(&mut y, 3.0);
        assert_eq!(y, a.iter().map(|a| 3.0 * a).collect::<Vec<_>>());
        y.copy_from_slice(&a);
        soft_cap(&mut y, 0.5);
        let right: Vec<f64> = a.iter().map(|&a| 0.5 * (a as f64 / 0.5).tanh()).collect();
        assert_close(&y, &right, 2e-7);
    }
}
