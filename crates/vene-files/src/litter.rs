//! What dead processes left: temporary files and folders, and their locks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Lock, PREFIX};

/// How the names of locks begin.
const LOCK: &str = ".vene-lock";

/// Removes temporary files and folders that processes left in a folder when they were killed, and their locks.
///
/// Nothing is removed while a living process other than the caller holds a lock in the folder: the temporary files may
/// be its own. The caller's lock, `own`, is left.
///
/// # Errors
/// What the system says, but for files that are gone already.
pub fn remove_litter(folder: &Path, own: &Path) -> io::Result<()> {
    let mut litter: Vec<(PathBuf, bool)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_litter = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_litter && entry.path() != own {
            litter.push((entry.path(), entry.file_type()?.is_dir()));
        }
    }
    // Looked at only now: whoever made a temporary file that was listed had its lock before.
    let is_lock = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(LOCK))
    };
    if litter.iter().any(|(path, _)| is_lock(path) && Lock::holder(path).is_some()) {
        return Ok(());
    }
    for (path, is_folder) in litter {
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
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
        let litter = || {
            fs::create_dir_all(at(".vene-a1b2c3/deep")).unwrap();
            fs::write(at(".vene-d4.partial"), "half").unwrap();
            fs::write(at(".vene-lock-rows.jsonl"), "process 7").unwrap();
        };
        litter();
        for kept in ["mine.csv", ".venerable", "vene-x"] {
            fs::write(at(kept), "").unwrap();
        }
        let own = Lock::take(&at(".vene-lock"), "").unwrap();
        remove_litter(folder.path(), &at(".vene-lock")).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".vene-lock", ".venerable", "mine.csv", "vene-x"]);

        // While another process writes into the folder, its files are its own.
        litter();
        let other = Lock::take(&at(".vene-lock-rows.jsonl"), "").unwrap();
        remove_litter(folder.path(), &at(".vene-lock")).unwrap();
        assert!(at(".vene-d4.partial").exists() && at(".vene-a1b2c3").exists());
        drop((own, other));
    }
}
