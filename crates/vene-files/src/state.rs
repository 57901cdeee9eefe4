//! Whether a file is still the one that was opened.

use std::fs::Metadata;
use std::time::SystemTime;

/// A file's size, time of change and place on the disk: what changes when somebody writes to it or replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode.
    #[cfg(unix)]
    node: (u64, u64),
}

impl FileState {
    /// The state that a file's metadata tell.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            node: (metadata.dev(), metadata.ino()),
        }
    }

    /// The file's size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Compares with a later state.
    ///
    /// # Errors
    /// What has changed, as words that follow the file's name: `was written to`.
    pub fn expect(&self, now: &Self) -> Result<(), String> {
        if now == self {
            return Ok(());
        }
        #[cfg(unix)]
        if now.node != self.node {
            return Err("was replaced by another file".to_owned());
        }
        if now.bytes != self.bytes {
            return Err(format!("has {} bytes instead of {}", now.bytes, self.bytes));
        }
        Err("was written to".to_owned())
    }
}
