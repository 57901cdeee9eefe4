//! Which files a model came from, so that a result can name them.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::Tensors;
use crate::tensors::WeightsFile;

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
    digest: Arc<OnceLock<String>>,
}

impl Provenance {
    pub(crate) fn new(
        name: String,
        revision: Option<String>,
        files: Vec<FileIdentity>,
        tensors: &Tensors,
    ) -> Self {
        Self { name, revision, files, weights: tensors.files().to_vec(), digest: Arc::default() }
    }

    /// The SHA-256 of the weights in hexadecimal, computed at the first call and kept, since it
    /// reads every byte. Of sharded weights it is that of all shards joined in the order of their
    /// names.
    pub fn sha256(&self) -> &str {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            for file in &self.weights {
                hash.update(file.bytes());
            }
            hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}
