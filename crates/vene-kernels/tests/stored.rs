//! Products with weights of half precision, or quantised ones, have the bits of those with the numbers that they stand
//! for.

#![allow(clippy::unwrap_used)]

mod support;

use half::{bf16, f16};
use support::numbers;
use vene_kernels::{
    PackedMatrix, Quanta, gather_logits, log_sum_exp_gather, multiply, multiply_transposed,
};

/// A matrix in a form, and packed of the numbers that it stands for.
struct Case {
    name: String,
    stored: PackedMatrix,
    widened: PackedMatrix,
}

fn quantised(quanta: Quanta, out: usize, input: usize) -> Case {
    let groups = input / quanta.group;
    let code = |row: usize, at: usize| match quanta.sixteen_from {
        Some(smallest) => smallest + ((row * 7 + at * 5 + row * at) % 16) as i8,
        None => ((row * 31 + at * 17 + row * at) % 256) as u8 as i8,
    };
    let scales = numbers(out * groups, 3);
    let offsets = numbers(out * groups, 4);
    let stored = PackedMatrix::pack_quantised(quanta, out, input, |row, into| {
        into.codes.iter_mut().enumerate().for_each(|(at, into)| *into = code(row, at));
        into.scales.copy_from_slice(&scales[row * groups..][..groups]);
        into.offsets.copy_from_slice(&offsets[row * groups..][..groups]);
    });
    let mut widened = vec![0.0; out * input];
    for (row, weights) in widened.chunks_exact_mut(input).enumerate() {
        for (at, weight) in weights.iter_mut().enumerate() {
            let group = row * groups + at / quanta.group;
            *weight = f32::from(code(row, at)) * scales[group];
            if quanta.has_offsets {
                *weight += offsets[group];
            }
        }
    }
    let widened = PackedMatrix::pack(&widened, out, input);
    Case { name: format!("{quanta:?}"), stored, widened }
}

fn cases(out: usize, input: usize) -> Vec<Case> {
    let exact = numbers(out * input, 2);
    let halves: Vec<f16> = exact.iter().map(|value| f16::from_f32(*value)).collect();
    let brains: Vec<bf16> = exact.iter().map(|value| bf16::from_f32(*value)).collect();
    let numbers_of_halves: Vec<f32> = halves.iter().map(|value| value.to_f32()).collect();
    let numbers_of_brains: Vec<f32> = brains.iter().map(|value| value.to_f32()).collect();
    let mut cases = vec![
        Case {
            name: "halves".into(),
            stored: PackedMatrix::pack_halves(&halves, out, input),
            widened: PackedMatrix::pack(&numbers_of_halves, out, input),
        },
        Case {
            name: "brains".into(),
            stored: PackedMatrix::pack_brains(&brains, out, input),
            widened: PackedMatrix::pack(&numbers_of_brains, out, input),
        },
    ];
    for group in [16, 32] {
        for sixteen_from in [None, Some(0), Some(-8)] {
            for has_offsets in [false, true] {
                cases.push(quantised(Quanta { group, sixteen_from, has_offsets }, out, input));
            }
        }
    }
    cases
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn products_have_the_bits_of_widened_weights() {
    // More inputs than a stretch has, and stretches that begin in the middle of a group.
    for (out, input) in [(1, 32), (33, 64), (70, 416), (40, 1184)] {
        for Case { name, stored, widened } in cases(out, input) {
            for rows in [1, 2, 5, 13, 30] {
                let x = numbers(rows * input, 5);
                let bias = numbers(out, 6);
                let product = |matrix: &PackedMatrix| {
                    let mut y = vec![0.0; rows * out];
                    multiply(&x, matrix, Some(&bias), &mut y);
                    bits(&y)
                };
                assert_eq!(product(&stored), product(&widened), "{name}, {rows} x {input} x {out}");
                let y = numbers(rows * out, 7);
                let back = |matrix: &PackedMatrix| {
                    let mut x = vec![0.0; rows * input];
                    multiply_transposed(&y, matrix, &mut x);
                    bits(&x)
                };
                assert_eq!(back(&stored), back(&widened), "{name} back, {rows} x {input} x {out}");
            }
        }
    }
}

#[test]
fn rows_and_unembeddings_have_the_bits_of_widened_weights() {
    let (out, input) = (530, 96);
    for Case { name, stored, widened } in cases(out, input) {
        let row = |matrix: &PackedMatrix, index: usize| {
            let mut row = vec![0.0; input];
            matrix.row(index, &mut row);
            bits(&row)
        };
        for index in [0, 31, 32, 47, 529] {
            assert_eq!(row(&stored, index), row(&widened, index), "{name}, row {index}");
        }
        let (x, tokens) = (numbers(3 * input, 8), [529, 0, 100]);
        let unembedded = |matrix: &PackedMatrix| {
            let (mut all, mut chosen) = (vec![0.0; 9], vec![0.0; 9]);
            let mut normalisers = vec![0.0; 3];
            log_sum_exp_gather(&x, matrix, None, &tokens, &mut all, &mut normalisers);
            gather_logits(&x, matrix, None, &tokens, &mut chosen);
            (bits(&all), bits(&chosen), normalisers)
        };
        assert_eq!(unembedded(&stored), unembedded(&widened), "{name}");
    }
}

#[test]
fn stored_weights_take_the_room_of_their_form() {
    let (out, input) = (64, 256);
    let bytes = |case: &Case| case.stored.bytes() as f64 / (out * input) as f64;
    for case in cases(out, input) {
        let expected = match &case.name {
            name if name == "halves" || name == "brains" => 2.0,
            name => {
                let codes = if name.contains("sixteen_from: None") { 1.0 } else { 0.5 };
                let numbers = if name.contains("has_offsets: true") { 2.0 } else { 1.0 };
                let group = if name.contains("group: 16") { 16.0 } else { 32.0 };
                codes + 4.0 * numbers / group
            }
        };
        assert_eq!(bytes(&case), expected, "{}", case.name);
        assert_eq!(case.widened.bytes(), 4 * out * input);
    }
}
