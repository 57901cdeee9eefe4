//! A weight matrix laid out once for all products with it.
//!
//! A product reads the weights of [`PANEL`] outputs side by side, input after input. Weights don't
//! change, so they are stored that way from the start and no product ever packs anything. The
//! columns of a panel are also what a vector register holds: the unembedding's blocks and single
//! rows (a tied embedding) are read from the same memory.

use std::ops::Range;

use half::{bf16, f16};

use super::storage::{Codes, Quantised, Storage};
use crate::buffer::AlignedBuffer;
use crate::parallel::{Shared, for_each_task, threads_for};

/// Floats in a cache line.
const LINE: usize = 16;

/// Outputs that stand side by side.
pub(crate) const PANEL: usize = 32;

/// Weights `[out, in]` in panels `[out / 32][in][32]`, the last one filled up with zeros.
#[derive(Debug)]
pub struct PackedMatrix {
    storage: Storage,
    out: usize,
    input: usize,
}

/// How quantised weights are divided: a weight is `code * scale`, or `code * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quanta {
    /// Neighbouring inputs that share a scale, a divisor of the inputs.
    pub group: usize,
    /// The smallest code, where sixteen codes from it on are all that there are: they take half a byte each.
    pub sixteen_from: Option<i8>,
    /// Whether a group has an offset.
    pub has_offsets: bool,
}

/// One row of quantised weights, to be filled in.
pub struct QuantisedRow<'r> {
    /// `[in]`.
    pub codes: &'r mut [i8],
    /// `[in / group]`.
    pub scales: &'r mut [f32],
    /// `[in / group]`; not looked at where there are none.
    pub offsets: &'r mut [f32],
}

impl PackedMatrix {
    /// Packs `weight`, `[out, input]` row-major.
    ///
    /// # Panics
    ///
    /// If `weight` is not `out * input` long.
    pub fn pack(weight: &[f32], out: usize, input: usize) -> Self {
        assert_eq!(weight.len(), out * input, "weights of {out} outputs and {input} inputs");
        let mut panels = AlignedBuffer::zeros(out.div_ceil(PANEL) * input * PANEL);
        spread(weight, [out, input], &mut panels);
        Self { storage: Storage::Floats(panels), out, input }
    }

    /// The same of numbers of half precision, which stay what they are.
    ///
    /// # Panics
    ///
    /// As [`PackedMatrix::pack`].
    pub fn pack_halves(weight: &[f16], out: usize, input: usize) -> Self {
        assert_eq!(weight.len(), out * input, "weights of {out} outputs and {input} inputs");
        let mut panels = vec![f16::ZERO; out.div_ceil(PANEL) * input * PANEL];
        spread(weight, [out, input], &mut panels);
        Self { storage: Storage::Halves(panels), out, input }
    }

    /// The same of the other format of sixteen bits.
    ///
    /// # Panics
    ///
    /// As [`PackedMatrix::pack`].
    pub fn pack_brains(weight: &[bf16], out: usize, input: usize) -> Self {
        assert_eq!(weight.len(), out * input, "weights of {out} outputs and {input} inputs");
        let mut panels = vec![bf16::ZERO; out.div_ceil(PANEL) * input * PANEL];
        spread(weight, [out, input], &mut panels);
        Self { storage: Storage::Brains(panels), out, input }
    }

