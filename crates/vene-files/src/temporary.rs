//! Temporary files and folders, by whose names what a dead process left is known.

use std::io;
use std::path::Path;

use tempfile::{Builder, NamedTempFile, TempDir};

const BEGINNING: &str = ".vene-";

/// Letters and digits that stand between.
const RANDOM: usize = 6;

const END: &str = ".partial";

/// A temporary file beside the one that it will be.
///
/// It gets what the user's umask gives, as any other file.
pub(crate) fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    builder(0o666).tempfile_in(folder)
}

/// A hidden folder, which goes when it is dropped; where the process dies before, [`remove_litter`] knows it.
///
/// [`remove_litter`]: crate::remove_litter
///
/// # Errors
/// What the system says.
pub fn temporary_folder(parent: &Path) -> io::Result<TempDir> {
    builder(0o777).tempdir_in(parent)
}

fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(BEGINNING).rand_bytes(RANDOM).suffix(END);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary ones are private otherwise.
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// A name that this process alone uses, made without asking whether it is there.
#[cfg(unix)]
pub(crate) fn name_of_process() -> String {
    let number = std::process::id() as usize % 10_usize.pow(RANDOM as u32);
    format!("{BEGINNING}{number:0RANDOM$}{END}")
}

/// Whether a name is that of a temporary file or folder.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(BEGINNING).and_then(|rest| rest.strip_suffix(END)).is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_known() {
        #[cfg(unix)]
        assert!(is_temporary(&name_of_process()));
        let outer = tempfile::tempdir().unwrap();
        let made = [
            temporary_folder(outer.path()).unwrap().path().to_owned(),
            temporary_file(outer.path()).unwrap().path().to_owned(),
        ];
        assert!(made.iter().all(|path| is_temporary(path.file_name().unwrap().to_str().unwrap())));
        for other in [".vene-backup", ".vene-mine.partial", ".vene-a1b2c3.csv", "a1b2c3.partial"] {
            assert!(!is_temporary(other), "{other}");
        }
    }
}
