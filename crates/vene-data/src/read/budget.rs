//! How much memory the rows of a file may take.
//!
//! A file of a few kilobytes may claim any number of rows and values. What they take is counted
//! before it is kept.

use super::MOST_BYTES;

/// What a value takes besides its text.
pub(super) const VALUE: u64 = 32;

/// What an entry of an object takes besides its key and value.
pub(super) const ENTRY: u64 = 96;

/// Bytes that may still be taken.
#[derive(Debug)]
pub(super) struct Budget(u64);

/// More than a data set may take.
#[derive(Debug)]
pub(super) struct Spent;

impl Budget {
    /// For what a data set may take at most.
    pub fn whole() -> Self {
        Self(MOST_BYTES)
    }

    /// For a JSON file as a whole, which is in memory beside its rows.
    pub fn of_values() -> Self {
        Self(2 * MOST_BYTES)
    }

    /// Takes so many bytes.
    pub fn take(&mut self, bytes: u64) -> Result<(), Spent> {
        self.0 = self.0.checked_sub(bytes).ok_or(Spent)?;
        Ok(())
    }
}
