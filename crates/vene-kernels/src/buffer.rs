//! Buffers of floats that start on a cache line, so that no vector load straddles two.

use std::ops::{Deref, DerefMut};

/// Floats in a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A growable buffer of floats, aligned to 64 bytes. New floats are zeros.
#[derive(Clone, Default)]
pub struct AlignedBuffer {
    lines: Vec<Line>,
    length: usize,
}

impl AlignedBuffer {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::default();
        buffer.resize(length);
        buffer
    }

    /// Makes it `length` floats long. Those that were there stay; memory is never given back.
    /// Floats that come into sight again after shrinking hold what they held.
    pub fn resize(&mut self, length: usize) {
        if length > self.lines.len() * LINE {
            let lines = length.div_ceil(LINE);
            self.lines.reserve_exact(lines - self.lines.len());
            self.lines.resize(lines, Line([0.0; LINE]));
        }
        self.length = length;
    }

    /// How long it can be made without new memory.
    pub fn capacity(&self) -> usize {
        self.lines.len() * LINE
    }

    /// Copies `values` behind what is there.
    pub fn extend_from_slice(&mut self, values: &[f32]) {
        let start = self.length;
        self.resize(start + values.len());
        self[start..].copy_from_slice(values);
    }
}

impl Deref for AlignedBuffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is sixteen floats without padding, and there are at least `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl std::fmt::Debug for AlignedBuffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AlignedBuffer of {} floats", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_aligned_and_keeps_what_was_there() {
        let mut buffer = AlignedBuffer::default();
        assert!(buffer.is_empty());
        buffer.extend_from_slice(&[1.0, 2.0, 3.0]);
        buffer.resize(1000);
        assert_eq!(buffer[..4], [1.0, 2.0, 3.0, 0.0]);
        assert_eq!(buffer.as_ptr() as usize % 64, 0);
        assert_eq!(buffer.len(), 1000);
    }
}
