//! Models from the Hugging Face hub, through the cache that all its tools share.
//!
//! What the cache holds is used as it is, without a word to the network. Otherwise the repository's
//! listing is fetched first: it says which commit is meant and which files there are, so that only
//! those that are needed come over the wire, all of that one commit, and a repository that cannot be
//! used (pickled weights only) is refused before any do.
//!
//! A server is not trusted. For each file one answer says its hash, its size and where it lies
//! ([`content`]); the bytes are taken for the file only if they have that size and that hash
//! ([`download`]). The user's token goes to the hub alone ([`client`]).
//!
//! Files that a model may have or not (`tokenizer_config.json`) change its numbers. Another tool may
//! have left them out of the cache, so that they are looked for until they are there or known not to
//! be (`optional`).

mod cache;
mod cached;
mod certificates;
mod client;
mod content;
mod damage;
mod download;
mod explain;
mod failure;
mod flow;
mod gguf_files;
mod listing;
mod optional;
mod place;
mod proxy;
mod settings;
#[cfg(test)]
mod tests;
mod variables;

use std::path::PathBuf;

use crate::directory::{CONFIG, ModelFiles, SHARD_INDEX, WEIGHTS, require_files};
use crate::safetensors::ShardIndex;
use crate::tokenizer_files::{MERGES, TOKENIZER, VOCABULARY};
use crate::{Checkpoint, CheckpointError, Progress, json};
use cache::RepositoryCache;
pub use cached::{CachedModel, cached_models};
use client::Client;
use content::Content;
use damage::with_damage;
pub(crate) use damage::{blob_of, delete};
use download::Download;
use failure::Failure;
use listing::Listing;
pub(crate) use listing::models as gguf_models;
use optional::optional_files;
pub(crate) use place::is_gguf;
pub use place::{HubPart, HubPlace};
pub(crate) use settings::Settings;

const DEFAULT_REVISION: &str = "main";

/// More than the listing of any repository takes.
const LARGEST_LISTING: u64 = 64 << 20;

/// Opens a model of the hub.
pub(crate) fn open(
    settings: &Settings,
    place: &HubPlace,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Checkpoint, CheckpointError> {
    let refuse = |problem| CheckpointError::Hub { id: place.id.clone(), problem };
    let place = &place.clone().checked().map_err(refuse)?;
    let repository = Repository {
        settings,
        place,
        revision: place.revision.as_deref().unwrap_or(DEFAULT_REVISION),
        cache: RepositoryCache::new(&settings.cache, &place.id),
    };
    let opened = match &place.part {
        HubPart::Root => repository.open_folder("", progress),
        HubPart::Folder(folder) => repository.open_folder(folder, progress),
        HubPart::File(_) | HubPart::Quantisation(_) => repository.open_gguf(progress),
    };
    let checkpoint = opened.map_err(with_damage)?;
    settings.doubts.iter().for_each(|doubt| checkpoint.notices.add(doubt));
    Ok(checkpoint)
}

struct Repository<'a> {
    settings: &'a Settings,
    place: &'a HubPlace,
    revision: &'a str,
    cache: RepositoryCache,
}

/// A repository at a commit, for whoever fetches of it.
struct Remote<'a> {
    client: Client<'a>,
    listing: Listing,
}

