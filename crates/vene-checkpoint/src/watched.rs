//! Whether a file is still the one that was opened.
//!
//! A model is read in steps, some of them long after the first. A file that was written to in between
//! gives a model that never was, and a hash of bytes that were not run. A file that was removed keeps its
//! bytes for those who have them open.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

    /// What has changed.
    fn expect(&self, now: &Self) -> Result<(), String> {
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

/// A file as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    path: PathBuf,
    state: State,
    /// The open file, where more is read of it later: what is written to it before it is removed is seen.
    file: Option<Arc<File>>,
}

impl Watched {
    /// Remembers a file that is read at once.
    pub fn new(path: &Path, file: &File) -> Result<Self, CheckpointError> {
        let metadata = file.metadata().map_err(|reason| CheckpointError::read(path, reason))?;
        Ok(Self { path: path.to_owned(), state: State::of(&metadata), file: None })
    }

    /// The same file, kept open.
    pub fn keeping(self, file: File) -> Self {
        Self { file: Some(Arc::new(file)), ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.state.bytes
    }

    /// Compares with what is there now. A file that was removed is unchanged: its bytes are those that were opened.
    ///
    /// # Errors
    /// What has changed.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let open = self.file.as_ref().map(|file| file.metadata());
        let named = std::fs::metadata(&self.path);
        for metadata in open.into_iter().chain([named]).flatten() {
            self.state
                .expect(&State::of(&metadata))
                .map_err(|how| CheckpointError::Changed { path: self.path.clone(), how })?;
        }
        Ok(())
    }
}
