//! Whether a file is still the one that was opened.
//!
//! A model is read in steps, some of them long after the first. A file that was written to in between
//! gives a model that never was, and a hash of bytes that were not run.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::CheckpointError;

/// What tells whether a file is still the one that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode.
    #[cfg(unix)]
    node: (u64, u64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            node: (metadata.dev(), metadata.ino()),
        }
    }
}

/// A file as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    path: PathBuf,
    state: State,
}

impl Watched {
    /// Remembers an open file.
    pub fn new(path: &Path, file: &File) -> Result<Self, CheckpointError> {
        let metadata = file.metadata().map_err(|reason| CheckpointError::read(path, reason))?;
        Ok(Self { path: path.to_owned(), state: State::of(&metadata) })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.state.bytes
    }

    /// Compares with what is there now.
    ///
    /// # Errors
    /// What has changed.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let changed = |how: &str| {
            Err(CheckpointError::Changed { path: self.path.clone(), how: how.to_owned() })
        };
        let Ok(now) = std::fs::metadata(&self.path).map(|metadata| State::of(&metadata)) else {
            return changed("is no longer there");
        };
        if now == self.state {
            return Ok(());
        }
        #[cfg(unix)]
        if now.node != self.state.node {
            return changed("was replaced by another file");
        }
        if now.bytes != self.state.bytes {
            return changed(&format!("has {} bytes instead of {}", now.bytes, self.state.bytes));
        }
        changed("was written to")
    }
}
