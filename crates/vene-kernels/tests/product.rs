//! Products against the formula in f64, and the promises on bits.

mod support;

use proptest::prelude::*;
use support::{assert_close, bits, numbers, on_any_threads, product};
use vene_kernels::{PackedMatrix, multiply};

fn multiplied(x: &[f32], matrix: &PackedMatrix, bias: Option<&[f32]>, rows: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; rows * matrix.out()];
    multiply(x, matrix, bias, &mut y);
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size_is_right(
        rows in 0usize..40,
        input in 1usize..500,
        out in 0usize..100,
        biased: bool,
    ) {
        let (x, weight) = (numbers(rows * input, 1), numbers(out * input, 2));
        let bias = biased.then(|| numbers(out, 3));
        let matrix = PackedMatrix::pack(&weight, out, input);
        let y = multiplied(&x, &matrix, bias.as_deref(), rows);
        assert_close(&y, &product(&x, &weight, bias.as_deref(), input), 3e-5);
    }
}

#[test]
fn several_stretches_chunks_and_threads() {
    for (rows, input, out) in [(500, 1000, 70), (3, 3072, 768), (250, 385, 2000), (1, 769, 5000)] {
        let (x, weight, bias) =
            (numbers(rows * input, 1), numbers(out * input, 2), numbers(out, 3));
        let matrix = PackedMatrix::pack(&weight, out, input);
        let y = on_any_threads(|| multiplied(&x, &matrix, Some(&bias), rows));
        assert_close(&y, &product(&x, &weight, Some(&bias), input), 5e-5);
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let (rows, input, out) = (260, 800, 333);
    let (x, bias) = (numbers(rows * input, 1), numbers(out, 3));
    let matrix = PackedMatrix::pack(&numbers(out * input, 2), out, input);
    let all = multiplied(&x, &matrix, Some(&bias), rows);
    for count in [1, 2, 3, 5, 7, 11, 12, 13, 25, 100, 241] {
        for first in [0, 19] {
            let some =
                multiplied(&x[first * input..][..count * input], &matrix, Some(&bias), count);
            assert_eq!(bits(&some), bits(&all[first * out..][..count * out]), "{count} rows");
        }
    }
}

#[test]
fn no_input_leaves_the_bias() {
    let matrix = PackedMatrix::pack(&[], 3, 0);
    assert_eq!(multiplied(&[], &matrix, Some(&[1.0, 2.0, 3.0]), 2), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
}

#[test]
fn extremes_stay_in_their_row_and_column() {
    let (rows, input, out) = (30, 64, 50);
    let (mut x, mut weight) = (numbers(rows * input, 1), numbers(out * input, 2));
    let right = multiplied(&x, &PackedMatrix::pack(&weight, out, input), None, rows);
    x[7 * input + 3] = f32::INFINITY;
    x[9 * input + 3] = f32::NAN;
    weight[20 * input + 5] = f32::NEG_INFINITY;
    let y = multiplied(&x, &PackedMatrix::pack(&weight, out, input), None, rows);
    for row in 0..rows {
        for column in 0..out {
            let (got, right) = (y[row * out + column], right[row * out + column]);
            if row == 7 || row == 9 || column == 20 {
                assert!(!got.is_finite());
            } else {
                assert_eq!(got.to_bits(), right.to_bits());
            }
        }
    }
}

#[test]
#[should_panic(expected = "y is [2, 3]")]
fn sizes_are_checked() {
    let matrix = PackedMatrix::pack(&[0.0; 12], 3, 4);
    multiply(&[0.0; 8], &matrix, None, &mut [0.0; 5]);
}
