//! Rows times a weight matrix: `y = x W^T + b`.
//!
//! This is where a decoder spends its time. A general product packs both operands anew each
//! time, which a few hundred rows do not repay; here the weights come packed
//! ([`PackedMatrix`]) and rows are read in place, so that one kernel runs near the
//! machine's peak from some ten rows on. Below that the weights' way from memory is the limit, and
//! the same kernel streams them once.
//!
//! **A row's result depends on that row, the weights and the instruction set alone**: not on the
//! number of threads, nor on how many rows ride along. Inputs are cut into equal stretches whose
//! number follows from the matrix; a stretch is summed in the order of its inputs, and the
//! stretches' sums are added in order (which also rounds less than one long sum would).

mod packed;
mod storage;
mod tile;
mod transposed;
mod widen;

pub(crate) use packed::PANEL;
pub use packed::{PackedMatrix, Quanta, QuantisedRow};
pub(crate) use transposed::multiply_panels_transposed;
pub use transposed::multiply_transposed;

use std::cell::RefCell;
use std::ops::Range;

use crate::buffer::AlignedBuffer;
use crate::parallel::{Shared, for_each_task, part_start, threads_for};
use tile::Block;

/// The most inputs of a stretch: 48 KB of a panel, which stay near while all rows of a chunk pass
/// by.
const STRETCH: usize = 384;

/// Inputs of a stretch that are widened at a time for few rows: 8 KB of a panel.
const PART: usize = 64;

/// The most rows of a chunk.
const CHUNK: usize = 20 * tile::TALLEST;

/// `y = x W^T + b`: `x` is `[rows, in]`, `y` `[rows, out]`, `bias` `[out]`.
///
/// # Panics
///
/// If the slices' lengths don't fit the matrix or each other.
pub fn multiply(x: &[f32], matrix: &PackedMatrix, bias: Option<&[f32]>, y: &mut [f32]) {
    let (input, out) = (matrix.input(), matrix.out());
    let rows = rows_of(x, y, matrix);
    assert!(bias.is_none_or(|bias| bias.len() == out), "one bias for each of {out} outputs");
    if rows == 0 || out == 0 {
        return;
    }
    let cost = rows.max(8) * input.max(1) * out / 16;
    let threads = threads_for(cost);
    let chunks = rows.div_ceil(CHUNK);
    // Some tasks more than threads even out what else the machine does; a task is no less work than
    // it costs to hand out.
    let panels = matrix.panels();
    let groups = (8 * threads).div_ceil(chunks).min(cost.div_ceil(4096)).clamp(1, panels);
    let y = Shared::new(y);
    for_each_task(
        chunks * groups,
        threads,
        || (),
        |(), task| {
            let (chunk, group) = (task / groups, task % groups);
            let first_row = part_start(rows, chunks, chunk);
            let count = part_start(rows, chunks, chunk + 1) - first_row;
            let first = part_start(panels, groups, group);
            let last = part_start(panels, groups, group + 1);
            let x = &x[first_row * input..][..count * input];
            let y = y.at(first_row * out + first * PANEL);
            // SAFETY: tasks write different rows or columns of `y`,
            // whose size was checked.
            unsafe { multiply_panels(x, count, matrix, first..last, bias, y, out) };
        },
    );
}

/// How many rows `x` and `y` are, after checking that they fit the matrix.
fn rows_of(x: &[f32], y: &[f32], matrix: &PackedMatrix) -> usize {
    let (input, out) = (matrix.input(), matrix.out());
    let rows = match (input, out) {
        (0, 0) => 0,
        (0, _) => y.len() / out,
        _ => x.len() / input,
    };
    assert_eq!(x.len(), rows * input, "x is [rows, {input}]");
    assert_eq!(y.len(), rows * out, "y is [{rows}, {out}]");
    rows
}

/// `rows` rows `x` times some panels, on this thread.
///
/// # Safety
///
/// `y` is good for `rows` rows, `y_stride`
/// apart, of the panels' columns, and nobody else touches those.
pub(crate) unsafe fn multiply_panels(
    x: &[f32],
    rows: usize,
    matrix: &PackedMatrix,
    panels: std::ops::Range<usize>,
    bias: Option<&[f32]>,
    y: *mut f32,
    y_stride: usize,
) {
    let input = matrix.input();
    let stretches = input.div_ceil(STRETCH).max(1);
    assert_eq!(x.len(), rows * input, "x is [{rows}, {input}]");
    let first = panels.start;
    ROOM.with_borrow_mut(|room| {
        // All stretches of a panel in turn: weights are read in the order in which they lie in memory.
        for panel in panels {
            for stretch in 0..stretches {
                let start = part_start(input, stretches, stretch);
                let end = part_start(input, stretches, stretch + 1);
                let column = panel * PANEL;
                let bias = bias.filter(|_| stretch + 1 == stretches).map(|bias| &bias[column..]);
                let block = Block {
                    x: x[start..].as_ptr(),
                    x_stride: input,
                    rows,
                    panel: std::ptr::null(),
                    depth: end - start,
                    next: std::ptr::null(),
                    of_next: matrix.floats_of_input(),
                    ahead: 0,
                    y: y.wrapping_add(column - first * PANEL),
                    y_stride,
                    columns: PANEL.min(matrix.out() - column),
                    accumulate: stretch > 0,
                    bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
                    sums: std::ptr::null_mut(),
                    resumes: false,
                    pauses: false,
                };
                // SAFETY: all sizes come from the matrix and the caller.
                unsafe { multiply_stretch(block, matrix, panel, start..end, room) };
            }
        }
    });
}

/// One block, whose weights may have to be widened: those of few rows a part at a time, so that they are still in the
/// innermost cache when they are multiplied.
///
/// # Safety
///
/// As for [`tile::Multiply`], but for the weights, which are those of the panel at these inputs.
unsafe fn multiply_stretch(
    mut block: Block,
    matrix: &PackedMatrix,
    panel: usize,
    inputs: Range<usize>,
    room: &mut AlignedBuffer,
) {
    let kernel = tile::kernel();
    if matrix.is_floats() || block.rows > tile::TALLEST {
        block.next = matrix.address(panel, inputs.end);
        block.panel = matrix.stretch(panel, inputs, room).as_ptr();
        // SAFETY: the weights are there; the rest is the caller's promise.
        return unsafe { kernel(&block) };
    }
    let mut sums = [0.0; tile::TALLEST * PANEL];
    block.sums = sums.as_mut_ptr();
    for start in inputs.clone().step_by(PART) {
        let end = (start + PART).min(inputs.end);
        let weights = matrix.stretch(panel, start..end, room).as_ptr();
        let part = Block {
            x: block.x.wrapping_add(start - inputs.start),
            panel: weights,
            next: matrix.address(panel, end),
            depth: end - start,
            resumes: start > inputs.start,
            pauses: end < inputs.end,
            ..block
        };
        // SAFETY: the weights are there, and room for the sums of as many rows; the rest is the caller's promise.
        unsafe { kernel(&part) };
    }
}

thread_local! {
    /// Where a thread widens a stretch of weights.
    static ROOM: RefCell<AlignedBuffer> = RefCell::default();
}
