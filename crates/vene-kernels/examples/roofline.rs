//! How near the products come to what this machine can do: for each shape and number of rows, the
//! speed of ours and of the general product of the `gemm` crate, and the ratio of ours to the best that
//! `gemm` reaches on a large square. All are measured alternately, since other programs share the machine.
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

fn main() {
    let chosen: Vec<usize> =
        std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let rows_list = if chosen.is_empty() { ROWS.to_vec() } else { chosen };
    let seconds = 0.05;
    let side = 2304;
    let (a, b, mut c) = (numbers(side * side), numbers(side * side), vec![0.0; side * side]);
    let mut peak: f64 = 0.0;
    let mut square = || {
        let time = fastest(|| general(&a, &b, &mut c, side, side, side), 0.3);
        2.0 * (side as f64).powi(3) / time / 1e9
    };
    peak = peak.max(square());
    println!("threads {}", rayon::current_num_threads());
    println!(
        "{:>14} {:>5} {:>8} {:>8} {:>7} {:>6} {:>8}",
        "in x out", "rows", "ours", "gemm", "of best", "best", "GB/s"
    );
    for (input, out) in SHAPES {
        let weight = numbers(input * out);
        let matrix = PackedMatrix::pack(&weight, out, input);
        for &rows in &rows_list {
            let x = numbers(rows * input);
            let mut y = vec![0.0; rows * out];
            let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..3 {
                ours = ours.min(fastest(|| multiply(&x, &matrix, None, &mut y), seconds));
                theirs =
                    theirs.min(fastest(|| general(&x, &weight, &mut y, rows, input, out), seconds));
            }
            let speed = |time: f64| 2.0 * (rows * input * out) as f64 / time / 1e9;
            println!(
                "{:>14} {rows:>5} {:>8.1} {:>8.1} {:>6.0}% {peak:>6.0} {:>8.1}",
                format!("{input} x {out}"),
                speed(ours),
                speed(theirs),
                100.0 * speed(ours) / peak,
                4.0 * (input * out) as f64 / ours / 1e9,
            );
        }
        peak = peak.max(square());
    }
}
