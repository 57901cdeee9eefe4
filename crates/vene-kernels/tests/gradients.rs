//! Gradients against differences of the formulas in f64, and the promises on bits.

#![allow(clippy::unwrap_used)]

mod support;

use std::ops::RangeInclusive;

use proptest::prelude::*;
use support::{assert_close, bits, numbers, on_any_threads};
use vene_kernels::ranking::Standing;
use vene_kernels::{
    Activation, AttentionGradient, CrossEntropy, PackedMatrix, Path, Query, Shape, Slopes,
    activate_gated_gradient, activate_gradient, attend_gradient, cross_entropy,
    layer_norm_gradient, multiply_transposed, root_mean_square_norm_gradient,
};

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The gradient of `function` at `x` by differences.
fn by_differences(x: &[f32], function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let (step, mut x) = (1e-5, double(x));
    let mut gradient = Vec::with_capacity(x.len());
    for index in 0..x.len() {
        let here = x[index];
        x[index] = here + step;
        let above = function(&x);
        x[index] = here - step;
        gradient.push((above - function(&x)) / (2.0 * step));
        x[index] = here;
    }
    gradient
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_of_any_size_go_back(
        rows in 0usize..40,
        input in 0usize..300,
        out in 0usize..200,
    ) {
        let (y, weight) = (numbers(rows * out, 1), numbers(out * input, 2));
        let matrix = PackedMatrix::pack(&weight, out, input);
        let mut x = vec![f32::NAN; rows * input];
        multiply_transposed(&y, &matrix, &mut x);
        let mut right = vec![0.0; rows * input];
        for row in 0..rows {
            for column in 0..out {
                let factor = f64::from(y[row * out + column]);
                for index in 0..input {
                    right[row * input + index] +=
                        factor * f64::from(weight[column * input + index]);
                }
            }
        }
        assert_close(&x, &right, 3e-5);
    }
}

#[test]
fn products_of_nothing_go_back() {
    for (rows, input, out) in [(3, 0, 7), (0, 4, 7), (3, 4, 0), (0, 0, 0), (2, 0, 64)] {
        let matrix = PackedMatrix::pack(&vec![1.0; out * input], out, input);
        let mut x = vec![f32::NAN; rows * input];
        multiply_transposed(&vec![1.0; rows * out], &matrix, &mut x);
        assert_eq!(x, vec![0.0; rows * input]);
    }
}

#[test]
fn products_go_back_to_the_same_bits_whoever_rides_along() {
    let (rows, input, out) = (130, 579, 1500);
    let y = numbers(rows * out, 1);
    let matrix = PackedMatrix::pack(&numbers(out * input, 2), out, input);
    let back = |y: &[f32]| {
        let mut x = vec![0.0; y.len() / out * input];
        multiply_transposed(y, &matrix, &mut x);
        x
    };
    let all = on_any_threads(|| back(&y));
    for (first, count) in [(0, 1), (3, 2), (10, 7), (129, 1)] {
        let some = back(&y[first * out..][..count * out]);
        assert_eq!(bits(&some), bits(&all[first * input..][..count * input]));
    }
}

#[test]
fn norms() {
    for (rows, heads, width) in [(3, 1, 40), (2, 3, 16), (1, 2, 7)] {
        let count = rows * heads * width;
        let (x, gradient, weight) = (numbers(count, 1), numbers(count, 2), numbers(width, 3));
        let normed = |x: &[f64], centred: bool| -> Vec<f64> {
            let stretch = |x: &[f64]| -> Vec<f64> {
                let count = x.len() as f64;
                let mean = if centred { x.iter().sum::<f64>() / count } else { 0.0 };
                let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                let scale = (square + 1e-3).sqrt();
                x.iter().zip(&weight).map(|(x, &w)| (x - mean) / scale * f64::from(w)).collect()
            };
            x.chunks(width).flat_map(stretch).collect()
        };
        let mut out = vec![0.0; count];
        layer_norm_gradient(&x, &weight, 1e-3, &gradient, &mut out);
        assert_close(&out, &by_differences(&x, |x| dot(&normed(x, true), &gradient)), 2e-5);
        root_mean_square_norm_gradient(&x, &weight, 1e-3, &gradient, &mut out);
        assert_close(&out, &by_differences(&x, |x| dot(&normed(x, false), &gradient)), 2e-5);
    }
}

