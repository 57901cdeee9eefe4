//! Every instruction set that this processor has gives right results, and products with and without
//! AVX-512 the same bits. One test, since the choice is the whole process's.

mod support;

use support::{assert_close, bits, numbers, product};
use vene_kernels::{
    Activation, InstructionSet, PackedMatrix, Path, Query, Shape, activate, attend, layer_norm,
    log_sum_exp_gather, multiply,
};

#[test]
fn every_instruction_set_agrees() {
    let (rows, input, out) = (19, 400, 77);
    let (x, weight, bias) = (numbers(rows * input, 1), numbers(out * input, 2), numbers(out, 3));
    let matrix = PackedMatrix::pack(&weight, out, input);
    let right = product(&x, &weight, Some(&bias), input);
    let shape =
        Shape { heads: 4, key_value_heads: 2, head_dim: 50, score_scale: 0.3, soft_cap: Some(5.0) };
    let key_rows: Vec<u32> = (0..19).collect();
    let queries: Vec<Query> = (0..19).map(|i| Query { row: i, position: i }).collect();
    let mut first: Option<[Vec<f32>; 4]> = None;
    for set in InstructionSet::ALL {
        let used = set.limit();
        assert_eq!(InstructionSet::detect(), used);
        for count in 1..=rows {
            let mut y = vec![f32::NAN; count * out];
            multiply(&x[..count * input], &matrix, Some(&bias), &mut y);
            assert_close(&y, &right[..count * out], 1e-5);
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
