//! The unembedding, its softmax and the cross entropy in one: the logits of a few rows at a time, which are
//! forgotten once their gradient is known.

use crate::buffer::AlignedBuffer;
use crate::elementwise;
use crate::exponential::{LANES, exponentials, largest};
use crate::instructions::for_each_instruction_set;
use crate::parallel::{Shared, for_each_task, part_start, threads_for};
use crate::product::{PANEL, PackedMatrix, multiply_panels, multiply_panels_transposed};
use crate::ranking::Standing;

/// Logits that are held at once: 16 MB.
const HELD: usize = 1 << 22;

/// Where the results go, all of them with a row for each row of `x`.
#[derive(Debug)]
pub struct CrossEntropy<'a> {
    /// -log p(target), in nats.
    pub losses: &'a mut [f32],
    /// Where the target stands among all tokens.
    pub standings: &'a mut [Standing],
    /// The gradient of each row's loss with respect to that row of `x`, `[rows, in]`, where it is wanted.
    pub gradient: Option<&'a mut [f32]>,
}

/// The cross entropy of `softmax(soft_cap(x W^T))` and the targets, one token a row; and its gradient.
///
/// # Panics
///
/// If the lengths don't fit or a target is not in the vocabulary.
pub fn cross_entropy(
    x: &[f32],
    matrix: &PackedMatrix,
    soft_cap: Option<f32>,
    targets: &[u32],
    to: CrossEntropy<'_>,
) {
    let (input, out, rows) = (matrix.input(), matrix.out(), targets.len());
    let CrossEntropy { losses, standings, mut gradient } = to;
    assert_eq!(x.len(), rows * input, "x is [{rows}, {input}]");
    assert_eq!((losses.len(), standings.len()), (rows, rows), "results for {rows} rows");
    if let Some(gradient) = &gradient {
        assert_eq!(gradient.len(), x.len(), "x and its gradient");
    }
    for &target in targets {
        assert!((target as usize) < out, "token {target} of {out}");
    }
    let stride = matrix.panels() * PANEL;
    let chunk = (HELD / stride.max(1)).clamp(1, rows.max(1));
    let mut logits = AlignedBuffer::default();
    for first in (0..rows).step_by(chunk) {
        let count = chunk.min(rows - first);
        let part = first * input..(first + count) * input;
        logits.resize(count * stride);
        unembed(&x[part.clone()], count, matrix, &mut logits);
        let shared = Shared::new(&mut logits);
        let (all_losses, all_standings) = (Shared::new(&mut *losses), Shared::new(&mut *standings));
        for_each_task(count, threads_for(count * stride * 8), Vec::new, |slopes, row| {
            // SAFETY: each task has a row of its own.
            let logits = unsafe { shared.part(row * stride, stride) };
            let (loss, standing) =
                of_row(logits, out, soft_cap, targets[first + row] as usize, slopes);
            // SAFETY: likewise.
            unsafe {
                all_losses.at(first + row).write(loss);
                all_standings.at(first + row).write(standing);
            }
        });
        if let Some(gradient) = &mut gradient {
            multiply_panels_transposed(&logits, count, matrix, &mut gradient[part]);
        }
    }
}

/// Logits `[rows, panels * PANEL]`.
fn unembed(x: &[f32], rows: usize, matrix: &PackedMatrix, logits: &mut [f32]) {
    let (panels, stride) = (matrix.panels(), matrix.panels() * PANEL);
    let threads = threads_for(rows.max(8) * matrix.input() * stride / 16);
    let tasks = (8 * threads).min(panels);
    let logits = Shared::new(logits);
    for_each_task(
        tasks,
        threads,
        || (),
        |(), task| {
            let panels = part_start(panels, tasks, task)..part_start(panels, tasks, task + 1);
            let logits = logits.at(panels.start * PANEL);
            // SAFETY: tasks write different columns; there is room for all panels in each row.
            unsafe { multiply_panels(x, rows, matrix, panels, None, logits, stride) };
        },
    );
}

/// One row: its loss and its target's standing; the logits become their gradient, with zeros behind `out`.
fn of_row(
    logits: &mut [f32],
    out: usize,
    soft_cap: Option<f32>,
    target: usize,
    slopes: &mut Vec<f32>,
) -> (f32, Standing) {
    if let Some(cap) = soft_cap {
        elementwise::soft_cap_here(&mut logits[..out], cap);
        slopes.clear();
        slopes.extend(logits.iter().map(|&logit| 1.0 - (logit / cap) * (logit / cap)));
    }
    logits[out..].fill(f32::NEG_INFINITY);
    let of_target = logits[target];
    // Before the exponentials, which make neighbours equal.
    let standing = Standing::of(&logits[..out], target);
    let (top, sum) = normalise(logits);
    logits[target] -= 1.0;
    if soft_cap.is_some() {
        logits.iter_mut().zip(slopes.iter()).for_each(|(logit, slope)| *logit *= slope);
    }
    (top - of_target + sum.ln(), standing)
}

for_each_instruction_set! {
    /// The softmax of a multiple of `LANES` logits, in place: the largest and the sum of what the
    /// exponentials of the differences from it are.
    fn normalise<FUSED>(logits: &mut [f32]) -> (f32, f32) {
        let (logits, _) = logits.as_chunks_mut::<LANES>();
        let top = largest(logits);
        let sum = exponentials::<FUSED>(logits, top);
        let factor = 1.0 / sum;
        logits.as_flattened_mut().iter_mut().for_each(|logit| *logit *= factor);
        (top, sum)
    }
}