/// Alone they are checked beside their formulas; here that the gate's and the up's are theirs.
#[test]
fn gates() {
    let count = 5000;
    let gate: Vec<f32> = numbers(count, 1).iter().map(|x| 4.0 * x).collect();
    let (up, gradient) = (numbers(count, 2), numbers(count, 3));
    for activation in [
        Activation::GeluExact,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::GeluQuick,
        Activation::Mish,
        Activation::ReluSquared,
        Activation::Relu6,
        Activation::ReluLeaky,
        Activation::Linear,
    ] {
        let (mut of_gate, mut of_up) = (vec![0.0; count], vec![0.0; count]);
        activate_gated_gradient(&gate, &up, activation, &gradient, &mut of_gate, &mut of_up);
        let mut alone: Vec<f32> = gradient.iter().zip(&up).map(|(g, u)| g * u).collect();
        activate_gradient(&gate, activation, &mut alone);
        assert_close(&of_gate, &double(&alone), 1e-6);
        let mut value = gate.clone();
        vene_kernels::activate(&mut value, activation);
        let expected: Vec<f64> =
            value.iter().zip(&gradient).map(|(&v, &g)| f64::from(v) * f64::from(g)).collect();
        assert_close(&of_up, &expected, 1e-6);
    }
}

/// Two runs that share a prefix of three constant rows.
struct Shared<'a> {
    shape: Shape<'a>,
    window: Option<usize>,
}

impl Shared<'_> {
    const FIRST: usize = 3;
    const ROWS: usize = 7;
    const QUERY_ROWS: usize = 4;

    fn paths() -> [(Vec<u32>, Vec<Query>); 2] {
        let query = |row, position| Query { row, position };
        [
            (vec![0, 1, 3, 4], vec![query(0, 2), query(1, 3)]),
            (vec![0, 1, 2, 5, 6], vec![query(3, 3), query(2, 4)]),
        ]
    }

    fn widths(&self) -> (usize, usize) {
        let Shape { heads, key_value_heads, head_dim, .. } = self.shape;
        (heads * head_dim, key_value_heads * head_dim)
    }

    /// The mixed values by the formula.
    fn attended(&self, queries: &[f64], keys: &[f64], values: &[f64]) -> Vec<f64> {
        let Shape { heads, key_value_heads, head_dim, score_scale, soft_cap, slopes, sinks } =
            self.shape;
        let (width, key_width) = self.widths();
        let mut out = vec![0.0; Self::QUERY_ROWS * width];
        for (rows, asked) in Self::paths() {
            for Query { row, position } in asked {
                let end = position as usize + 1;
                let seen = &rows[end.saturating_sub(self.window.unwrap_or(end))..end];
                for head in 0..heads {
                    let own = row as usize * width + head * head_dim;
                    let key_head = head / (heads / key_value_heads) * head_dim;
                    let at = |row: u32, d: usize| row as usize * key_width + key_head + d;
                    let mut scores: Vec<f64> = seen
                        .iter()
                        .map(|&row| {
                            let dot: f64 =
                                (0..head_dim).map(|d| queries[own + d] * keys[at(row, d)]).sum();
                            let score = dot * f64::from(score_scale);
                            soft_cap.map_or(score, |cap| {
                                f64::from(cap) * (score / f64::from(cap)).tanh()
                            })
                        })
                        .collect();
                    let slope = slopes.map_or(0.0, |slopes| f64::from(slopes.of_heads[head]));
                    let last = scores.len() - 1;
                    for (index, score) in scores.iter_mut().enumerate() {
                        *score -= slope * (last - index) as f64;
                    }
                    let sink = sinks.map(|sinks| f64::from(sinks[head]));
                    let sum: f64 = scores.iter().copied().chain(sink).map(f64::exp).sum();
                    for d in 0..head_dim {
                        out[own + d] = (seen.iter().zip(&scores))
                            .map(|(&row, score)| score.exp() / sum * values[at(row, d)])
                            .sum();
                    }
                }
            }
        }
        out
    }
}