impl Repository<'_> {
    fn error(&self, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::Hub { id: self.place.to_string(), problem: problem.into() }
    }

    /// Its name in "... has no config.json".
    fn on_the_hub(&self) -> String {
        format!("{} on the hub", self.place)
    }

    fn open_folder(
        &self,
        folder: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Checkpoint, CheckpointError> {
        let find = |commit: &str| ModelFiles::find(&self.cache.snapshot(commit).join(folder));
        let cached = self.commit_in_cache()?.filter(|commit| find(commit).is_ok());
        let (commit, doubt) = match cached {
            Some(commit) => {
                let doubt = self.look_for_optional(&commit, folder, progress);
                (commit, doubt)
            }
            None => (self.fetch_folder(folder, progress)?, None),
        };
        let checkpoint = find(&commit)?.open(self.place.to_string(), Some(commit), progress)?;
        if let Some(doubt) = doubt {
            checkpoint.notices.add(doubt);
        }
        Ok(checkpoint)
    }

    /// The commit that the revision means, as far as the cache knows.
    fn commit_in_cache(&self) -> Result<Option<String>, CheckpointError> {
        self.cache.commit(self.revision).map_err(|failure| self.explain(&failure, None))
    }

    /// Asks the hub what the repository holds at a revision.
    fn remote(&self, revision: &str) -> Result<Remote<'_>, Failure> {
        let client = Client::new(self.settings)?;
        let id = self.place.id.split('/');
        let url =
            client.address(["api", "models"].into_iter().chain(id).chain(["revision", revision]));
        let listing = Listing::parse(&client.text(&url, LARGEST_LISTING)?)?;
        Ok(Remote { client, listing })
    }

    fn remote_or_refuse(&self) -> Result<Remote<'_>, CheckpointError> {
        if self.settings.offline {
            return Err(self.error(format!(
                "is not (or not wholly) in the cache at {}, and HF_HUB_OFFLINE forbids to fetch it",
                self.settings.cache.display()
            )));
        }
        self.remote(self.revision).map_err(|failure| self.explain(&failure, None))
    }

    /// Fetches what a model in a folder needs; gives the commit.
    fn fetch_folder(
        &self,
        folder: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<String, CheckpointError> {
        let remote = self.remote_or_refuse()?;
        let names = remote.listing.within(folder);
        require_files(&self.on_the_hub(), &names, &|name| self.named(folder, name))?;

        let has = |name: &str| names.iter().any(|other| other == name);
        let mut fetch = |name: &str| self.fetch_or_refuse(&remote, &below(folder, name), progress);
        fetch(CONFIG)?;
        for name in optional_files().filter(|name| has(name)) {
            fetch(name)?;
        }
        if has(TOKENIZER) {
            fetch(TOKENIZER)?;
        } else {
            fetch(VOCABULARY)?;
            fetch(MERGES)?;
        }
        if has(WEIGHTS) {
            fetch(WEIGHTS)?;
        } else {
            let path = fetch(SHARD_INDEX)?;
            let bytes = json::read_bounded(&path, json::SMALL)?;
            let index = ShardIndex::parse(&path.display().to_string(), &bytes)?;
            for shard in index.shards() {
                fetch(shard)?;
            }
        }
        let commit = remote.listing.commit;
        for name in optional_files().chain([TOKENIZER]).filter(|name| !has(name)) {
            self.cache.set_lacking(&commit, &below(folder, name));
        }
        self.keep_commit(&commit)?;
        Ok(commit)
    }

    fn keep_commit(&self, commit: &str) -> Result<(), CheckpointError> {
        let kept = self.cache.set_commit(self.revision, commit);
        kept.map_err(|failure| self.explain(&failure, None))
    }

    fn fetch_or_refuse(
        &self,
        remote: &Remote<'_>,
        file: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, CheckpointError> {
        let fetched = self.fetch(remote, file, progress);
        fetched.map_err(|failure| self.explain(&failure, Some(file)))
    }

    /// Makes a file be in the cache.
    fn fetch(
        &self,
        remote: &Remote<'_>,
        file: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, Failure> {
        let commit = remote.listing.commit.as_str();
        let path = self.cache.snapshot(commit).join(file);
        if path.is_file() {
            return Ok(path);
        }
        let segments = self.place.id.split('/').chain(["resolve", commit]).chain(file.split('/'));
        let url = remote.client.address(segments);
        let ask = || {
            let (location, headers) = remote.client.head(&url)?;
            Content::of(commit, location, &headers)
        };
        let download =
            Download { client: &remote.client, cache: &self.cache, name: file, ask: &ask };
        let etag = download.run(progress)?;
        self.cache.link(commit, file, &etag)
    }

    /// How a user gives a file or folder of this repository as a model.
    fn named(&self, folder: &str, name: &str) -> String {
        let part = if is_gguf(name) {
            HubPart::File(below(folder, name))
        } else {
            HubPart::Folder(below(folder, name))
        };
        HubPlace { part, ..self.place.clone() }.to_string()
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A commit's full name: it becomes a folder's.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
