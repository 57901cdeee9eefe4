//! Rows times a weight matrix the other way round: `x = y W`, what a gradient needs on its way back.
//!
//! The weights stay as [`PackedMatrix`] has them for [`multiply`](super::multiply), so that a model that is
//! differentiated keeps them once. A panel's 32 outputs lie side by side; so a register holds a few outputs
//! of one input, and the sum over all panels is kept for each lane by itself and folded at the end.

use std::array::from_fn;

use super::packed::{PANEL, PackedMatrix};
use super::rows_of;
use crate::buffer::AlignedBuffer;
use crate::instructions::InstructionSet;
use crate::parallel::{Shared, for_each_task, part_start, threads_for};
#[cfg(target_arch = "x86_64")]
use crate::vector::{Avx2, Avx512};
use crate::vector::{Portable, Vector};

/// Rows and inputs of a tile: the sixteen sums that are folded together.
const ROWS: usize = 4;
const INPUTS: usize = 4;

/// Panels ahead of which a tile's weights are asked for: they lie pages apart, where no processor looks.
const AHEAD: usize = 4;

/// `x = y W`: `y` is `[rows, out]`, `x` `[rows, in]`.
///
/// A row's result depends on that row, the weights and the instruction set alone.
///
/// # Panics
///
/// If the slices' lengths don't fit the matrix or each other.
pub fn multiply_transposed(y: &[f32], matrix: &PackedMatrix, x: &mut [f32]) {
    let (input, out) = (matrix.input(), matrix.out());
    let rows = rows_of(x, y, matrix);
    // The last panel is filled up with zeros, and so must be what it is multiplied by.
    let stride = matrix.panels() * PANEL;
    if rows == 0 || input == 0 {
        return;
    }
    if out == stride {
        return multiply_panels_transposed(y, rows, matrix, x);
    }
    let mut filled = vec![0.0; rows * stride];
    for (filled, row) in filled.chunks_exact_mut(stride).zip(y.chunks_exact(out)) {
        filled[..out].copy_from_slice(row);
    }
    multiply_panels_transposed(&filled, rows, matrix, x);
}

/// The same, where a row of `y` is as wide as all panels; what is behind its `out` numbers is 0.
pub(crate) fn multiply_panels_transposed(
    y: &[f32],
    rows: usize,
    matrix: &PackedMatrix,
    x: &mut [f32],
) {
    let (input, stride) = (matrix.input(), matrix.panels() * PANEL);
    assert_eq!(y.len(), rows * stride, "y is [{rows}, {stride}]");
    assert_eq!(x.len(), rows * input, "x is [{rows}, {input}]");
    if stride == 0 {
        return x.fill(0.0);
    }
    let kernel = kernel();
    let cost = rows.max(8) * input * stride / 16;
    let threads = threads_for(cost);
    let blocks = input.div_ceil(INPUTS);
    let tasks = (8 * threads).min(blocks);
    let x = Shared::new(x);
    for_each_task(tasks, threads, AlignedBuffer::default, |room, task| {
        for block in part_start(blocks, tasks, task)..part_start(blocks, tasks, task + 1) {
            let first = block * INPUTS;
            let columns = INPUTS.min(input - first);
            // What a tile lacks is its last row or input once more, and is not stored.
            let last = |column: usize| first + column.min(columns - 1);
            let (weights, step) = match matrix.is_floats() {
                true => {
                    let whole = matrix.stretch(0, 0..input, room).as_ptr();
                    (from_fn(|column| whole.wrapping_add(last(column) * PANEL)), input * PANEL)
                }
                false => {
                    widen_across(matrix, from_fn(last), room);
                    let widened = room.as_ptr();
                    (from_fn(|column| widened.wrapping_add(column * stride)), PANEL)
                }
            };
            for first_row in (0..rows).step_by(ROWS) {
                let count = ROWS.min(rows - first_row);
                let y = from_fn(|row| y[(first_row + row.min(count - 1)) * stride..].as_ptr());
                // SAFETY: the kernel is this processor's; rows of `y` are `panels` panels long, and an
                // input's weights lie `step` apart from panel to panel.
                let sums = unsafe { kernel(y, weights, step, matrix.panels()) };
                for row in 0..count {
                    for column in 0..columns {
                        let place = x.at((first_row + row) * input + first + column);
                        // SAFETY: tasks have different columns, and all lie in `x`.
                        unsafe { place.write(sums[row * INPUTS + column]) };
                    }
                }
            }
        }
    });
}

/// The weights of some inputs over all panels, `[INPUTS, panels * PANEL]`, widened.
fn widen_across(matrix: &PackedMatrix, inputs: [usize; INPUTS], room: &mut AlignedBuffer) {
    let mut of_panel = AlignedBuffer::default();
    let stride = matrix.panels() * PANEL;
    room.resize(INPUTS * stride);
    for panel in 0..matrix.panels() {
        for (column, input) in inputs.into_iter().enumerate() {
            let weights = matrix.stretch(panel, input..input + 1, &mut of_panel);
            room[column * stride + panel * PANEL..][..PANEL].copy_from_slice(weights);
        }
    }
}

/// The sums of a tile, row by row: of `panels` panels, `step` floats apart.
type Tile =
    unsafe fn([*const f32; ROWS], [*const f32; INPUTS], usize, usize) -> [f32; ROWS * INPUTS];

fn kernel() -> Tile {
    match InstructionSet::detect() {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => avx512,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => avx2,
        _ => tile::<Portable>,
    }
}

/// # Safety
///
/// As for [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(
    y: [*const f32; ROWS],
    weights: [*const f32; INPUTS],
    step: usize,
    panels: usize,
) -> [f32; ROWS * INPUTS] {
    // SAFETY: the instructions are enabled here; the rest is the caller's promise.
    unsafe { tile::<Avx512>(y, weights, step, panels) }
}

/// # Safety
///
/// As for [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(
    y: [*const f32; ROWS],
    weights: [*const f32; INPUTS],
    step: usize,
    panels: usize,
) -> [f32; ROWS * INPUTS] {
    // SAFETY: the instructions are enabled here; the rest is the caller's promise.
    unsafe { tile::<Avx2>(y, weights, step, panels) }
}

/// # Safety
///
/// The processor has the instructions of `V`; each row has `panels * PANEL` floats, and `PANEL` floats are at
/// each input's weights and at every `step` floats from there, `panels` times.
#[inline(always)]
unsafe fn tile<V: Vector>(
    y: [*const f32; ROWS],
    weights: [*const f32; INPUTS],
    step: usize,
    panels: usize,
) -> [f32; ROWS * INPUTS] {
    // SAFETY: the caller's promise; a prefetch may ask for any address.
    unsafe {
        let mut sums = [V::splat(0.0); ROWS * INPUTS];
        for panel in 0..panels {
            for input in weights {
                let next = input.wrapping_add((panel + AHEAD) * step);
                V::prefetch(next);
                V::prefetch(next.wrapping_add(PANEL / 2));
            }
            let mut lane = 0;
            while lane < PANEL {
                let mut numbers = [V::splat(0.0); ROWS];
                for (number, row) in numbers.iter_mut().zip(y) {
                    *number = V::load(row.add(panel * PANEL + lane));
                }
                for (column, input) in weights.iter().enumerate() {
                    let weight = V::load(input.add(panel * step + lane));
                    for (row, number) in numbers.iter().enumerate() {
                        let sum = &mut sums[row * INPUTS + column];
                        *sum = number.multiply_add(weight, *sum);
                    }
                }
                lane += V::LANES;
            }
        }
        V::fold(sums)
    }
}
