//! The time of each kernel at the sizes of GPT-2 small and SmolLM2, alone and with company:
//! `cargo bench -p vene-kernels`.
#![allow(missing_docs)] // of what criterion's macros make

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vene_kernels::{
    Activation, PackedMatrix, Pairing, Path, Query, RotaryTable, Shape, activate, activate_gated,
    add, attend, gather_logits, layer_norm, log_sum_exp_gather, multiply, multiply_transposed,
    root_mean_square_norm, rotate, soft_cap,
};

const ROWS: [usize; 4] = [1, 8, 64, 360];

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect()
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for (input, out) in [(768, 768), (768, 3072), (3072, 768), (576, 192), (768, 50257)] {
        let matrix = PackedMatrix::pack(&numbers(input * out), out, input);
        for rows in ROWS {
            let (x, mut y) = (numbers(rows * input), vec![0.0; rows * out]);
            group.throughput(Throughput::Elements(2 * (rows * input * out) as u64));
            group.bench_function(BenchmarkId::new(format!("{input}x{out}"), rows), |bencher| {
                bencher.iter(|| multiply(&x, &matrix, None, &mut y));
            });
            let mut back = vec![0.0; rows * input];
            let name = format!("{input}x{out} transposed");
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| multiply_transposed(&y, &matrix, &mut back));
            });
        }
    }
}

fn unembeddings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unembedding");
    group.sample_size(20);
    let (input, out) = (768, 50257);
    let matrix = PackedMatrix::pack(&numbers(input * out), out, input);
    let tokens = [11, 42000];
    for rows in ROWS {
        let x = numbers(rows * input);
        let (mut gathered, mut normalisers) = (vec![0.0; 2 * rows], vec![0.0; rows]);
        group.bench_function(BenchmarkId::new("log_sum_exp_gather", rows), |bencher| {
            bencher.iter(|| {
                log_sum_exp_gather(&x, &matrix, None, &tokens, &mut gathered, &mut normalisers)
            });
        });
        group.bench_function(BenchmarkId::new("gather_logits", rows), |bencher| {
            bencher.iter(|| gather_logits(&x, &matrix, None, &tokens, &mut gathered));
        });
    }
}

/// `paths` runs of `length` positions whose last `asked` ask; all before those is shared.
fn attentions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention");
    for (heads, key_value_heads) in [(12, 12), (9, 3)] {
        for (paths, asked, length) in [(2000, 1, 6), (1000, 2, 20), (16, 64, 128), (1, 1024, 1024)]
        {
            let shape = Shape {
                heads,
                key_value_heads,
                head_dim: 64,
                score_scale: 0.125,
                soft_cap: None,
                slopes: None,
                sinks: None,
            };
            let shared = length - asked;
            let runs: Vec<(Vec<u32>, Vec<Query>)> = (0..paths)
                .map(|path| {
                    let own = shared + path * asked;
                    let rows = (0..shared).chain(own..own + asked).map(|row| row as u32).collect();
                    let query = |i: usize| Query {
                        row: (path * asked + i) as u32,
                        position: (shared + i) as u32,
                    };
                    (rows, (0..asked).map(query).collect())
                })
                .collect();
            let paths_list: Vec<Path<'_>> =
                runs.iter().map(|(rows, queries)| Path { rows, queries }).collect();
            let queries = numbers(paths * asked * heads * 64);
            let keys = numbers((shared + paths * asked) * key_value_heads * 64);
            let mut out = vec![0.0; queries.len()];
            let name = format!("{heads} heads on {key_value_heads}");
            let size = format!("{paths} paths, {asked} of {length} positions");
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| {
                    attend(&queries, &keys, &keys, &shape, None, &paths_list, &mut out);
                });
            });
        }
    }
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    let (rows, width) = (360, 768);
    let (x, weight) = (numbers(rows * width), numbers(width));
    let mut y = x.clone();
    group.throughput(Throughput::Elements((rows * width) as u64));
    group.bench_function("layer_norm", |bencher| {
        bencher.iter(|| layer_norm(&x, &weight, Some(&weight), 1e-5, &mut y));
    });
    group.bench_function("root_mean_square_norm", |bencher| {
        bencher.iter(|| root_mean_square_norm(&x, &weight, 1e-5, &mut y));
    });
    group.bench_function("root_mean_square_norm of heads", |bencher| {
        bencher.iter(|| root_mean_square_norm(&x, &weight[..64], 1e-5, &mut y));
    });
    let table = RotaryTable::new(&[0.1; 32], rows);
    let positions: Vec<u32> = (0..rows as u32).collect();
    group.bench_function("rotate", |bencher| {
        bencher.iter(|| rotate(&mut y, 64, &positions, &table, Pairing::Halves));
    });
    group.bench_function("add", |bencher| bencher.iter(|| add(&x, &x, &mut y)));
    group.bench_function("soft_cap", |bencher| bencher.iter(|| soft_cap(&mut y, 30.0)));
}

fn activations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("activation");
    let x = numbers(360 * 3072);
    let mut y = x.clone();
    group.throughput(Throughput::Elements(x.len() as u64));
    for activation in
        [Activation::GeluExact, Activation::GeluTanh, Activation::Silu, Activation::Relu]
    {
        // The copy keeps the numbers what they are; it is in the time.
        group.bench_function(format!("{activation:?}"), |bencher| {
            bencher.iter(|| {
                y.copy_from_slice(&x);
                activate(&mut y, activation);
            });
        });
        group.bench_function(format!("{activation:?} gated"), |bencher| {
            bencher.iter(|| {
                y.copy_from_slice(&x);
                activate_gated(&mut y, &x, activation);
            });
        });
    }
}

criterion_group!(kernels, products, unembeddings, attentions, rows, activations);
criterion_main!(kernels);
