//! How fast this process multiplies large matrices: the roofline that a sweep is held against.

use std::time::Instant;

use vene_kernels::{PackedMatrix, multiply};

/// Rows, inputs and outputs of the products that are tried.
const SIZES: [(usize, usize, usize); 3] =
    [(2048, 2048, 2048), (1024, 768, 3072), (480, 3072, 3072)];
const REPEATS: usize = 3;

/// The best of a few products of large f32 matrices, by the `gemm` crate and by the engine's own
/// kernel, whichever is faster; a multiplication and an addition are two operations.
pub(crate) fn operations_per_second() -> f64 {
    SIZES.into_iter().map(best_of_size).fold(0.0, f64::max)
}

fn best_of_size((rows, input, out): (usize, usize, usize)) -> f64 {
    let (x, weight) = (vec![0.5_f32; rows * input], vec![0.5_f32; out * input]);
    let packed = PackedMatrix::pack(&weight, out, input);
    let mut y = vec![0.0_f32; rows * out];
    let operations = 2.0 * (rows * input) as f64 * out as f64;
    let mut best: f64 = 0.0;
    for _ in 0..REPEATS {
        best = best.max(operations / seconds(|| multiply(&x, &packed, None, &mut y)));
        best = best.max(operations / seconds(|| general(&x, &weight, &mut y, [rows, input, out])));
    }
    best
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// `y = x W^T` by the `gemm` crate, on all threads.
fn general(x: &[f32], weight: &[f32], y: &mut [f32], [rows, input, out]: [usize; 3]) {
    assert!(x.len() == rows * input && weight.len() == out * input && y.len() == rows * out);
    // SAFETY: the slices are as long as the extents and strides say, and `y` overlaps neither.
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
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