#[test]
fn attention() {
    for (group, head_dim, soft_cap, window, has_terms) in [
        (1, 8, None, None, false),
        (3, 5, Some(1.5), None, false),
        (2, 16, None, Some(2), false),
        (3, 6, None, None, true),
        (1, 8, Some(1.5), Some(2), true),
    ] {
        let heads = 2 * group;
        let (of_heads, sinks) = (numbers(heads, 5), numbers(heads, 6));
        let shape = Shape {
            heads,
            key_value_heads: 2,
            head_dim,
            score_scale: 0.7,
            soft_cap,
            slopes: has_terms.then_some(Slopes { of_heads: &of_heads, rounded: None }),
            sinks: has_terms.then_some(&sinks),
        };
        let case = Shared { shape, window };
        let (width, key_width) = case.widths();
        let queries = numbers(Shared::QUERY_ROWS * width, 1);
        let keys = numbers(Shared::ROWS * key_width, 2);
        let values = numbers(Shared::ROWS * key_width, 3);
        let gradient = numbers(queries.len(), 4);
        let paths = Shared::paths();
        let paths: Vec<Path<'_>> =
            paths.iter().map(|(rows, queries)| Path { rows, queries }).collect();
        let live = (Shared::ROWS - Shared::FIRST) * key_width;
        let found = on_any_threads(|| {
            let mut all = vec![f32::NAN; queries.len() + 2 * live];
            let (of_queries, rest) = all.split_at_mut(queries.len());
            let (of_keys, of_values) = rest.split_at_mut(live);
            let to = AttentionGradient { of_queries, of_keys, of_values, first: Shared::FIRST };
            attend_gradient(&queries, &keys, &values, &shape, window, &paths, &gradient, to);
            all
        });
        let (q, k, v) = (double(&queries), double(&keys), double(&values));
        let mut right = by_differences(&queries, |q| dot(&case.attended(q, &k, &v), &gradient));
        let constant = Shared::FIRST * key_width;
        let of_keys = by_differences(&keys, |k| dot(&case.attended(&q, k, &v), &gradient));
        right.extend(&of_keys[constant..]);
        let of_values = by_differences(&values, |v| dot(&case.attended(&q, &k, v), &gradient));
        right.extend(&of_values[constant..]);
        assert_close(&found, &right, 2e-5);
    }
}

#[test]
#[should_panic(expected = "row 3 is in two paths")]
fn a_row_that_is_no_constant_has_one_path() {
    let shape = Shape {
        heads: 1,
        key_value_heads: 1,
        head_dim: 1,
        score_scale: 1.0,
        soft_cap: None,
        slopes: None,
        sinks: None,
    };
    let rows = [0, 3];
    let queries = [0, 1].map(|row| [Query { row, position: 1 }]);
    let paths = queries.each_ref().map(|queries| Path { rows: &rows, queries });
    let (mut of_queries, mut of_keys, mut of_values) = ([0.0; 2], [0.0; 3], [0.0; 3]);
    let to = AttentionGradient {
        of_queries: &mut of_queries,
        of_keys: &mut of_keys,
        of_values: &mut of_values,
        first: 1,
    };
    attend_gradient(&[0.0; 2], &[0.0; 4], &[0.0; 4], &shape, None, &paths, &[0.0; 2], to);
}

#[test]
fn the_unembeddings_cross_entropy() {
    let (rows, input, out) = (6, 11, 77);
    let (x, weight) = (numbers(rows * input, 1), numbers(out * input, 2));
    let matrix = PackedMatrix::pack(&weight, out, input);
    let targets: Vec<u32> = (0..rows as u32).map(|row| (row * 31 + 5) % 77).collect();
    for soft_cap in [None, Some(1.2)] {
        let losses = |x: &[f64]| -> Vec<(f64, RangeInclusive<usize>)> {
            x.chunks(input)
                .zip(&targets)
                .map(|(x, &target)| {
                    let logits: Vec<f64> = weight
                        .chunks(input)
                        .map(|weights| {
                            let logit = dot(x, weights);
                            soft_cap.map_or(logit, |cap: f32| {
                                f64::from(cap) * (logit / f64::from(cap)).tanh()
                            })
                        })
                        .collect();
                    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                    let own = logits[target as usize];
                    // What is nearer than single precision tells apart may count or not.
                    let larger = |by: f64| logits.iter().filter(|&&logit| logit > own + by).count();
                    (sum.ln() - own, larger(1e-4)..=larger(-1e-4))
                })
                .collect()
        };
        let (mut found, mut standings) = (vec![0.0; rows], vec![Standing::default(); rows]);
        let mut gradient = vec![0.0; x.len()];
        let to = CrossEntropy {
            losses: &mut found,
            standings: &mut standings,
            gradient: Some(&mut gradient),
        };
        cross_entropy(&x, &matrix, soft_cap, &targets, to);
        let right = losses(&double(&x));
        assert_close(&found, &right.iter().map(|(loss, _)| *loss).collect::<Vec<_>>(), 1e-5);
        for (standing, (_, larger)) in standings.iter().zip(&right) {
            assert!(larger.contains(&standing.larger), "{standing:?}, not {larger:?}");
        }
        let sum = |x: &[f64]| losses(x).iter().map(|(loss, _)| loss).sum();
        assert_close(&gradient, &by_differences(&x, sum), 1e-5);
    }
}
