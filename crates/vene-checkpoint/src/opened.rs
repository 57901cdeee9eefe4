//! Files that users name, opened only where they are there themselves.
//!
//! What git-lfs leaves in a file's place, or a server in a download's, is a small text. A reader of JSON or Parquet
//! would say of it that some character is wrong, which helps nobody.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::placeholder;

/// Enough of a file to tell what stands in its place.
const START: u64 = 2048;

/// Opens a regular file that is no placeholder of one.
pub fn open(path: &Path) -> io::Result<File> {
    let mut file = vene_files::open(path)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(START).read_to_end(&mut start)?;
    file.rewind()?;
    refuse_placeholder(&start)?;
    Ok(file)
}

/// Reads such a file as a text of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = vene_files::read_text(path, most)?;
    refuse_placeholder(text.as_bytes())?;
    Ok(text)
}

/// An error that says what stands in a file's place, as words that follow its name.
fn refuse_placeholder(bytes: &[u8]) -> io::Result<()> {
    match placeholder(bytes) {
        None => Ok(()),
        Some(problem) => Err(io::Error::new(io::ErrorKind::InvalidData, problem)),
    }
}
