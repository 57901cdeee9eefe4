//! One writer at a time.
//!
//! The system's lock on a file ends with the process that holds it, however that ends; so a lock that is left behind
//! by a killed process keeps nobody out. The file says which process holds it, for the message to another one.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::{open_to_write, sha256};

/// The file of the lock of a folder.
pub const LOCK: &str = ".vene-lock";

/// Digits of a digest in the name of a file's lock.
const DIGITS: usize = 16;

/// The name of the lock of one file, beside it. Names can be as long as the system allows, so that it has a digest.
pub fn lock_of(file: &OsStr) -> String {
    format!("{LOCK}-{}", &sha256(file.as_encoded_bytes())[..DIGITS])
}

/// Whether a name is that of a folder's or a file's lock.
pub(crate) fn is_lock(name: &str) -> bool {
    let is_digest = |digits: &str| {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.len() == DIGITS && digits.bytes().all(is_digit)
    };
    name == LOCK
        || name.strip_prefix(LOCK).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_digest)
}

/// More than a holder says of itself.
const MOST: u64 = 1000;

/// A lock that is held. It ends, and its file goes, when it is dropped; where the process dies before, the system ends
/// it and the file is left for the next one.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Holds the system's lock. `None` where the file system has no locks.
    file: Option<File>,
}

/// Why a lock cannot be had.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Held {
        /// What that process said of itself; empty where it said nothing yet.
        by: String,
    },
    /// The file cannot be made or opened.
    File(io::Error),
}

impl Lock {
    /// Takes the lock at `path`, a file that is made where there is none. `holder` is what others are told.
    ///
    /// On a file system without locks it is taken as held ([`Lock::is_exclusive`] is then false).
    ///
    /// # Errors
    /// [`LockError`]. A call never waits.
    pub fn take(path: &Path, holder: &str) -> Result<Self, LockError> {
        loop {
            let file = open_to_write(path).map_err(|error| LockError::File(named(path, error)))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held { by: said(file) }),
                Err(TryLockError::Error(_)) => {
                    return Ok(Self { path: path.to_owned(), file: None });
                }
            }
            // The process that had it before may have removed the file after it was opened here: then the lock is on
            // a file that others no longer see.
            if is_at(&file, path) {
                say(&file, holder).map_err(LockError::File)?;
                return Ok(Self { path: path.to_owned(), file: Some(file) });
            }
        }
    }

    /// Whether other processes are kept out: not on a file system without locks.
    pub fn is_exclusive(&self) -> bool {
        self.file.is_some()
    }

    /// Whether a living process holds the lock at `path`, where there is one, and what it says of itself.
    pub fn holder(path: &Path) -> Option<String> {
        let file = crate::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(said(file)),
            _ => None,
        }
    }

    /// Ends the lock and removes its file.
    fn end(&mut self) {
        if let Some(file) = self.file.take() {
            // Removed while it is still held, so that no other process's file is removed.
            if is_at(&file, &self.path) {
                let _ = fs::remove_file(&self.path);
            }
        } else {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.end();
    }
}

/// Names the lock's file, which no user knows of, where something else is in its place.
fn named(path: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        }
        _ => error,
    }
}

fn say(mut file: &File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(holder.as_bytes())
}

fn said(file: File) -> String {
    let mut text = Vec::new();
    match file.take(MOST).read_to_end(&mut text) {
        Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// Whether an open file is the one that a path leads to.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(there)) => open.dev() == there.dev() && open.ino() == there.ino(),
        _ => false,
    }
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn there_is_one_holder_and_no_file_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".vene-lock");
        assert_eq!(Lock::holder(&path), None);
        let lock = Lock::take(&path, "process 7").unwrap();
        assert!(lock.is_exclusive());
        assert_eq!(Lock::holder(&path).as_deref(), Some("process 7"));
        let Err(LockError::Held { by }) = Lock::take(&path, "process 8") else {
            panic!("taken twice")
        };
        assert_eq!(by, "process 7");
        drop(lock);
        assert!(!path.exists());
        drop(Lock::take(&path, "process 8").unwrap());
    }

    #[test]
    fn a_file_that_was_left_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".vene-lock");
        fs::write(&path, "process 7, which was killed long ago").unwrap();
        assert_eq!(Lock::holder(&path), None);
        let lock = Lock::take(&path, "process 8").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "process 8");
        drop(lock);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_in_the_place_of_a_lock_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        let mine = folder.path().join("mine");
        fs::write(&mine, "mine").unwrap();
        std::os::unix::fs::symlink(&mine, &path).unwrap();
        let Err(LockError::File(error)) = Lock::take(&path, "process 8") else { panic!("taken") };
        let expected =
            format!("{}: a link is in the place of this file; move it away", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    }

    #[test]
    fn names_are_known() {
        assert!(is_lock(LOCK) && is_lock(&lock_of("rows.jsonl".as_ref())));
        assert!(!is_lock(".vene-locks") && !is_lock(".vene-lock-rows.jsonl"));
    }

    #[test]
    fn many_threads_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".vene-lock");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let turns = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(lock) = Lock::take(&path, "") else { continue };
                        use std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        turns.fetch_add(1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(turns.into_inner() > 0);
        assert!(!path.exists());
    }
}
