//! How fast this process multiplies large matrices: the roofline that a sweep is held against.

use std::time::Instant;

use anyhow::Result;
use candle_core::{DType, Device, Tensor};

const SIZE: usize = 2048;
const REPEATS: usize = 3;

/// The best of a few products of square f32 matrices, a multiplication and an addition being two
/// operations.
pub(crate) fn operations_per_second() -> Result<f64> {
    let matrix = Tensor::ones((SIZE, SIZE), DType::F32, &Device::Cpu)?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        matrix.matmul(&matrix)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (SIZE as f64).powi(3) / best)
}
