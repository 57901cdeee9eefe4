//! Whether a file is still the one that was opened.
//!
//! A model is read in steps, some of them long after the first. A file that was written to in between
//! gives a model that never was, and a hash of bytes that were not run. A file that was removed keeps its
//! bytes for those who have them open.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vene_files::FileState;

use crate::CheckpointError;

/// A file as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    path: PathBuf,
    state: FileState,
    /// The open file, where more is read of it later: what is written to it before it is removed is seen.
    file: Option<Arc<File>>,
}

impl Watched {
    /// Remembers a file that is read at once.
    pub fn new(path: &Path, file: &File) -> Result<Self, CheckpointError> {
        let metadata = file.metadata().map_err(|reason| CheckpointError::read(path, reason))?;
        Ok(Self { path: path.to_owned(), state: FileState::of(&metadata), file: None })
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
        self.state.bytes()
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
                .expect(&FileState::of(&metadata))
                .map_err(|how| CheckpointError::Changed { path: self.path.clone(), how })?;
        }
        Ok(())
    }
}
