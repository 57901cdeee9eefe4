//! Attention over paths against the formula in f64.

mod support;

use proptest::prelude::*;
use support::{assert_close, bits, numbers, on_any_threads};
use vene_kernels::{Path, Query, Shape, Slopes, attend};

/// A case: shape, window, and paths with owned rows.
#[derive(Clone, Debug)]
struct Case {
    shape: Shape<'static>,
    heads: Heads,
    window: Option<usize>,
    rows: usize,
    query_rows: usize,
    paths: Vec<(Vec<u32>, Vec<Query>)>,
}

/// What each query head has, where heads have it at all.
#[derive(Clone, Debug, Default)]
struct Heads {
    slopes: Option<Vec<f32>>,
    rounded: Option<f32>,
    sinks: Option<Vec<f32>>,
}

impl Heads {
    fn drawn(heads: usize, slopes: bool, rounded: Option<f32>, sinks: bool) -> Self {
        let slope = |x: &f32| support::brain(x.abs());
        Self {
            slopes: slopes.then(|| numbers(heads, 4).iter().map(slope).collect()),
            rounded,
            sinks: sinks.then(|| numbers(heads, 5)),
        }
    }

    fn shape<'a>(&'a self, shape: Shape<'a>) -> Shape<'a> {
        let slopes = self.slopes.as_ref();
        let slopes = slopes.map(|of_heads| Slopes { of_heads, rounded: self.rounded });
        Shape { slopes, sinks: self.sinks.as_deref(), ..shape }
    }

    /// By how much a key's score is lower than that of the query's own position.
    fn fall(&self, head: usize, query: usize, key: usize) -> f64 {
        let Some(slopes) = &self.slopes else { return 0.0 };
        match self.rounded {
            None => f64::from(slopes[head]) * (query - key) as f64,
            Some(factor) => {
                let at = |place: usize| support::brain(slopes[head] * support::brain(place as f32));
                f64::from(factor) * (f64::from(at(query)) - f64::from(at(key)))
            }
        }
    }
}

impl Case {
    fn tensors(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let key_width = self.shape.key_value_heads * self.shape.head_dim;
        let query_width = self.shape.heads * self.shape.head_dim;
        let mut queries = numbers(self.query_rows * query_width, 1);
        queries.iter_mut().for_each(|x| *x *= 4.0);
        (queries, numbers(self.rows * key_width, 2), numbers(self.rows * key_width, 3))
    }

    fn attend(&self) -> Vec<f32> {
        let (queries, keys, values) = self.tensors();
        let paths: Vec<Path<'_>> =
            self.paths.iter().map(|(rows, queries)| Path { rows, queries }).collect();
        let mut out = vec![0.0; queries.len()];
        let shape = self.heads.shape(self.shape);
        attend(&queries, &keys, &values, &shape, self.window, &paths, &mut out);
        out
    }

    fn formula(&self) -> Vec<f64> {
        let Shape { heads, key_value_heads, head_dim, score_scale, soft_cap, .. } = self.shape;
        let (queries, keys, values) = self.tensors();
        let mut out = vec![0.0; queries.len()];
        for (rows, asked) in &self.paths {
            for query in asked {
                let end = query.position as usize + 1;
                let start = end.saturating_sub(self.window.unwrap_or(end));
                for head in 0..heads {
                    let key_head = head / (heads / key_value_heads);
                    let at = |position: usize, dimension: usize| {
                        (rows[position] as usize * key_value_heads + key_head) * head_dim
                            + dimension
                    };
                    let own = (query.row as usize * heads + head) * head_dim;
                    let scores: Vec<f64> = (start..end)
                        .map(|position| {
                            let dot: f64 = (0..head_dim)
                                .map(|d| queries[own + d] as f64 * keys[at(position, d)] as f64)
                                .sum();
                            let score = dot * score_scale as f64;
                            let score = soft_cap
                                .map_or(score, |cap| cap as f64 * (score / cap as f64).tanh());
                            score - self.heads.fall(head, query.position as usize, position)
                        })
                        .collect();
                    let sink = self.heads.sinks.as_ref().map(|sinks| f64::from(sinks[head]));
                    let all = || scores.iter().copied().chain(sink);
                    let top = all().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = all().map(|score| (score - top).exp()).sum();
                    for d in 0..head_dim {
                        out[own + d] = (start..end)
                            .zip(&scores)
                            .map(|(position, score)| {
                                (score - top).exp() / sum * values[at(position, d)] as f64
                            })
                            .sum();
                    }
                }
            }
        }
        out
    }
}

fn shape(heads: usize, group: usize, head_dim: usize, soft_cap: Option<f32>) -> Shape<'static> {
    Shape {
        heads: heads * group,
        key_value_heads: heads,
        head_dim,
        score_scale: (head_dim as f32).powf(-0.5),
        soft_cap,
        slopes: None,
        sinks: None,
    }
}

