//! The cache on the disk, laid out as all tools of the hub have it.
//!
//! `models--ORG--NAME/` holds `refs/REVISION` with a commit, `blobs/ETAG` with a content each,
//! `snapshots/COMMIT/FILE` as links to blobs, and `.no_exist/COMMIT/FILE` for files that the
//! repository is known to lack. Locks are files in `.locks/` beside it. `.vene/COMMIT.json`, which other
//! tools pass over, has the names of all files of a commit.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;
use super::is_commit;
use super::place::is_path;
use crate::json;

/// More than a reference takes.
const LONGEST_REFERENCE: u64 = 256;

/// One repository in the cache.
pub(super) struct RepositoryCache {
    root: PathBuf,
    locks: PathBuf,
}

impl RepositoryCache {
    pub fn new(cache: &Path, id: &str) -> Self {
        let name = format!("models--{}", id.replace('/', "--"));
        Self { root: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// The commit that a revision means, as far as the cache knows.
    pub fn commit(&self, revision: &str) -> Result<Option<String>, Failure> {
        let path = self.reference(revision);
        let text = match vene_files::read_text(&path, LONGEST_REFERENCE) {
            Ok(text) => text,
            Err(reason) => match reason.kind() {
                // A pipe or a device, or a folder.
                io::ErrorKind::InvalidInput => return Err(Failure::disk(&path)(reason)),
                // It is written anew.
                io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => return Ok(None),
                // A commit is its own reference.
                _ => revision.to_owned(),
            },
        };
        let commit = text.trim();
        Ok(is_commit(commit).then(|| commit.to_owned()))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.root.join("refs").join(revision)
    }

    /// Keeps which commit a revision means.
    pub fn set_commit(&self, revision: &str, commit: &str) -> Result<(), Failure> {
        if revision == commit {
            return Ok(());
        }
        let path = self.reference(revision);
        if vene_files::read_text(&path, LONGEST_REFERENCE).is_ok_and(|text| text == commit) {
            return Ok(());
        }
        make_parent(&path)?;
        vene_files::write_atomically(&path, |file| file.write_all(commit.as_bytes()))
            .map_err(Failure::disk(&path))
    }

    /// The folder with a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.root.join(".no_exist").join(commit).join(file)
    }

    /// Whether a commit is known to lack a file.
    pub fn lacks(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).is_file()
    }

    /// Keeps that a commit lacks a file. A cache that cannot be written is asked again next time.
    pub fn set_lacking(&self, commit: &str, file: &str) {
        let path = self.absence(commit, file);
        if make_parent(&path).is_ok() {
            let _ = vene_files::open_to_write(&path);
        }
    }

    fn listing_of(&self, commit: &str) -> PathBuf {
        self.root.join(".vene").join(format!("{commit}.json"))
    }

    /// The names of a commit's files, where they were kept.
    pub fn listing(&self, commit: &str) -> Option<Vec<String>> {
        let bytes = json::read_bounded(&self.listing_of(commit), json::SMALL).ok()?;
        let names: Vec<String> = json::parse("", &bytes).ok()?;
        names.iter().all(|name| is_path(name)).then_some(names)
    }

    /// Keeps the names of a commit's files. A cache that cannot be written is asked again next time.
    pub fn set_listing(&self, commit: &str, names: &[String]) {
        let path = self.listing_of(commit);
        if make_parent(&path).is_ok() {
            let text = serde_json::Value::from(names.to_vec()).to_string();
            let _: io::Result<()> =
                vene_files::write_atomically(&path, |file| file.write_all(text.as_bytes()));
        }
    }

    /// Makes a commit's file be the content of a blob.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<PathBuf, Failure> {
        let path = self.snapshot(commit).join(file);
        let blob = self.blob(etag);
        let same =
            |path: &Path| Some(fs::canonicalize(path).ok()? == fs::canonicalize(&blob).ok()?);
        if same(&path) == Some(true) {
            return Ok(path);
        }
        make_parent(&path)?;
        match fs::remove_file(&path) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::disk(&path)(reason));
            }
            _ => {}
        }
        let depth = file.split('/').count() + 1;
        let target = PathBuf::from("../".repeat(depth)).join("blobs").join(etag);
        match link(&target, &path) {
            // Somebody else was as quick.
            Err(_) if same(&path) == Some(true) => Ok(path),
            // A file system without links.
            Err(_) => {
                fs::hard_link(&blob, &path)
                    .or_else(|_| fs::copy(&blob, &path).map(|_| ()))
                    .map_err(Failure::disk(&path))?;
                Ok(path)
            }
            Ok(()) => Ok(path),
        }
    }

    /// The lock of a blob, shared with all tools of the hub. `waiting` is called while another
    /// program has it.
    pub fn lock(&self, etag: &str, mut waiting: impl FnMut()) -> Result<Option<File>, Failure> {
        let path = self.locks.join(format!("{etag}.lock"));
        make_parent(&path)?;
        let file = vene_files::open_to_write(&path).map_err(Failure::disk(&path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {
                    waiting();
                    std::thread::sleep(Duration::from_millis(200));
                }
                // A file system without locks: the content is checked in any case.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}

/// Makes the folder of a file.
pub(super) fn make_parent(path: &Path) -> Result<&Path, Failure> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Failure::disk(folder))?;
    Ok(folder)
}
