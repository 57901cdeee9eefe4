//! Packed rows, and the buffers that they lie in.
//!
//! A pass makes and drops a tensor of a few megabytes some dozen times a layer. Memory that comes
//! from the system each time is paid for page by page; so a dropped tensor's buffer waits in a
//! pool for the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use vene_kernels::AlignedBuffer;

/// Buffers that are not in use, the longest unused first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Mutex<VecDeque<AlignedBuffer>>,
}

/// As many buffers wait as a decoder has tensors alive at once. A pass that has grown leaves those
/// of its beginning behind here, to be given back to the system.
const WAITING: usize = 8;

impl Pool {
    /// A buffer of this length, its values left over from whoever had it before.
    pub(super) fn take(&self, length: usize) -> AlignedBuffer {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The tightest that holds it, unless it would be half empty.
        let tightest = (0..free.len())
            .filter(|&index| (length..=2 * length).contains(&free[index].capacity()))
            .min_by_key(|&index| free[index].capacity());
        let found = tightest.and_then(|index| free.remove(index));
        drop(free);
        // Room for rows that are still to come; memory that is not written to costs nothing.
        let mut buffer = found.unwrap_or_else(|| AlignedBuffer::zeros(length + length / 2));
        buffer.resize(length);
        buffer
    }

    pub(super) fn give(&self, buffer: AlignedBuffer) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(buffer);
        if free.len() > WAITING {
            free.pop_front();
        }
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