prop_compose! {
    fn case()(
        heads in 1usize..4,
        group in 1usize..5,
        head_dim in prop_oneof![Just(64usize), 1usize..100],
        soft_cap in prop_oneof![Just(None), Just(Some(2.0f32))],
        window in prop_oneof![Just(None), (1usize..30).prop_map(Some)],
        has_slopes in any::<bool>(),
        rounded in prop_oneof![Just(None), Just(Some(0.4f32))],
        has_sinks in any::<bool>(),
        lengths in prop::collection::vec((1usize..70, any::<u64>()), 1..6),
    ) -> Case {
        let mut paths = Vec::new();
        let mut query_rows = 0;
        for (length, mask) in lengths {
            let rows = (0..length).map(|i| ((i as u64 * 7 + mask % 13) % 101) as u32).collect();
            let queries = (0..length)
                .filter(|i| mask >> (i % 64) & 1 == 1)
                .map(|position| {
                    query_rows += 1;
                    Query { row: query_rows - 1, position: position as u32 }
                })
                .collect();
            paths.push((rows, queries));
        }
        let shape = shape(heads, group, head_dim, soft_cap);
        let heads = Heads::drawn(shape.heads, has_slopes, rounded, has_sinks);
        Case { shape, heads, window, rows: 101, query_rows: query_rows as usize, paths }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_the_formula(case in case()) {
        assert_close(&case.attend(), &case.formula(), 3e-6);
    }

    #[test]
    fn a_query_does_not_depend_on_the_others(case in case()) {
        let all = case.attend();
        let width = case.shape.heads * case.shape.head_dim;
        for (rows, queries) in &case.paths {
            for &query in queries {
                let alone = Case { paths: vec![(rows.clone(), vec![query])], ..case.clone() };
                let row = query.row as usize * width..(query.row as usize + 1) * width;
                assert_eq!(bits(&alone.attend()[row.clone()]), bits(&all[row]));
            }
        }
    }
}

fn sequence(length: usize, first: u32) -> (Vec<u32>, Vec<Query>) {
    let queries = (0..length as u32).map(|i| Query { row: first + i, position: i }).collect();
    ((0..length as u32).collect(), queries)
}

#[test]
fn long_and_many() {
    let long = Case {
        shape: shape(2, 3, 64, None),
        heads: Heads::drawn(6, true, Some(0.1), true),
        window: None,
        rows: 300,
        query_rows: 300,
        paths: vec![sequence(300, 0)],
    };
    assert_close(&on_any_threads(|| long.attend()), &long.formula(), 3e-6);
    let many = Case {
        shape: shape(3, 1, 64, None),
        heads: Heads::default(),
        window: Some(5),
        rows: 1000,
        query_rows: 990,
        paths: (0..990)
            .map(|i| ((0..8).chain([i + 10]).collect(), vec![Query { row: i, position: 8 }]))
            .collect(),
    };
    assert_close(&on_any_threads(|| many.attend()), &many.formula(), 3e-6);
}

#[test]
fn what_a_query_may_not_see_never_reaches_it() {
    let shape = shape(1, 1, 16, None);
    let queries = numbers(8 * 16, 1);
    let (mut keys, mut values) = (numbers(8 * 16, 2), numbers(8 * 16, 3));
    let (rows, asked) = sequence(8, 0);
    let run = |keys: &[f32], values: &[f32]| {
        let mut out = vec![0.0; 8 * 16];
        let path = Path { rows: &rows, queries: &asked };
        attend(&queries, keys, values, &shape, Some(3), &[path], &mut out);
        out
    };
    let right = run(&keys, &values);
    keys[4 * 16] = f32::NAN;
    values[4 * 16 + 1] = f32::INFINITY;
    let got = run(&keys, &values);
    assert_eq!(bits(&got[..4 * 16]), bits(&right[..4 * 16]));
    assert!(got[4 * 16].is_nan());
    assert_eq!(bits(&got[7 * 16..]), bits(&right[7 * 16..]));
}

#[test]
fn a_hidden_key_gets_no_weight() {
    // A score of -inf is a weight of 0.
    let shape = Shape { score_scale: 1.0, ..shape(1, 1, 1, None) };
    let queries = [Query { row: 0, position: 1 }];
    let path = Path { rows: &[0, 1], queries: &queries };
    let mut out = [0.0];
    let keys = [f32::NEG_INFINITY, 88.0];
    attend(&[1.0], &keys, &[5.0, 7.0], &shape, None, &[path], &mut out);
    assert_eq!(out, [7.0]);
}

#[test]
fn a_sink_takes_its_share_and_may_take_all() {
    let queries = [Query { row: 0, position: 1 }];
    let path = Path { rows: &[0, 1], queries: &queries };
    let share = |sink: f32| {
        let (mut out, sinks) = ([0.0], [sink]);
        let shape = Shape { score_scale: 1.0, sinks: Some(&sinks), ..shape(1, 1, 1, None) };
        attend(&[1.0], &[0.0, 0.0], &[1.0, 1.0], &shape, None, &[path], &mut out);
        out[0]
    };
    assert_eq!([share(f32::NEG_INFINITY), share(0.0), share(200.0)], [1.0, 2.0 / 3.0, 0.0]);
}
