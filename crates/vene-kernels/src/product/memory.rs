//! Where packed weights lie.
//!
//! Large matrices get pages of their own from the system. They are zero without anybody writing
//! zeros, become real in the thread that first writes to them, and may be huge pages, of which
//! the processor need not look up one for every 4 KB that it streams.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::buffer::AlignedBuffer;

/// Floats from which on pages are worth asking for: 1 MB.
const LARGE: usize = 1 << 18;

/// Floats, aligned to 64 bytes at least.
#[derive(Debug)]
pub(super) enum Memory {
    Small(AlignedBuffer),
    Large(MmapMut),
}

impl Memory {
    /// `length` zeros.
    ///
    /// # Panics
    ///
    /// If there is not so much memory.
    pub fn zeros(length: usize) -> Self {
        if length < LARGE {
            return Self::Small(AlignedBuffer::zeros(length));
        }
        match MmapMut::map_anon(length * size_of::<f32>()) {
            Ok(pages) => {
                // Where the system has no huge pages to give, small ones do.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                Self::Large(pages)
            }
            Err(error) => panic!("no memory for {length} weights: {error}"),
        }
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Small(buffer) => buffer,
            // SAFETY: pages are aligned to more than a float, their length is a multiple of one's,
            // and any bits are a float.
            Self::Large(pages) => unsafe {
                std::slice::from_raw_parts(pages.as_ptr().cast(), pages.len() / size_of::<f32>())
            },
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Small(buffer) => buffer,
            // SAFETY: as above, and `self` is borrowed for as long as the slice.
            Self::Large(pages) => unsafe {
                let length = pages.len() / size_of::<f32>();
                std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), length)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_are_zero_and_aligned() {
        for length in [0, 1, LARGE - 1, LARGE, LARGE + 5] {
            let mut memory = Memory::zeros(length);
            assert_eq!(memory.len(), length);
            assert!(memory.iter().all(|&value| value == 0.0));
            assert_eq!(memory.as_ptr() as usize % 64, 0);
            memory.fill(1.0);
            assert_eq!(memory.iter().sum::<f32>(), length as f32);
        }
    }
}
