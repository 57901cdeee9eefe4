//! What the cache holds already, so that nobody need remember it.

use std::fs;
use std::path::PathBuf;

use super::{Settings, is_commit};
use crate::directory::ModelFiles;
use crate::source::is_repository_id;

/// A model in the hub's cache, with all files that are needed to open it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CachedModel {
    /// `organisation/name`, or a bare `name`.
    pub id: String,
    /// The commits of which all files are there.
    pub revisions: Vec<String>,
}

/// The folder of the hub's cache, and the models there that can be opened without a network, by
/// name. A cache that cannot be read holds none.
pub fn cached_models() -> (PathBuf, Vec<CachedModel>) {
    let cache = Settings::from_environment().cache;
    let models = models_in(&cache);
    (cache, models)
}

fn models_in(cache: &std::path::Path) -> Vec<CachedModel> {
    let mut models: Vec<CachedModel> = names_in(cache.to_owned())
        .filter_map(|folder| {
            let id = folder.strip_prefix("models--")?.replacen("--", "/", 1);
            let snapshots = cache.join(&folder).join("snapshots");
            let mut revisions: Vec<String> = names_in(snapshots.clone())
                .filter(|commit| is_commit(commit))
                .filter(|commit| ModelFiles::find(&snapshots.join(commit)).is_ok())
                .collect();
            revisions.sort();
            (is_repository_id(&id) && !revisions.is_empty())
                .then_some(CachedModel { id, revisions })
        })
        .collect();
    models.sort();
    models
}

fn names_in(folder: PathBuf) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_whole_models_are_listed() {
        let cache = tempfile::tempdir().unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let lay = |folder: &str, files: &[&str]| {
            let snapshot = cache.path().join(folder).join("snapshots").join(commit);
            fs::create_dir_all(&snapshot).unwrap();
            for file in files {
                fs::write(snapshot.join(file), "{}").unwrap();
            }
        };
        let whole = ["config.json", "model.safetensors", "tokenizer.json"];
        lay("models--org--b-model", &whole);
        lay("models--gpt2", &whole);
        lay("models--org--half", &whole[..2]);
        lay("datasets--org--data", &whole);
        let found = models_in(cache.path());
        let ids: Vec<&str> = found.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["gpt2", "org/b-model"]);
        assert_eq!(found[0].revisions, [commit]);
        assert_eq!(models_in(&cache.path().join("missing")), []);
    }
}
