//! The innermost part of a product: a few rows times one panel, over one stretch of inputs.
//!
//! A tile's sums live in registers: each of up to `ROWS` rows has one register for each `V::LANES`
//! columns. Every input costs a load of the panel's columns and, for each row, one number spread
//! over a register. Each sum is a chain of multiply-adds in the order of the inputs, whatever the
//! number of rows, so that a row's result doesn't depend on its neighbours.

use super::packed::PANEL;
use crate::instructions::InstructionSet;
#[cfg(target_arch = "x86_64")]
use crate::vector::{Avx2, Avx512};
use crate::vector::{Portable, Vector};

/// Some rows times one panel over one stretch of inputs.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The first row, at the first input of the stretch.
    pub x: *const f32,
    /// From one row of `x` to the next.
    pub x_stride: usize,
    /// Rows.
    pub rows: usize,
    /// The panel, at the first input of the stretch.
    pub panel: *const f32,
    /// Inputs in the stretch.
    pub depth: usize,
    /// Where what the next block reads of its panel begins, as it is stored; fetched while this one is multiplied.
    pub next: *const f32,
    /// How long it is for each input, in floats.
    pub of_next: usize,
    /// Floats of it that are fetched with each input.
    pub ahead: usize,
    /// The first row of the outputs, at the panel's first column.
    pub y: *mut f32,
    /// From one row of `y` to the next.
    pub y_stride: usize,
    /// Columns that there are, at most `PANEL`.
    pub columns: usize,
    /// Whether sums of earlier stretches are in `y`, to be added to.
    pub accumulate: bool,
    /// What the last stretch adds at the panel's columns, or null.
    pub bias: *const f32,
    /// `[rows, PANEL]`: sums of a stretch of which only a part is multiplied at a time. Not touched where a block is a
    /// whole stretch.
    pub sums: *mut f32,
    /// Whether the sums of the part before are to be gone on with.
    pub resumes: bool,
    /// Whether another part follows.
    pub pauses: bool,
}

/// Multiplies one block.
///
/// # Safety
///
/// The processor has the instructions, and the block's pointers are good for its sizes; nobody
/// else touches its part of `y`.
pub(super) type Multiply = unsafe fn(&Block);

/// The kernel for this processor.
pub(super) fn kernel() -> Multiply {
    match InstructionSet::detect() {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => avx512,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => avx2,
        _ => portable,
    }
}

/// The most rows of a tile with AVX-512: 24 sums, two columns and a number fill the 32 registers.
pub(super) const TALLEST: usize = 12;

/// The fewest rows for which the next block is fetched.
const PREFETCHING: usize = 5;

/// Floats in a cache line.
const LINE: usize = 16;

/// # Safety
///
/// See [`Multiply`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(block: &Block) {
    // SAFETY: the instructions are enabled here; the rest is the caller's promise.
    unsafe {
        tiles::<TALLEST>(block, |block| match block.rows {
            1 => tile::<Avx512, 1, 2>(block),
            2 => tile::<Avx512, 2, 2>(block),
            3 => tile::<Avx512, 3, 2>(block),
            4 => tile::<Avx512, 4, 2>(block),
            5 => tile::<Avx512, 5, 2>(block),
            6 => tile::<Avx512, 6, 2>(block),
            7 => tile::<Avx512, 7, 2>(block),
            8 => tile::<Avx512, 8, 2>(block),
            9 => tile::<Avx512, 9, 2>(block),
            10 => tile::<Avx512, 10, 2>(block),
            11 => tile::<Avx512, 11, 2>(block),
            _ => tile::<Avx512, 12, 2>(block),
        });
    }
}

/// # Safety
///
/// See [`Multiply`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(block: &Block) {
    // SAFETY: the instructions are enabled here; the rest is the caller's promise.
    unsafe {
        tiles::<6>(block, |block| match block.rows {
            1 => tile::<Avx2, 1, 2>(block),
            2 => tile::<Avx2, 2, 2>(block),
            3 => tile::<Avx2, 3, 2>(block),
            4 => tile::<Avx2, 4, 2>(block),
            5 => tile::<Avx2, 5, 2>(block),
            _ => tile::<Avx2, 6, 2>(block),
        });
    }
}

/// # Safety
///
/// See [`Multiply`].
unsafe fn portable(block: &Block) {
    // SAFETY: needs no instructions; the rest is the caller's promise.
    unsafe {
        tiles::<4>(block, |block| match block.rows {
            1 => tile::<Portable, 1, 1>(block),
            2 => tile::<Portable, 2, 1>(block),
            3 => tile::<Portable, 3, 1>(block),
            _ => tile::<Portable, 4, 1>(block),
        });
    }
}

