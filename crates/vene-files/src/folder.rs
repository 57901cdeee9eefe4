//! Folders that appear whole or not at all.

use std::fs;
use std::io;
use std::path::Path;

use crate::{temporary_folder, undisturbed};

/// Writes a folder through a hidden one beside it, which is renamed when it is complete.
///
/// Readers of `path` see either the old folder or the complete new one, never files of both. A folder
/// that is there already is replaced if it holds no other files than those in `names`, else it
/// is refused, since they would be lost.
///
/// # Errors
///
/// What `write` returned, or what the file system refused.
pub fn write_folder<E: From<io::Error>>(
    path: &Path,
    names: &[&str],
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    undisturbed(|| replace(path, names, write))
}

fn replace<E: From<io::Error>>(
    path: &Path,
    names: &[&str],
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    check_folder(path, names)?;
    fs::create_dir_all(parent)?;
    let (new, old) = (temporary_folder(parent)?, temporary_folder(parent)?);
    write(new.path())?;
    let aside = old.path().join("old");
    let is_there = path.symlink_metadata().is_ok();
    if is_there {
        fs::rename(path, &aside)?;
    }
    if let Err(error) = fs::rename(new.path(), path) {
        if is_there {
            fs::rename(&aside, path)?;
        }
        return Err(error.into());
    }
    // It is in its place; there is nothing left to be removed.
    let _ = new.keep();
    Ok(())
}

/// Checks that [`write_folder`] may replace what is at `path`: nothing, or a folder with no other files than `names`.
///
/// # Errors
/// What is there instead, or what the file system refused.
pub fn check_folder(path: &Path, names: &[&str]) -> io::Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !path.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "a file is in the folder's place",
        ));
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !names.iter().any(|known| name == **known) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "it holds {}, which would be lost: name a folder of its own",
                    name.to_string_lossy()
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("deep/saved");
        let write = |name: &'static str| {
            write_folder(&path, &["a", "b"], |folder| fs::write(folder.join(name), name))
        };
        write("a").unwrap();
        write("b").unwrap();
        assert_eq!(fs::read_to_string(path.join("b")).unwrap(), "b");
        assert!(!path.join("a").exists());
        assert_eq!(entries(path.parent().unwrap()), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_folder_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("saved");
        write_folder(&path, &["a"], |folder| fs::write(folder.join("a"), "old")).unwrap();
        let failed: io::Result<()> = write_folder(&path, &["a"], |folder| {
            fs::write(folder.join("a"), "new")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "old");
        assert_eq!(entries(outer.path()), 1);
    }

    #[test]
    fn other_files_are_not_lost() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("thesis.tex"), "x").unwrap();
        let written = write_folder(outer.path(), &["a"], |folder| fs::write(folder.join("a"), "x"));
        assert!(written.unwrap_err().to_string().contains("thesis.tex"));
        let file = outer.path().join("thesis.tex");
        assert!(write_folder(&file, &["a"], |_| io::Result::Ok(())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_has_ordinary_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (outer.path().join("ours"), outer.path().join("ordinary"));
        write_folder(&ours, &[], |_| io::Result::Ok(())).unwrap();
        fs::create_dir(&ordinary).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
