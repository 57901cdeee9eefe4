//! What dead processes left: temporary files and folders, and their locks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Lock;
use crate::lock::is_lock;
use crate::temporary::is_temporary;

/// Whether a name is one that temporary files and folders, or locks, have. Other hidden names may be a user's.
pub fn is_litter(name: &str) -> bool {
    is_temporary(name) || is_lock(name)
}

/// Removes temporary files and folders that processes left in a folder when they were killed, and their locks.
///
/// Nothing is removed while a living process other than the caller holds a lock in the folder: the temporary files may
/// be its own. The caller's lock, `own`, is left.
///
/// # Errors
/// What the system says, but for files that are gone already.
pub fn remove_litter(folder: &Path, own: &Path) -> io::Result<()> {
    let (mut locks, mut files, mut folders): (Vec<PathBuf>, Vec<PathBuf>, Vec<PathBuf>) =
        Default::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind, path) = (entry.file_name(), entry.file_type()?, entry.path());
        let Some(name) = name.to_str().filter(|_| path != own) else { continue };
        // Of nothing else is any made.
        match (kind.is_file(), kind.is_dir()) {
            (true, _) if is_lock(name) => locks.push(path),
            (true, _) if is_temporary(name) => files.push(path),
            (_, true) if is_temporary(name) => folders.push(path),
            _ => {}
        }
    }
    // Looked at only now: whoever made a temporary file that was listed had its lock before.
    if locks.iter().any(|path| Lock::holder(path).is_some()) {
        return Ok(());
    }
    let removed = folders.iter().map(fs::remove_dir_all);
    for removed in removed.chain(locks.iter().chain(&files).map(fs::remove_file)) {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let other_lock = crate::lock_of("rows.jsonl".as_ref());
        let litter = || {
            fs::create_dir_all(at(".vene-a1b2c3.partial/deep")).unwrap();
            fs::write(at(".vene-d4e5f6.partial"), "half").unwrap();
            fs::write(at(&other_lock), "process 7").unwrap();
        };
        litter();
        let mut kept = vec![".vene-lock.txt", ".vene-mine", ".venerable", "mine.csv", "vene-x"];
        for name in &kept {
            fs::write(at(name), "").unwrap();
        }
        // Names with as many letters, and of another kind of thing than have such names.
        fs::create_dir_all(at(".vene-backup/deep")).unwrap();
        fs::create_dir_all(at(".vene-lock-0123456789abcdef/deep")).unwrap();
        kept.extend([".vene-backup", ".vene-lock", ".vene-lock-0123456789abcdef"]);
        kept.sort_unstable();
        let own = Lock::take(&at(".vene-lock"), "").unwrap();
        remove_litter(folder.path(), &at(".vene-lock")).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, kept);

        // While another process writes into the folder, its files are its own.
        litter();
        let other = Lock::take(&at(&other_lock), "").unwrap();
        remove_litter(folder.path(), &at(".vene-lock")).unwrap();
        assert!(at(".vene-d4e5f6.partial").exists() && at(".vene-a1b2c3.partial").exists());
        drop((own, other));
    }
}
