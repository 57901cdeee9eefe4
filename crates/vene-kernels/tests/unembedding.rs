//! Normalisers and gathered logits against the formula in f64.

mod support;

use support::{assert_close, bits, numbers, on_any_threads, product};
use vene_kernels::{PackedMatrix, gather_logits, log_sum_exp_gather, multiply};

/// Gathered logits, then normalisers (as halves of an f64's bits, so that they compare exactly).
fn both(
    x: &[f32],
    matrix: &PackedMatrix,
    cap: Option<f32>,
    tokens: &[u32],
) -> (Vec<f32>, Vec<f64>) {
    let rows = x.len() / matrix.input();
    let mut gathered = vec![f32::NAN; rows * tokens.len()];
    let mut normalisers = vec![f64::NAN; rows];
    log_sum_exp_gather(x, matrix, cap, tokens, &mut gathered, &mut normalisers);
    (gathered, normalisers)
}

fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logits.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

#[test]
fn agrees_with_the_formula() {
    for (rows, input, out) in [(1, 5, 1), (3, 64, 511), (4, 33, 513), (130, 48, 1100)] {
        for cap in [None, Some(3.0)] {
            let x = numbers(rows * input, 1);
            let weight = numbers(out * input, 2);
            let matrix = PackedMatrix::pack(&weight, out, input);
            let tokens = [out as u32 - 1, 0, (out / 2) as u32, 0];
            let (gathered, normalisers) = both(&x, &matrix, cap, &tokens);
            let mut logits = product(&x, &weight, None, input);
            if let Some(cap) = cap {
                logits.iter_mut().for_each(|x| *x = cap as f64 * (*x / cap as f64).tanh());
            }
            for (row, logits) in logits.chunks(out).enumerate() {
                let right: Vec<f64> = tokens.iter().map(|&token| logits[token as usize]).collect();
                assert_close(&gathered[row * 4..][..4], &right, 2e-6);
                assert!((normalisers[row] - log_sum_exp(logits)).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn bits_depend_on_neither_threads_nor_neighbours_nor_function() {
    let (rows, input, out) = (250, 100, 3000);
    let x = numbers(rows * input, 1);
    let matrix = PackedMatrix::pack(&numbers(out * input, 2), out, input);
    let tokens = [7, 2999, 1024, 512];
    for cap in [None, Some(2.0)] {
        let exact = |x: &[f32]| {
            let (mut gathered, normalisers) = both(x, &matrix, cap, &tokens);
            for normaliser in normalisers {
                gathered.push(f32::from_bits(normaliser.to_bits() as u32));
                gathered.push(f32::from_bits((normaliser.to_bits() >> 32) as u32));
            }
            gathered
        };
        on_any_threads(|| exact(&x));
        let (all, normalisers) = both(&x, &matrix, cap, &tokens);
        for row in [0, 100, 249] {
            let (one, normaliser) = both(&x[row * input..][..input], &matrix, cap, &tokens);
            assert_eq!(bits(&one), bits(&all[row * 4..][..4]));
            assert_eq!(normaliser[0].to_bits(), normalisers[row].to_bits());
        }
        let mut alone = vec![0.0; rows * 4];
        gather_logits(&x, &matrix, cap, &tokens, &mut alone);
        assert_eq!(bits(&alone), bits(&all));
        if cap.is_none() {
            let mut logits = vec![0.0; rows * out];
            multiply(&x, &matrix, None, &mut logits);
            assert_eq!(logits[5 * out + 2999].to_bits(), all[5 * 4 + 1].to_bits());
        }
    }
}

#[test]
fn extremes() {
    // One input, so that a logit is its weight.
    let of =
        |weight: &[f32]| both(&[1.0], &PackedMatrix::pack(weight, weight.len(), 1), None, &[]).1[0];
    let mut weight = vec![f32::NEG_INFINITY; 1000];
    assert_eq!(of(&weight), f64::NEG_INFINITY);
    weight[700] = 3.0;
    assert_eq!(of(&weight), 3.0);
    weight[1] = 1e30;
    assert_eq!(of(&weight), 1e30f32 as f64);
    weight[2] = f32::INFINITY;
    assert_eq!(of(&weight), f64::INFINITY);
    weight[600] = f32::NAN;
    assert!(!of(&weight).is_finite());
    assert!(of(&[f32::NAN; 3]).is_nan());
    assert_eq!(of(&[1e-40; 1]), 1e-40f32 as f64);
}
