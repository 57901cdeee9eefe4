//! From final rows to what a metric reads of the token distribution, without the logits' matrix.
//!
//! A vocabulary has tens of thousands of rows; a metric wants the logarithm of the normaliser and a
//! few tokens' logits. The product with the unembedding is therefore done block by block in a
//! buffer that stays in the cache, and each block is reduced to a maximum and a sum before
//! the next one overwrites it.

use crate::exponential::{LANES, exponentials, largest};
use crate::instructions::for_each_instruction_set;
use crate::parallel::{Shared, for_each_task, part_start, threads_for};
use crate::product::{PANEL, PackedMatrix, multiply, multiply_panels};
use crate::{AlignedBuffer, elementwise};

/// Panels of one block. Results depend on it, so it follows from nothing.
const BLOCK: usize = 16;

/// The most rows whose block of logits is kept: 120 rows of 512 columns are 240 KB.
const CHUNK: usize = 120;

/// What a block leaves of a row: `sum` of `e^(logit - shift)`.
#[derive(Clone, Copy, Default)]
struct Partial {
    shift: f32,
    sum: f32,
}

/// The logarithm of each row's sum of exponentials over all outputs of `matrix`, and the logits of
/// a few.
///
/// `x` is `[rows, in]`, `matrix` the unembedding `[vocabulary, in]`; logits become `cap *
/// tanh(logit / cap)` where there is a `soft_cap`. Writes the logits of `tokens` to `gathered`,
/// `[rows, tokens]`, and the logarithms to `normalisers`, `[rows]`: a token's log-probability is
/// its logit minus the row's normaliser.
///
/// # Panics
///
/// If the lengths don't fit or a token is not in the vocabulary.
pub fn log_sum_exp_gather(
    x: &[f32],
    matrix: &PackedMatrix,
    soft_cap: Option<f32>,
    tokens: &[u32],
    gathered: &mut [f32],
    normalisers: &mut [f64],
) {
    let (input, rows) = (matrix.input(), normalisers.len());
    assert_eq!(x.len(), rows * input, "x is [{rows}, {input}]");
    assert_eq!(gathered.len(), rows * tokens.len(), "gathered is [{rows}, {}]", tokens.len());
    check(tokens, matrix);
    if rows == 0 {
        return;
    }
    // Tokens in the order of the vocabulary, so that a block finds its own at once.
    let mut wanted: Vec<(usize, usize)> =
        tokens.iter().enumerate().map(|(slot, &token)| (token as usize, slot)).collect();
    wanted.sort_unstable();

    let blocks = matrix.panels().div_ceil(BLOCK);
    let chunks = rows.div_ceil(CHUNK);
    let mut partials = vec![Partial::default(); blocks * rows];
    let shared = Shared::new(&mut partials);
    let gathered = Shared::new(gathered);
    for_each_task(
        blocks * chunks,
        threads_for(rows.max(8) * input * matrix.out() / 16),
        AlignedBuffer::default,
        |logits, task| {
            // Chunks of one block follow each other: the block's weights are still in the cache.
            let (block, chunk) = (task / chunks, task % chunks);
            let first_row = part_start(rows, chunks, chunk);
            let count = part_start(rows, chunks, chunk + 1) - first_row;
            let panels = block * BLOCK..((block + 1) * BLOCK).min(matrix.panels());
            let first = block * BLOCK * PANEL;
            let columns = (BLOCK * PANEL).min(matrix.out() - first);
            let stride = columns.next_multiple_of(LANES);
            logits.resize(count * stride);
            let x = &x[first_row * input..][..count * input];
            // SAFETY: `logits` has room for these rows and columns.
            unsafe {
                multiply_panels(x, count, matrix, panels, None, logits.as_mut_ptr(), stride);
            }
            let start = wanted.partition_point(|&(token, _)| token < first);
            let end = wanted.partition_point(|&(token, _)| token < first + columns);
            for (row, logits) in logits.chunks_exact_mut(stride).enumerate() {
                let row = first_row + row;
                if let Some(cap) = soft_cap {
                    elementwise::soft_cap_here(logits, cap);
                }
                logits[columns..].fill(f32::NEG_INFINITY);
                for &(token, slot) in &wanted[start..end] {
                    // SAFETY: only the task that has this row and this token writes this element.
                    unsafe { gathered.at(row * tokens.len() + slot).write(logits[token - first]) };
                }
                // SAFETY: only the task that has this row and this block writes this element.
                unsafe { shared.at(block * rows + row).write(reduce(logits)) };
            }
        },
    );
    for (row, normaliser) in normalisers.iter_mut().enumerate() {
        *normaliser = combine(partials[row..].iter().step_by(rows));
    }
}

/// The logits of `tokens` alone, `[rows, tokens]`: the same bits as [`log_sum_exp_gather`]'s.
///
/// # Panics
///
/// If the lengths don't fit or a token is not in the vocabulary.
pub fn gather_logits(
    x: &[f32],
    matrix: &PackedMatrix,
    soft_cap: Option<f32>,
    tokens: &[u32],
    gathered: &mut [f32],
) {
    check(tokens, matrix);
    multiply(x, &matrix.select(tokens), None, gathered);
    if let Some(cap) = soft_cap {
        elementwise::soft_cap(gathered, cap);
    }
}

fn check(tokens: &[u32], matrix: &PackedMatrix) {
    for &token in tokens {
        assert!((token as usize) < matrix.out(), "token {token} of {}", matrix.out());
    }
}

for_each_instruction_set! {
    /// Reduces one row of a block, a multiple of `LANES` long, which it overwrites.
    fn reduce<FUSED>(logits: &mut [f32]) -> Partial {
        let (logits, _) = logits.as_chunks_mut();
        let top = largest(logits);
        // Where nothing is finite, 0 lets the sum say what there is: 0, infinity or NaN.
        let shift = if top.is_finite() { top } else { 0.0 };
        Partial { shift, sum: exponentials::<FUSED>(logits, shift) }
    }
}

/// The logarithm of what all blocks sum up to, in the blocks' order.
fn combine<'a>(partials: impl Iterator<Item = &'a Partial> + Clone) -> f64 {
    let there = || partials.clone().filter(|partial| partial.sum != 0.0);
    if let Some(odd) = there().find(|partial| !partial.sum.is_finite()) {
        return odd.sum as f64;
    }
    let top = there().map(|partial| partial.shift).fold(f32::NEG_INFINITY, f32::max) as f64;
    let sum: f64 =
        there().map(|partial| partial.sum as f64 * (partial.shift as f64 - top).exp()).sum();
    if sum == 0.0 { f64::NEG_INFINITY } else { top + sum.ln() }
}
