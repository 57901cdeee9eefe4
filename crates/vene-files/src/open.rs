//! Regular files only: a named pipe would block for ever, and a device has no end.
//!
//! What is written to is never reached through a link: it would be somebody's file elsewhere.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file for reading, or a link to one. Never blocks.
///
/// # Errors
/// Whatever the system says; and an error of kind [`io::ErrorKind::InvalidInput`] that says what is there instead of a
/// regular file: a folder, a named pipe, a socket, a device.
pub fn open(path: &Path) -> io::Result<File> {
    // Looked at first, since opening a device can already do something.
    refuse_irregular(&path.metadata()?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Another program may have put a named pipe there in between: opening it then returns at once. Regular files
        // know no such flag.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    refuse_irregular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file for reading and writing, and makes it where there is none. What it holds is left. Never
/// blocks, and follows no link.
///
/// # Errors
/// Whatever the system says; and an error of kind [`io::ErrorKind::InvalidInput`] that says what is in the file's
/// place: a link, a folder, a named pipe, a socket, a device.
pub fn open_to_write(path: &Path) -> io::Result<File> {
    // Looked at first, for words that say more than the system's.
    match path.symlink_metadata() {
        Ok(there) => refuse_in_place(&there)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Something else may have come there in between.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    }
    let file = options.open(path)?;
    refuse_in_place(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; a file that is larger ([`io::ErrorKind::FileTooLarge`]).
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_large = || {
        let text = format!("the file is larger than {most} bytes, more than such a file may have");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    let bytes = file.metadata()?.len();
    if bytes > most {
        return Err(too_large());
    }
    // It may grow while it is read, and files of some systems claim to have no bytes.
    let mut found = Vec::new();
    found.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(|_| {
        let text = format!("there is no memory for the file's {bytes} bytes");
        io::Error::new(io::ErrorKind::OutOfMemory, text)
    })?;
    file.take(most.saturating_add(1)).read_to_end(&mut found)?;
    if found.len() as u64 > most { Err(too_large()) } else { Ok(found) }
}

/// The same of a text.
///
/// # Errors
/// As [`read`]; bytes that are not UTF-8 ([`io::ErrorKind::InvalidData`]).
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = format!("the file is not a text in UTF-8 (byte {at})");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Refuses anything but a regular file, where a user can give another.
fn refuse_irregular(metadata: &Metadata) -> io::Result<()> {
    refuse_unless_file(metadata, "is there; give a regular file")
}

/// The same where vene has the file's name from itself.
fn refuse_in_place(metadata: &Metadata) -> io::Result<()> {
    refuse_unless_file(metadata, "is in the place of this file; move it away")
}

fn refuse_unless_file(metadata: &Metadata, what_then: &str) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let text = format!("{} {what_then}", kind(metadata.file_type()));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    if kind.is_symlink() {
        return "a link";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    "something that is no regular file"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read_text(&path, u64::MAX).unwrap(), "four");
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"ab\xff").unwrap();
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("(byte 2)"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, expected) in [
            (pipe.as_path(), "a pipe"),
            (&link, "a pipe"),
            (&socket, "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = read(path, 10).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_to_is_a_regular_file_at_its_own_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("mine"), "mine").unwrap();
        // Neither what is there nor what would come to be there is reached.
        std::os::unix::fs::symlink(at("mine"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("loose link")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        std::fs::create_dir(at("folder")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (name, expected) in [
            ("link", "a link"),
            ("loose link", "a link"),
            ("pipe", "a pipe"),
            ("folder", "a folder"),
            ("socket", "a socket"),
        ] {
            let error = open_to_write(&at(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let expected = format!("{expected} is in the place of this file; move it away");
            assert_eq!(error.to_string(), expected);
        }
        assert!(!at("nothing").exists());
        drop(open_to_write(&at("mine")).unwrap());
        assert_eq!(std::fs::read_to_string(at("mine")).unwrap(), "mine");
        drop(open_to_write(&at("new")).unwrap());
        assert_eq!(std::fs::read(at("new")).unwrap(), b"");
    }
}
