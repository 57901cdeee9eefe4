//! Every instruction set that this processor has gives right results, and products with and without
//! AVX-512 the same bits. One test, since the choice is the whole process's.

mod support;

use half::{bf16, f16};
use support::{assert_close, bits, numbers, product};
use vene_kernels::{
    Activation, InstructionSet, PackedMatrix, Path, Quanta, Query, Shape, Slopes, activate, attend,
    layer_norm, log_sum_exp_gather, multiply,
};

/// Matrices of half precision and quantised ones, each with that of the numbers that it stands for.
fn stored_forms(weight: &[f32], out: usize, input: usize) -> Vec<(PackedMatrix, PackedMatrix)> {
    let floats = |weight: Vec<f32>| PackedMatrix::pack(&weight, out, input);
    let halves: Vec<f16> = weight.iter().map(|weight| f16::from_f32(*weight)).collect();
    let brains: Vec<bf16> = weight.iter().map(|weight| bf16::from_f32(*weight)).collect();
    let code = |row: usize, at: usize| ((row * 7 + at * 5) % 16) as i8 - 8;
    let quantised = |sixteen_from| {
        let quanta = Quanta { group: 16, sixteen_from, has_offsets: true };
        PackedMatrix::pack_quantised(quanta, out, input, |row, into| {
            into.codes.iter_mut().enumerate().for_each(|(at, into)| *into = code(row, at));
            into.scales.fill(0.1 * row as f32);
            into.offsets.fill(0.3);
        })
    };
    let of_codes = (0..out * input).map(|index| {
        f32::from(code(index / input, index % input)) * (0.1 * (index / input) as f32) + 0.3
    });
    let of_codes: Vec<f32> = of_codes.collect();
    vec![
        (
            PackedMatrix::pack_halves(&halves, out, input),
            floats(halves.iter().map(|half| half.to_f32()).collect()),
        ),
        (
            PackedMatrix::pack_brains(&brains, out, input),
            floats(brains.iter().map(|brain| brain.to_f32()).collect()),
        ),
        (quantised(None), floats(of_codes.clone())),
        (quantised(Some(-8)), floats(of_codes)),
    ]
}

#[test]
fn every_instruction_set_agrees() {
    let (rows, input, out) = (19, 400, 77);
    let (x, weight, bias) = (numbers(rows * input, 1), numbers(out * input, 2), numbers(out, 3));
    let matrix = PackedMatrix::pack(&weight, out, input);
    let right = product(&x, &weight, Some(&bias), input);
    let of_heads = [0.5, 0.25, 0.1, 0.03];
    let shape = Shape {
        heads: 4,
        key_value_heads: 2,
        head_dim: 50,
        score_scale: 0.3,
        soft_cap: Some(5.0),
        slopes: Some(Slopes { of_heads: &of_heads, rounded: None }),
        sinks: Some(&[0.5, -1.0, 2.0, 0.0]),
    };
    let key_rows: Vec<u32> = (0..19).collect();
    let queries: Vec<Query> = (0..19).map(|i| Query { row: i, position: i }).collect();
    let stored = stored_forms(&weight, out, input);
    let mut first: Option<[Vec<f32>; 4]> = None;
    for set in InstructionSet::ALL {
        let used = set.limit();
        assert_eq!(InstructionSet::detect(), used);
        for count in 1..=rows {
            let mut y = vec![f32::NAN; count * out];
            multiply(&x[..count * input], &matrix, Some(&bias), &mut y);
            assert_close(&y, &right[..count * out], 1e-5);
        }
        for (stored, widened) in &stored {
            for count in [1, rows] {
                let product = |matrix| {
                    let mut y = vec![f32::NAN; count * out];
                    multiply(&x[..count * input], matrix, None, &mut y);
                    bits(&y)
                };
                assert_eq!(product(stored), product(widened), "{used:?}");
            }
        }
        let mut product = vec![f32::NAN; rows * out];
        multiply(&x, &matrix, Some(&bias), &mut product);
        let mut normed = vec![f32::NAN; rows * input];
        layer_norm(&x, &x[..input], None, 1e-5, &mut normed);
        activate(&mut normed, Activation::GeluExact);
        let mut attended = vec![f32::NAN; 19 * 200];
        let path = Path { rows: &key_rows, queries: &queries };
        let (queries, keys, values) = (&x[..19 * 200], &x[200..2100], &x[2100..4000]);
        attend(queries, keys, values, &shape, Some(7), &[path], &mut attended);
        let (mut gathered, mut normalisers) = (vec![f32::NAN; rows], vec![f64::NAN; rows]);
        log_sum_exp_gather(&x, &matrix, Some(9.0), &[76], &mut gathered, &mut normalisers);
        gathered.extend(normalisers.iter().map(|&x| x as f32));
        let results = [product, normed, attended, gathered];
        let first = first.get_or_insert_with(|| results.clone());
        for (result, first) in results.iter().zip(first.iter()) {
            let first: Vec<f64> = first.iter().map(|&x| x as f64).collect();
            assert_close(result, &first, 2e-5);
        }
        if used != InstructionSet::Portable {
            assert_eq!(bits(&results[0]), bits(&first[0]));
            assert_eq!(bits(&results[1]), bits(&first[1]));
        }
    }
}
