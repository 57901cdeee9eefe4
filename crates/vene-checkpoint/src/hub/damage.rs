//! Files that were damaged after they came into the cache.

use std::path::{Path, PathBuf};

use super::content::Hash;
use super::download::has_hash;
use crate::CheckpointError;

/// The content in the hub's cache that a file is, with the hash that is its name.
pub(crate) fn blob_of(file: &Path) -> Option<(PathBuf, String)> {
    let blob = file.canonicalize().ok()?;
    let name = blob.file_name()?.to_str()?.to_owned();
    let is_blob = blob.parent()?.file_name()? == "blobs" && Hash::of(&name, 0).is_some();
    is_blob.then_some((blob, name))
}

/// What to do about a damaged content.
pub(crate) fn delete(blob: &Path) -> String {
    format!("delete {} (the next run fetches it again)", blob.display())
}

/// Says so where a file that cannot be read has not the bytes that were fetched.
pub(super) fn with_damage(error: CheckpointError) -> CheckpointError {
    let CheckpointError::Malformed { file, problem } = error else { return error };
    let damaged = blob_of(Path::new(&file)).filter(|(blob, etag)| {
        let open = vene_files::open(blob);
        open.is_ok_and(|mut found| has_hash(&mut found, etag).is_ok_and(|has| !has))
    });
    let problem = match damaged {
        Some((blob, _)) => {
            format!("{problem}; it was damaged in the hub's cache: {}", delete(&blob))
        }
        None => problem,
    };
    CheckpointError::Malformed { file, problem }
}
