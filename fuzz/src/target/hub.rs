//! The cache of the Hugging Face hub, as any tool may have left it.

use std::path::Path;

use anyhow::Result;

use super::Target;
use super::model::{exercise, lay_out};
use crate::mutate::Form;

/// A repository in the cache whose `refs/main` says which of two snapshots is meant.
pub fn cache(folder: &Path) -> Result<Target> {
    let repository = folder.join("models--a--b");
    let commit = "0123456789012345678901234567890123456789";
    lay_out("gpt2-plain", &repository.join("snapshots").join(commit))?;
    std::fs::create_dir_all(repository.join("refs"))?;
    let path = repository.join("refs/main");
    // SAFETY: no other thread of the process runs yet.
    unsafe {
        std::env::set_var("HF_HUB_CACHE", folder);
        std::env::set_var("HF_HOME", folder);
        std::env::set_var("HF_HUB_OFFLINE", "1");
    }
    Ok(Target {
        seeds: vec![commit.as_bytes().to_vec()],
        form: Form::Text,
        words: vec!["..", "../../..", "main", "refs/main", "0123456789"],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let _ = vene_checkpoint::cached_models();
            exercise("a/b")
        }),
    })
}