    /// Packs quantised weights; `read` fills in a row.
    ///
    /// # Panics
    ///
    /// If a row is no whole number of groups.
    pub fn pack_quantised(
        quanta: Quanta,
        out: usize,
        input: usize,
        read: impl Fn(usize, QuantisedRow<'_>) + Sync,
    ) -> Self {
        let Quanta { group, sixteen_from, has_offsets } = quanta;
        assert!(group > 0 && input.is_multiple_of(group), "{input} inputs in groups of {group}");
        if input == 0 {
            return Self::pack(&[], out, input);
        }
        let (panels, groups) = (out.div_ceil(PANEL), input / group);
        let bytes_of_input = if sixteen_from.is_some() { PANEL / 2 } else { PANEL };
        let mut codes = vec![0i8; panels * input * bytes_of_input];
        let mut scales = vec![0.0f32; panels * groups * PANEL];
        let mut offsets = vec![0.0f32; if has_offsets { scales.len() } else { 0 }];
        let shared = (Shared::new(&mut codes), Shared::new(&mut scales), Shared::new(&mut offsets));
        for_each_task(
            panels,
            threads_for(out * input),
            || {
                (
                    vec![0i8; input * PANEL],
                    vec![0.0f32; groups * PANEL],
                    vec![0.0f32; groups * PANEL],
                )
            },
            |(row_codes, row_scales, row_offsets), panel| {
                let columns = PANEL.min(out - panel * PANEL);
                for column in 0..columns {
                    let (inputs, groups) = (
                        column * input..(column + 1) * input,
                        column * groups..(column + 1) * groups,
                    );
                    read(
                        panel * PANEL + column,
                        QuantisedRow {
                            codes: &mut row_codes[inputs],
                            scales: &mut row_scales[groups.clone()],
                            offsets: &mut row_offsets[groups],
                        },
                    );
                }
                // SAFETY: each task has a panel of its own.
                let (codes, scales, offsets) = unsafe {
                    (
                        shared.0.part(panel * input * bytes_of_input, input * bytes_of_input),
                        shared.1.part(panel * groups * PANEL, groups * PANEL),
                        match has_offsets {
                            true => shared.2.part(panel * groups * PANEL, groups * PANEL),
                            false => &mut [],
                        },
                    )
                };
                match sixteen_from {
                    None => transpose(&row_codes[..columns * input], input, codes),
                    Some(smallest) => pair(&row_codes[..columns * input], input, smallest, codes),
                }
                transpose(&row_scales[..columns * groups], groups, scales);
                if has_offsets {
                    transpose(&row_offsets[..columns * groups], groups, offsets);
                }
            },
        );
        let codes = match sixteen_from {
            None => Codes::Bytes(codes),
            Some(smallest) => Codes::Nibbles {
                smallest,
                pairs: codes.into_iter().map(|code| code as u8).collect(),
            },
        };
        let quantised = Quantised { codes, group, scales, offsets };
        Self { storage: Storage::Quantised(quantised), out, input }
    }

    /// Outputs: rows of the weights.
    pub fn out(&self) -> usize {
        self.out
    }

    /// Inputs: columns of the weights.
    pub fn input(&self) -> usize {
        self.input
    }

    /// How many bytes the weights take.
    pub fn bytes(&self) -> usize {
        self.storage.bytes()
    }

    /// Copies row `index` of the weights to `row`, `[input]`.
    ///
    /// # Panics
    ///
    /// If there is no such row, or `row` is not `input` long.
    pub fn row(&self, index: usize, row: &mut [f32]) {
        assert!(index < self.out, "row {index} of {}", self.out);
        assert_eq!(row.len(), self.input, "room for one row");
        for (at, value) in row.iter_mut().enumerate() {
            *value = self.storage.at(self.input, index / PANEL, at, index % PANEL);
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

    /// The weights of panel `index` at some inputs, `[inputs, PANEL]`; `room` is where they are widened, if they have to be.
    pub(crate) fn stretch<'s>(
        &'s self,
        index: usize,
        inputs: Range<usize>,
        room: &'s mut AlignedBuffer,
    ) -> &'s [f32] {
        self.storage.stretch(self.input, index, inputs, room)
    }

    /// Where the weights of a panel lie from an input on, as they are stored; for fetching.
    pub(crate) fn address(&self, panel: usize, at: usize) -> *const f32 {
        self.storage.address(panel * self.input + at)
    }

    /// How long the weights of one input of a panel are, in floats.
    pub(crate) fn floats_of_input(&self) -> usize {
        self.storage.bytes_of_input() / size_of::<f32>()
    }

    /// Whether the weights are multiplied where they lie.
    pub(crate) fn is_floats(&self) -> bool {
        self.storage.is_floats()
    }
}

/// Rows `[out, input]` to panels, on all threads.
fn spread<T: Copy + Send + Sync>(weight: &[T], [out, input]: [usize; 2], panels: &mut [T]) {
    let shared = Shared::new(panels);
    for_each_task(
        out.div_ceil(PANEL),
        threads_for(out * input),
        || (),
        |(), panel| {
            // SAFETY: each task has a panel of its own.
            let packed = unsafe { shared.part(panel * input * PANEL, input * PANEL) };
            let columns = PANEL.min(out - panel * PANEL);
            transpose(&weight[panel * PANEL * input..][..columns * input], input, packed);
        },
    );
}

/// The rows of one panel, `[columns, width]`, to `[width, PANEL]`.
fn transpose<T: Copy>(rows: &[T], width: usize, packed: &mut [T]) {
    // A cache line of each row at a time: 2 KB of the panel, which stay at hand.
    for start in (0..width).step_by(LINE) {
        let inputs = start..(start + LINE).min(width);
        for (column, row) in rows.chunks_exact(width).enumerate() {
            let packed = packed[start * PANEL..].iter_mut().skip(column);
            for (packed, value) in packed.step_by(PANEL).zip(&row[inputs.clone()]) {
                *packed = *value;
            }
        }
    }
}

/// The same of codes that take half a byte: of outputs half a panel apart.
fn pair(rows: &[i8], width: usize, smallest: i8, packed: &mut [i8]) {
    const HALF: usize = PANEL / 2;
    for (column, row) in rows.chunks_exact(width).enumerate() {
        let shift = if column < HALF { 0 } else { 4 };
        let packed = packed.iter_mut().skip(column % HALF).step_by(HALF);
        for (packed, code) in packed.zip(row) {
            *packed |= (code - smallest) << shift;
        }
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