/// Cuts the rows into the fewest tiles of at most `ROWS`, as equal as they can be.
///
/// The first tile waits for the panel, unless it was asked for before; the others find it in the
/// cache. So that memory is always busy, one tile fetches all that the next block needs, or two
/// half of it each. Few rows are done before it could arrive; for them the processor's own
/// prefetching does as well.
///
/// # Safety
///
/// As for `tile`, which is called with a block of at most `ROWS` rows.
#[inline(always)]
unsafe fn tiles<const ROWS: usize>(block: &Block, tile: impl Fn(&Block)) {
    let mut left = block.rows;
    let mut count = left.div_ceil(ROWS);
    let mut part = *block;
    part.ahead = match count {
        _ if left < PREFETCHING && block.of_next == PANEL => 0,
        1 => block.of_next,
        _ => block.of_next / 2,
    };
    let half = block.next.wrapping_add(block.depth * (block.of_next / 2));
    while left > 0 {
        part.rows = left.div_ceil(count);
        tile(&part);
        if part.next == half {
            part.ahead = 0;
        }
        part.next = half;
        // SAFETY: still within the block's rows, or just behind the last.
        unsafe {
            part.x = part.x.add(part.rows * part.x_stride);
            part.y = part.y.add(part.rows * part.y_stride);
            part.sums = part.sums.wrapping_add(part.rows * PANEL);
        }
        left -= part.rows;
        count -= 1;
    }
}

/// `ROWS` rows times the panel, `VECTORS` registers of columns at a time.
///
/// # Safety
///
/// See [`Multiply`]; and the block has exactly `ROWS` rows.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize>(block: &Block) {
    let step = V::LANES * VECTORS;
    for column in (0..PANEL).step_by(step) {
        if column >= block.columns {
            break;
        }
        // SAFETY: inside the panel and, up to `columns`, inside the outputs.
        unsafe {
            let ahead = if column == 0 { block.ahead } else { 0 };
            let sums = sums::<V, ROWS, VECTORS>(block, column, ahead);
            match block.pauses {
                true => pause(block, column, sums),
                false => finish(block, column, sums),
            }
        }
    }
}

/// The multiply-adds.
///
/// # Safety
///
/// See [`Multiply`].
#[inline(always)]
unsafe fn sums<V: Vector, const ROWS: usize, const VECTORS: usize>(
    block: &Block,
    column: usize,
    ahead: usize,
) -> [[V; VECTORS]; ROWS] {
    let Block { x, x_stride, depth, next, .. } = *block;
    // SAFETY: `depth` inputs of `ROWS` rows and of the panel are there.
    unsafe {
        let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
        if block.resumes {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(block.sums.add(row * PANEL + column + vector * V::LANES));
                }
            }
        }
        for input in 0..depth {
            V::prefetch(next.wrapping_add(input * ahead));
            if ahead > LINE {
                V::prefetch(next.wrapping_add(input * ahead + LINE));
            }
            let columns = block.panel.add(input * PANEL + column);
            let mut weights = [V::splat(0.0); VECTORS];
            for (vector, weights) in weights.iter_mut().enumerate() {
                *weights = V::load(columns.add(vector * V::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let number = V::splat(*x.add(row * x_stride + input));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = number.multiply_add(weights, *sum);
                }
            }
        }
        sums
    }
}

/// Keeps the sums for the next part of the stretch.
///
/// # Safety
///
/// See [`Multiply`].
#[inline(always)]
unsafe fn pause<V: Vector, const ROWS: usize, const VECTORS: usize>(
    block: &Block,
    column: usize,
    sums: [[V; VECTORS]; ROWS],
) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            // SAFETY: the sums have room for all rows of the block.
            unsafe { sum.store(block.sums.add(row * PANEL + column + vector * V::LANES)) }
        }
    }
}

/// Adds what earlier stretches summed up, and the bias, and stores the columns that there are.
///
/// # Safety
///
/// See [`Multiply`].
#[inline(always)]
unsafe fn finish<V: Vector, const ROWS: usize, const VECTORS: usize>(
    block: &Block,
    column: usize,
    sums: [[V; VECTORS]; ROWS],
) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, mut sum) in sums.into_iter().enumerate() {
            let first = column + vector * V::LANES;
            let Some(count) = block.columns.checked_sub(first) else { break };
            // SAFETY: only the `count` columns that there are get touched.
            unsafe {
                let y = block.y.wrapping_add(row * block.y_stride + first);
                if block.accumulate {
                    let earlier =
                        if count >= V::LANES { V::load(y) } else { V::load_first(y, count) };
                    sum = earlier.add(sum);
                }
                if !block.bias.is_null() {
                    sum = sum.add(V::load_first(block.bias.wrapping_add(first), count));
                }
                if count >= V::LANES { sum.store(y) } else { sum.store_first(y, count) }
            }
        }
    }
}
