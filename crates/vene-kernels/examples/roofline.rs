//! How near the products come to what this machine can do: for each shape and number of rows, the
//! speed of ours and of the general product of the `gemm` crate in GFLOP/s, the ratio of ours to
//! the best that `gemm` reaches on a large square, and how fast our weights came. All are measured
//! alternately, since other programs may share the machine.
//!
//! `cargo run --release -p vene-kernels --example roofline [rows...]`

use std::time::Instant;

use vene_kernels::{PackedMatrix, multiply};

const SHAPES: [(usize, usize); 11] = [
    (768, 768),
    (768, 2304),
    (768, 3072),
    (3072, 768),
    (768, 50257),
    (576, 576),
    (576, 192),
    (576, 1536),
    (1536, 576),
    (576, 49152),
    (640, 2048),
];
const ROWS: [usize; 15] = [1, 2, 4, 7, 10, 16, 24, 32, 48, 64, 79, 128, 256, 360, 1000];

/// Side of the square whose speed stands for the machine's.
const SIDE: usize = 3072;

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect()
}

/// `y = x W^T` by `gemm`.
fn general(x: &[f32], weight: &[f32], y: &mut [f32], rows: usize, input: usize, out: usize) {
    assert!(x.len() == rows * input && weight.len() == input * out && y.len() == rows * out);
    // SAFETY: the sizes were checked.
    unsafe {
        gemm::gemm(
            rows,
            out,
            input,
            y.as_mut_ptr(),
            1,
            out as isize,
            false,
            x.as_ptr(),
            1,
            input as isize,
            weight.as_ptr(),
            input as isize,
            1,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

/// The fastest of some runs in seconds.
fn fastest(mut run: impl FnMut(), seconds: f64) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed().as_secs_f64());
    }
    best
}

/// Seconds that a product took, ours and the general one.
struct Measurement {
    input: usize,
    out: usize,
    rows: usize,
    ours: f64,
    theirs: f64,
}

fn main() {
    let chosen: Vec<usize> =
        std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let rows_list = if chosen.is_empty() { ROWS.to_vec() } else { chosen };
    let (a, b, mut c) = (numbers(SIDE * SIDE), numbers(SIDE * SIDE), vec![0.0; SIDE * SIDE]);
    let mut square = f64::INFINITY;
    let mut measurements = Vec::new();
    for (input, out) in SHAPES {
        let weight = numbers(input * out);
        let matrix = PackedMatrix::pack(&weight, out, input);
        square = square.min(fastest(|| general(&a, &b, &mut c, SIDE, SIDE, SIDE), 0.5));
        for &rows in &rows_list {
            let (x, mut y) = (numbers(rows * input), vec![0.0; rows * out]);
            let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..4 {
                ours = ours.min(fastest(|| multiply(&x, &matrix, None, &mut y), 0.03));
                let run = || general(&x, &weight, &mut y, rows, input, out);
                theirs = theirs.min(fastest(run, 0.03));
            }
            measurements.push(Measurement { input, out, rows, ours, theirs });
        }
    }
    let speed = |operations: f64, seconds: f64| operations / seconds / 1e9;
    let peak = speed(2.0 * (SIDE as f64).powi(3), square);
    println!("{SIDE} x {SIDE} x {SIDE} by gemm: {peak:.0} GFLOP/s");
    println!("threads: {}", rayon::current_num_threads());
    println!(
        "{:>14} {:>6} {:>8} {:>8} {:>10} {:>8}",
        "in x out", "rows", "ours", "gemm", "of square", "GB/s"
    );
    for Measurement { input, out, rows, ours, theirs } in measurements {
        let operations = 2.0 * (rows * input * out) as f64;
        println!(
            "{:>14} {rows:>6} {:>8.1} {:>8.1} {:>9.0}% {:>8.1}",
            format!("{input} x {out}"),
            speed(operations, ours),
            speed(operations, theirs),
            100.0 * speed(operations, ours) / peak,
            speed(4.0 * (input * out) as f64, ours),
        );
    }
}
