//! The output folder: it gets all files of a run, or none.
//!
//! Whether it can be written is found out before anything runs, without leaving a trace. At the
//! end all files are written into a hidden folder beside their place and then renamed, so that
//! a full disk, a crash or Ctrl-C leaves what was there before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::interrupt;

/// A folder that was found writable.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Checks that these files can be written into a folder, which need not exist yet.
    pub fn check(path: &Path, files: &[String]) -> anyhow::Result<Self> {
        let refused = || {
            format!(
                "cannot write into {}: give a folder that can be written (--out)",
                path.display()
            )
        };
        ensure!(!path.as_os_str().is_empty(), "--out is empty: give a folder");
        let nearest =
            path.ancestors().map(or_here).find(|ancestor| ancestor.symlink_metadata().is_ok());
        let nearest = nearest.unwrap_or(Path::new("."));
        if !nearest.is_dir() {
            let reason = format!("{} is no folder", nearest.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, reason)).with_context(refused);
        }
        tempfile::tempfile_in(nearest).with_context(refused)?;
        for file in files {
            let file = path.join(file);
            if file.is_dir() {
                bail!("cannot write {}: a folder is in its place; move it away", file.display());
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `write` write files into an empty folder, and moves them into this one.
    pub fn fill(&self, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        interrupt::undisturbed(|| {
            let refused = || format!("cannot write into {}", self.path.display());
            fs::create_dir_all(&self.path).with_context(refused)?;
            let mut staging = tempfile::Builder::new();
            let staging = staging.prefix(".vene-").tempdir_in(&self.path).with_context(refused)?;
            write(staging.path())?;
            for entry in fs::read_dir(staging.path()).with_context(refused)? {
                let entry = entry.with_context(refused)?;
                fs::rename(entry.path(), self.path.join(entry.file_name()))
                    .with_context(refused)?;
            }
            Ok(())
        })
    }
}

/// The last ancestor of a relative path is empty, and stands for the folder one is in.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn checking_leaves_no_trace() {
        let outer = tempfile::tempdir().unwrap();
        Folder::check(&outer.path().join("a/b"), &["x".to_owned()]).unwrap();
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_fails_half_way_leaves_the_old_files() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("x"), "old").unwrap();
        let folder = Folder::check(outer.path(), &["x".to_owned()]).unwrap();
        let failed = folder.fill(|staging| {
            fs::write(staging.join("x"), "new")?;
            bail!("disk full")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(outer.path().join("x")).unwrap(), "old");
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
        folder.fill(|staging| Ok(fs::write(staging.join("x"), "new")?)).unwrap();
        assert_eq!(fs::read_to_string(outer.path().join("x")).unwrap(), "new");
    }

    #[test]
    fn a_file_is_no_folder() {
        let outer = tempfile::tempdir().unwrap();
        let file = outer.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = Folder::check(&path, &[]).map(|_| ()).unwrap_err();
            assert!(format!("{error:#}").contains("is no folder"), "{error:#}");
        }
        fs::create_dir(outer.path().join("sweep.csv")).unwrap();
        assert!(Folder::check(outer.path(), &["sweep.csv".to_owned()]).is_err());
    }
}
