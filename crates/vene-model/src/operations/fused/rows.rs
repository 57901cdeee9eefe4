//! Packed rows, and the buffers that they lie in.
//!
//! A pass makes and drops a tensor of a few megabytes some dozen times a layer. Memory that comes
//! from the system each time is paid for page by page; so a dropped tensor's buffer waits in a
//! pool for the next.

use std::sync::{Arc, Mutex, PoisonError};

use vene_kernels::AlignedBuffer;

/// Buffers that are not in use.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Mutex<Vec<AlignedBuffer>>,
}

impl Pool {
    /// A buffer of this length, its values left over from whoever had it before.
    pub(super) fn take(&self, length: usize) -> AlignedBuffer {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The tightest that holds it; else the largest, which grows.
        let fits = (0..free.len())
            .filter(|&index| free[index].capacity() >= length)
            .min_by_key(|&index| free[index].capacity());
        let index = fits.or_else(|| (0..free.len()).max_by_key(|&index| free[index].capacity()));
        let mut buffer = index.map(|index| free.swap_remove(index)).unwrap_or_default();
        drop(free);
        buffer.resize(length);
        buffer
    }

    pub(super) fn give(&self, buffer: AlignedBuffer) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Packed rows `[rows, width]` in a buffer of the pool.
#[derive(Debug)]
pub struct FusedRows {
    pub(super) buffer: AlignedBuffer,
    pub(super) width: usize,
    pool: Arc<Pool>,
}

impl FusedRows {
    /// Rows whose values are left over from whoever had the buffer before.
    pub(super) fn new(pool: &Arc<Pool>, rows: usize, width: usize) -> Self {
        Self { buffer: pool.take(rows * width), width, pool: pool.clone() }
    }

    pub(super) fn rows(&self) -> usize {
        self.buffer.len() / self.width.max(1)
    }

    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.buffer[index * self.width..(index + 1) * self.width]
    }
}

impl Clone for FusedRows {
    fn clone(&self) -> Self {
        let mut buffer = self.pool.take(self.buffer.len());
        buffer.copy_from_slice(&self.buffer);
        Self { buffer, width: self.width, pool: self.pool.clone() }
    }
}

impl Drop for FusedRows {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.buffer));
    }
}
