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

impl StoredTensor {
    /// How its numbers are stored.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
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
        let size = self.element.block_bytes();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for column in 0..columns {
            for row in 0..rows {
                let at = (row * columns + column) * size;
                bytes.extend_from_slice(&self.bytes[at..at + size]);
            }
        }
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
