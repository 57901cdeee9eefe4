//! Files that are read as they should be, and files that are refused with the right words.
#![allow(clippy::unwrap_used)]

mod formats;
mod hostile;
mod layouts;
mod refusals;

use std::path::{Path, PathBuf};

use super::{DataError, DataFile, ReadOptions, read, read_with};

/// A file of `tests/data`.
fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Reads these bytes from a file of this name.
fn read_bytes(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<DataFile, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_with(&path, options)
}

/// What is said of such a file, without its folder.
fn refused(name: &str, text: &str) -> String {
    refused_with(name, text.as_bytes(), &ReadOptions::default())
}

fn refused_with(name: &str, bytes: &[u8], options: &ReadOptions) -> String {
    let error = read_bytes(name, bytes, options).unwrap_err().to_string();
    error.split_once(name).unwrap().1.to_owned()
}
