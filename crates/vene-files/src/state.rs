//! Whether a file is still the one that was opened.

use std::fs::Metadata;
use std::time::SystemTime;

/// A file's size, times and place on the disk: what changes when somebody writes to it or replaces it.
///
/// The time of writing can be set back by whoever may write. The time of the last change of anything cannot; but a file
/// that is removed, linked or given to another owner has a new one too. So that counts only where nothing else explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode.
    #[cfg(unix)]
    node: (u64, u64),
    /// When anything of it changed, its times included.
    #[cfg(unix)]
    changed: (i64, i64),
    /// Links, mode, owner and group: what changes that time without a byte.
    #[cfg(unix)]
    owned: [u64; 4],
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
            #[cfg(unix)]
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            #[cfg(unix)]
            owned: [
                metadata.nlink(),
                metadata.mode().into(),
                metadata.uid().into(),
                metadata.gid().into(),
            ],
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
        if now.modified != self.modified {
            return Err("was written to".to_owned());
        }
        #[cfg(unix)]
        if now.owned == self.owned {
            return Err("was changed (written to with its time set back, or renamed)".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File, FileTimes, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_that_is_set_back_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        fs::write(&path, "before").unwrap();
        let file = File::open(&path).unwrap();
        let state = || FileState::of(&file.metadata().unwrap());
        let before = state();
        before.expect(&state()).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        // Neither of these writes a byte.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        before.expect(&state()).unwrap();

        let before = state();
        let modified = file.metadata().unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(30));
        fs::write(&path, "after!").unwrap();
        let back = FileTimes::new().set_modified(modified);
        File::options().write(true).open(&path).unwrap().set_times(back).unwrap();
        assert!(before.expect(&state()).unwrap_err().contains("with its time set back"));
    }
}
