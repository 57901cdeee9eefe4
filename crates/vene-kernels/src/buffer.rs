//! Buffers of floats that start on a cache line, so that no vector load straddles two.
//!
//! Large ones get pages of their own from the system. They are zero without anybody writing
//! zeros, become real where and when they are first written to (room to grow costs nothing), and may be
//! huge pages, of which the processor need not look up one for every 4 KB that it streams.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Floats in a cache line.
const LINE: usize = 16;

/// Floats from which on pages are worth asking for: 1 MB.
const LARGE: usize = 1 << 18;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A growable buffer of floats, aligned to 64 bytes. New floats are zeros.
#[derive(Default)]
pub struct AlignedBuffer {
    memory: Memory,
    length: usize,
}

enum Memory {
    Lines(Vec<Line>),
    Pages(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

impl Memory {
    /// Room for `length` floats, all zeros. Without so much memory the allocator ends the program, as it does for any
    /// other vector.
    fn zeros(length: usize) -> Self {
        let pages = (length >= LARGE).then(|| MmapMut::map_anon(length * size_of::<f32>()));
        let Some(Ok(pages)) = pages else {
            return Self::Lines(vec![Line([0.0; LINE]); length.div_ceil(LINE)]);
        };
        // Where the system has no huge pages to give, small ones do.
        #[cfg(target_os = "linux")]
        let _ = pages.advise(memmap2::Advice::HugePage);
        Self::Pages(pages)
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.len() * LINE,
            Self::Pages(pages) => pages.len() / size_of::<f32>(),
        }
    }
}

impl AlignedBuffer {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        Self { memory: Memory::zeros(length), length }
    }

    /// Makes it `length` floats long. Those that were there stay; memory is never given back.
    /// Floats that come into sight again after shrinking hold what they held.
    pub fn resize(&mut self, length: usize) {
        if length > self.capacity() {
            let mut larger = Self::zeros(length);
            larger[..self.length].copy_from_slice(self);
            *self = larger;
        }
        self.length = length;
    }

    /// How long it can be made without new memory.
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
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
        let floats: *const f32 = match &self.memory {
            Memory::Lines(lines) => lines.as_ptr().cast(),
            Memory::Pages(pages) => pages.as_ptr().cast(),
        };
        // SAFETY: lines are sixteen floats without padding, pages are aligned to more than a float,
        // any bits are a float, and there are at least `length`.
        unsafe { std::slice::from_raw_parts(floats, self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let floats: *mut f32 = match &mut self.memory {
            Memory::Lines(lines) => lines.as_mut_ptr().cast(),
            Memory::Pages(pages) => pages.as_mut_ptr().cast(),
        };
        // SAFETY: as above, and `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(floats, self.length) }
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
        for length in [1000, LARGE - 1, LARGE, LARGE + 5, 2 * LARGE] {
            buffer.resize(length);
            assert_eq!(buffer[..4], [1.0, 2.0, 3.0, 0.0]);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer[length - 1], 0.0);
        }
        buffer.resize(2);
        assert_eq!(buffer[..], [1.0, 2.0]);
        assert_eq!(buffer.capacity(), 2 * LARGE);
    }

    #[test]
    fn small_and_large_are_zero_and_aligned() {
        for length in [0, 1, LARGE - 1, LARGE, LARGE + 5] {
            let mut buffer = AlignedBuffer::zeros(length);
            assert!(buffer.iter().all(|&value| value == 0.0));
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.fill(1.0);
            assert_eq!(buffer.iter().sum::<f32>(), length as f32);
        }
    }
}
