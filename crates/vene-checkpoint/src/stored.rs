//! A tensor in memory as its file stores it.

use crate::dequantise::dequantise;
use crate::{Element, Quanta, read_quanta};

/// A tensor in memory as its file stores it, row-major. Its numbers are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    pub(crate) element: Element,
    pub(crate) bytes: Vec<u8>,
    pub(crate) shape: Vec<usize>,
}

/// Numbers of so many bytes, `[rows, columns]`, the other way round.
fn transposed<const SIZE: usize>(numbers: &[[u8; SIZE]], rows: usize, columns: usize) -> Vec<u8> {
    /// Square tiles, so that both sides stay in the cache.
    const TILE: usize = 32;
    let mut turned = vec![[0; SIZE]; numbers.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_column in (0..columns).step_by(TILE) {
            for row in first_row..(first_row + TILE).min(rows) {
                for column in first_column..(first_column + TILE).min(columns) {
                    turned[column * rows + row] = numbers[row * columns + column];
                }
            }
        }
    }
    turned.into_flattened()
}

impl StoredTensor {
    /// How its numbers are stored.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Matrices `[matrices, rows, columns]`, one after the other, as one of all their rows.
    #[must_use]
    pub fn as_one_matrix(mut self) -> Self {
        let columns = self.shape.last().copied().unwrap_or(1);
        let rows: usize = self.shape.iter().rev().skip(1).product();
        self.shape = vec![rows, columns];
        self
    }

    /// Its bytes: whole blocks, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All numbers as `f32`.
    pub fn widened(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.shape.iter().product()];
        dequantise(self.element, &self.bytes, &mut weights);
        weights
    }

    /// Stretches of so many rows of a matrix, one after the other.
    ///
    /// # Panics
    /// Where there are no such rows.
    pub fn stretches(&self, starts: impl Iterator<Item = usize>, length: usize) -> Self {
        let of_row = self.bytes_of_row();
        let mut bytes = Vec::new();
        let mut rows = 0;
        for start in starts {
            bytes.extend_from_slice(&self.bytes[start * of_row..(start + length) * of_row]);
            rows += length;
        }
        let mut shape = self.shape.clone();
        shape[0] = rows;
        Self { element: self.element, bytes, shape }
    }

    /// The transpose of a matrix, where each number stands for itself; `None` where it stands in a block.
    pub fn transposed(&self) -> Option<Self> {
        let &[rows, columns] = self.shape.as_slice() else { return None };
        if self.element.block_len() > 1 {
            return None;
        }
        let bytes = match self.element.block_bytes() {
            2 => transposed(self.bytes.as_chunks::<2>().0, rows, columns),
            4 => transposed(self.bytes.as_chunks::<4>().0, rows, columns),
            8 => transposed(self.bytes.as_chunks::<8>().0, rows, columns),
            _ => return None,
        };
        Some(Self { element: self.element, bytes, shape: vec![columns, rows] })
    }

    /// How its weights are divided, where they are quantised.
    pub fn quanta(&self) -> Option<Quanta> {
        self.element.quanta()
    }

    /// A row of a quantised matrix: its codes, and a scale and an offset for each group.
    ///
    /// # Panics
    /// Where there is no such row, or not enough room for it.
    pub fn read_row(&self, row: usize, codes: &mut [i8], scales: &mut [f32], offsets: &mut [f32]) {
        let of_row = self.bytes_of_row();
        let bytes = &self.bytes[row * of_row..(row + 1) * of_row];
        read_quanta(self.element, bytes, codes, scales, offsets);
    }

    fn bytes_of_row(&self) -> usize {
        self.bytes.len() / self.shape.first().copied().unwrap_or(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn brains(shape: [usize; 2]) -> StoredTensor {
        let count = (shape[0] * shape[1]) as u16;
        let bytes = (0..count).flat_map(|index| (0x3f80 + index).to_le_bytes()).collect();
        StoredTensor { element: Element::BF16, bytes, shape: shape.to_vec() }
    }

    #[test]
    fn rows_and_columns_change_places() {
        let matrix = brains([33, 70]);
        let turned = matrix.transposed().unwrap();
        assert_eq!(turned.shape(), [70, 33]);
        let (numbers, of_turned) = (matrix.widened(), turned.widened());
        for (row, column) in [(0, 0), (32, 69), (5, 40), (31, 32)] {
            assert_eq!(of_turned[column * 33 + row], numbers[row * 70 + column]);
        }
        assert_eq!(turned.transposed().unwrap(), matrix);
    }

    #[test]
    fn stretches_of_rows_are_those_of_the_numbers() {
        let matrix = brains([6, 3]);
        let part = matrix.stretches([4, 0].into_iter(), 2);
        let numbers = matrix.widened();
        assert_eq!(part.shape(), [4, 3]);
        assert_eq!(part.widened(), [&numbers[12..], &numbers[..6]].concat());
    }

    #[test]
    fn blocks_are_taken_apart_as_they_are_widened() {
        // Two rows of one block: a scale of 1 and 2, codes 0 to 31 as signed bytes.
        let block = |scale: u16| {
            let mut bytes = scale.to_le_bytes().to_vec();
            bytes.extend(0..32u8);
            bytes
        };
        let bytes = [block(0x3c00), block(0x4000)].concat();
        let matrix = StoredTensor { element: Element::Q8_0, bytes, shape: vec![2, 32] };
        let (mut codes, mut scales, mut offsets) = ([0i8; 32], [0.0], [0.0]);
        matrix.read_row(1, &mut codes, &mut scales, &mut offsets);
        assert_eq!((codes[31], scales[0]), (31, 2.0));
        assert_eq!(matrix.widened()[63], 62.0);
        assert!(matrix.transposed().is_none());
    }
}
