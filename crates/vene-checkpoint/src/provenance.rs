//! Which files a model came from, so that a result can name them.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::hub::{blob_of, delete};
use crate::tensors::WeightsFile;
use crate::watched::Watched;
use crate::{CheckpointError, Tensors};

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    /// Its name in the folder or repository.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Which files a model came from.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The hub's id, the folder's or the file's path, or a built-in's name.
    pub name: String,
    /// The commit, for a model from the hub.
    pub revision: Option<String>,
    /// The files that were used.
    pub files: Vec<FileIdentity>,
    weights: Vec<Arc<WeightsFile>>,
    /// The other files, as they were when they were read.
    watched: Vec<Watched>,
    digest: Arc<OnceLock<String>>,
}

impl Provenance {
    pub(crate) fn new(
        name: String,
        revision: Option<String>,
        files: Vec<FileIdentity>,
        tensors: &Tensors,
    ) -> Self {
        let weights = tensors.files().to_vec();
        Self { name, revision, files, weights, watched: Vec::new(), digest: Arc::default() }
    }

    pub(crate) fn watching(self, watched: Vec<Watched>) -> Self {
        Self { watched, ..self }
    }

    /// Whether the weights lie in memory that belongs to somebody who may write to it.
    pub fn is_lent(&self) -> bool {
        self.weights.iter().any(|file| file.is_lent())
    }

    /// Looks whether all files are still those that were opened: their size, time of change and place
    /// on the disk. Of tensors that were lent, samples of their bytes are compared.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_unchanged(&self) -> Result<(), CheckpointError> {
        self.weights.iter().try_for_each(|file| file.check_unchanged())?;
        self.watched.iter().try_for_each(Watched::check)
    }

    /// The SHA-256 of the weights in hexadecimal, computed at the first call and kept, since it
    /// reads every byte. Of sharded weights it is that of all shards joined in the order of their
    /// names; of tensors that were lent, that of their bytes, likewise.
    ///
    /// A file in the hub's cache is named by its SHA-256, and is compared with it.
    ///
    /// # Errors
    /// A file of weights that was changed since it was opened: what was run can no longer be told. A file in
    /// the hub's cache that was damaged there.
    pub fn sha256(&self) -> Result<&str, CheckpointError> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let mut hash = Sha256::new();
        for file in &self.weights {
            hash.update(file.bytes());
            let blob = file.watched().and_then(|watched| blob_of(watched.path()));
            // Large files are named by their SHA-256, small ones by git's hash.
            let Some((blob, name)) = blob.filter(|(_, name)| name.len() == 64) else { continue };
            let own = match self.weights.as_slice() {
                [_] => hash.clone(),
                _ => Sha256::new_with_prefix(file.bytes()),
            };
            if hexadecimal(own) != name {
                self.check_unchanged()?;
                return Err(CheckpointError::malformed(
                    &file.name,
                    format!(
                        "is damaged in the hub's cache: its bytes have not the SHA-256 that is its name there; {}, and do not trust what was computed",
                        delete(&blob)
                    ),
                ));
            }
        }
        // After the last byte was read: what is written from now on is not in the hash.
        self.check_unchanged()?;
        let digest = hexadecimal(hash);
        Ok(self.digest.get_or_init(|| digest))
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
