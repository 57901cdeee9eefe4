//! A weight matrix laid out once for all products with it.
//!
//! A product reads the weights of [`PANEL`] outputs side by side, input after input. Weights don't
//! change, so they are stored that way from the start and no product ever packs anything. The
//! columns of a panel are also what a vector register holds: the unembedding's blocks and single
//! rows (a tied embedding) are read from the same memory.

use crate::buffer::AlignedBuffer;
use crate::parallel::{Shared, for_each_task, threads_for};

/// Floats in a cache line.
const LINE: usize = 16;

/// Outputs that stand side by side.
pub(crate) const PANEL: usize = 32;

/// Weights `[out, in]` in panels `[out / 32][in][32]`, the last one filled up with zeros.
#[derive(Debug)]
pub struct PackedMatrix {
    panels: AlignedBuffer,
    out: usize,
    input: usize,
}

impl PackedMatrix {
    /// Packs `weight`, `[out, input]` row-major.
    ///
    /// # Panics
    ///
    /// If `weight` is not `out * input` long.
    pub fn pack(weight: &[f32], out: usize, input: usize) -> Self {
        assert_eq!(weight.len(), out * input, "weights of {out} outputs and {input} inputs");
        let count = out.div_ceil(PANEL);
        let mut panels = AlignedBuffer::zeros(count * input * PANEL);
        let shared = Shared::new(&mut panels);
        for_each_task(
            count,
            threads_for(out * input),
            || (),
            |(), panel| {
                // SAFETY: each task has a panel of its own.
                let packed = unsafe { shared.part(panel * input * PANEL, input * PANEL) };
                let columns = PANEL.min(out - panel * PANEL);
                let rows = &weight[panel * PANEL * input..][..columns * input];
                // A cache line of each row at a time: 2 KB of the panel, which stay at hand.
                for start in (0..input).step_by(LINE) {
                    let inputs = start..(start + LINE).min(input);
                    for (column, row) in rows.chunks_exact(input).enumerate() {
                        let packed = packed[start * PANEL..].iter_mut().skip(column);
                        for (packed, value) in packed.step_by(PANEL).zip(&row[inputs.clone()]) {
                            *packed = *value;
                        }
                    }
                }
            },
        );
        Self { panels, out, input }
    }

    /// Outputs: rows of the weights.
    pub fn out(&self) -> usize {
        self.out
    }

    /// Inputs: columns of the weights.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Copies row `index` of the weights to `row`, `[input]`.
    ///
    /// # Panics
    ///
    /// If there is no such row, or `row` is not `input` long.
    pub fn row(&self, index: usize, row: &mut [f32]) {
        assert!(index < self.out, "row {index} of {}", self.out);
        assert_eq!(row.len(), self.input, "room for one row");
        let panel = &self.panel(index / PANEL)[index % PANEL..];
        for (value, packed) in row.iter_mut().zip(panel.iter().step_by(PANEL)) {
            *value = *packed;
        }
    }

    /// The rows `indices` as a matrix of their own.
    pub(crate) fn select(&self, indices: &[u32]) -> Self {
        let mut rows = vec![0.0; indices.len() * self.input];
        if self.input > 0 {
            for (&index, row) in indices.iter().zip(rows.chunks_exact_mut(self.input)) {
                self.row(index as usize, row);
            }
        }
        Self::pack(&rows, indices.len(), self.input)
    }

    /// How many panels there are.
    pub(crate) fn panels(&self) -> usize {
        self.out.div_ceil(PANEL)
    }

    /// Panel `index`, `[input, PANEL]`.
    pub(crate) fn panel(&self, index: usize) -> &[f32] {
        &self.panels[index * self.input * PANEL..][..self.input * PANEL]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for (out, input) in [(1, 1), (31, 7), (32, 5), (33, 64), (100, 3)] {
            let weight: Vec<f32> = (0..out * input).map(|i| i as f32).collect();
            let matrix = PackedMatrix::pack(&weight, out, input);
            let mut row = vec![0.0; input];
            for index in 0..out {
                matrix.row(index, &mut row);
                assert_eq!(row, weight[index * input..][..input]);
            }
        }
    }

    #[test]
    fn nothing_can_be_packed() {
        assert_eq!(PackedMatrix::pack(&[], 0, 5).panels(), 0);
        assert_eq!(PackedMatrix::pack(&[], 5, 0).input(), 0);
    }
}
