//! What a sweep costs the forked executor: its passes are gone through with tensors that have no
//! values, and a few products are timed.

use std::time::Instant;

use vene_engine::RunError;
use vene_engine::plan::ResolvedPlan;
use vene_engine::{Forked, work_of_reference};
use vene_model::matrix::Matrix;
use vene_model::tensors::{HostTensor, LinearTensors};
use vene_model::{Fused, Operations, Outline, Work};

use super::BatchCost;
use crate::sweep::SweepError;
use crate::sweep::{Sweep, pair_noise};

/// Rows whose products are timed; a product of any number of rows is taken to be as fast as the
/// next fewer.
const ROWS: [usize; 6] = [1, 4, 12, 32, 128, 512];

/// Width of the square matrix that is timed: 16 MB, which no cache of a core holds.
const WIDTH: usize = 2048;

/// What the first batch costs, and of a pair the measure of its noise.
pub(super) fn of_batch(
    sweep: &Sweep,
    outline: &Outline,
    plans: &[ResolvedPlan],
    memory: Option<usize>,
) -> Result<BatchCost, SweepError> {
    let work = Forked::work_of(outline, plans, memory)?;
    let of_noise = if sweep.is_pair() { pair_noise::plans(sweep, outline)? } else { Vec::new() };
    let noise = work_of_reference(outline, &of_noise);
    let [cost, noise] = costs(outline, [work, noise])?;
    let memory = if of_noise.is_empty() { cost.memory } else { cost.memory.max(noise.memory) };
    Ok(BatchCost {
        passes: cost.passes,
        operations: cost.operations + noise.operations,
        memory,
        seconds: cost.seconds + noise.seconds,
    })
}

/// What plans cost.
struct Cost {
    passes: usize,
    operations: f64,
    /// Bytes, weights included.
    memory: f64,
    seconds: f64,
}

/// What some work costs.
fn costs<const N: usize>(outline: &Outline, works: [Work; N]) -> Result<[Cost; N], RunError> {
    let speed = speeds()?;
    Ok(works.map(|work| cost_at(outline, &work, &speed)))
}

fn cost_at(outline: &Outline, work: &Work, speed: &[f64; ROWS.len()]) -> Cost {
    let of_rows = |rows: usize| {
        let index = ROWS.iter().rposition(|&timed| timed <= rows).unwrap_or(0);
        speed[index]
    };
    let product = |(&(rows, input, out), &times): (&(usize, usize, usize), &usize)| {
        2.0 * (rows * input) as f64 * (out * times) as f64 / of_rows(rows)
    };
    // Attention over short paths reaches about a quarter of what large products do.
    let attention = work.attention / (speed[ROWS.len() - 1] / 4.0);
    Cost {
        passes: work.passes,
        operations: work.operations(),
        memory: outline.weight_bytes() as f64 + 4.0 * work.most_alive as f64,
        seconds: work.products.iter().map(product).sum::<f64>() + attention,
    }
}

/// Operations per second of products of so many rows.
fn speeds() -> Result<[f64; ROWS.len()], RunError> {
    let operations = Fused::default();
    let host =
        |rows| Matrix::from(HostTensor { data: vec![0.5; rows * WIDTH], shape: vec![rows, WIDTH] });
    let table = operations.load_table(host(1))?;
    let matrix = operations.load_linear(LinearTensors { weight: host(WIDTH), bias: None })?;
    let mut speeds = [0.0; ROWS.len()];
    for (speed, rows) in speeds.iter_mut().zip(ROWS) {
        let x = operations.embed(&table, &vec![0; rows])?;
        operations.linear(&x, &matrix)?;
        let (start, mut repeats) = (Instant::now(), 0);
        while repeats < 3 || (start.elapsed().as_secs_f64() < 0.02 && repeats < 100) {
            operations.linear(&x, &matrix)?;
            repeats += 1;
        }
        let seconds = start.elapsed().as_secs_f64() / f64::from(repeats);
        *speed = 2.0 * (rows * WIDTH * WIDTH) as f64 / seconds;
    }
    Ok(speeds)
}
