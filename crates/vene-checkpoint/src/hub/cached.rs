//! What the cache holds already, so that nobody need remember it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::gguf_files::files_below;
use super::place::is_repository_id;
use super::{Settings, is_commit, listing};
use crate::directory::ModelFiles;
use crate::gguf::parts::parts_of;

/// A model in the hub's cache, with all files that are needed to open it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CachedModel {
    /// `organisation/name`, a bare `name`, or with a GGUF file's path behind it: as `--model` takes it.
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

fn models_in(cache: &Path) -> Vec<CachedModel> {
    let mut models: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in names_in(cache.to_owned()) {
        let Some(id) = folder.strip_prefix("models--") else { continue };
        let id = id.replacen("--", "/", 1);
        if !is_repository_id(&id) {
            continue;
        }
        let snapshots = cache.join(&folder).join("snapshots");
        for commit in names_in(snapshots.clone()).filter(|commit| is_commit(commit)) {
            let snapshot = snapshots.join(&commit);
            if ModelFiles::find(&snapshot).is_ok() {
                models.entry(id.clone()).or_default().push(commit.clone());
            }
            let files = files_below(&snapshot);
            for file in listing::models(&files) {
                if parts_of(file).iter().all(|part| files.contains(part)) {
                    models.entry(format!("{id}/{file}")).or_default().push(commit.clone());
                }
            }
        }
    }
    let model = |(id, mut revisions): (String, Vec<String>)| {
        revisions.sort();
        CachedModel { id, revisions }
    };
    models.into_iter().map(model).collect()
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
        lay("models--org--g-GGUF", &["g.Q8_0.gguf", "h-00001-of-00002.gguf"]);
        let found = models_in(cache.path());
        let ids: Vec<&str> = found.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["gpt2", "org/b-model", "org/g-GGUF/g.Q8_0.gguf"]);
        assert_eq!(found[0].revisions, [commit]);
        assert_eq!(models_in(&cache.path().join("missing")), []);
    }
}
