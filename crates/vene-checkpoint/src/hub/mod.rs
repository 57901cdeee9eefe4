//! Models from the Hugging Face hub, through `hf-hub` and the cache that all its tools share.
//!
//! What the cache holds is used as it is, without a word to the network. Otherwise the
//! repository's listing is fetched first, so that only the files that are needed come over the
//! wire, and a repository that cannot be used (pickled weights only) is refused before any do.

mod cached;
mod settings;
#[cfg(test)]
mod tests;

use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::directory::{CONFIG, ModelFiles, SHARD_INDEX, WEIGHTS, require_files};
use crate::safetensors::ShardIndex;
use crate::source::{is_repository_id, is_revision};
use crate::tokenizer_files::{MERGES, OPTIONAL, TOKENIZER, VOCABULARY};
use crate::{Checkpoint, CheckpointError, Progress, json};
pub use cached::{CachedModel, cached_models};
pub(crate) use settings::Settings;

const DEFAULT_REVISION: &str = "main";

/// Opens a repository at a revision.
pub(crate) fn open(
    settings: &Settings,
    id: &str,
    revision: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Checkpoint, CheckpointError> {
    let repository = Repository { settings, id, revision: revision.unwrap_or(DEFAULT_REVISION) };
    if !is_repository_id(id) || !is_revision(repository.revision) {
        return Err(repository.error("is no Hugging Face id with a revision"));
    }
    let (commit, files) = match repository.cached() {
        Some(found) => found,
        None => {
            if settings.offline {
                return Err(repository.error(format!(
                    "is not (or not wholly) in the cache at {}, and HF_HUB_OFFLINE forbids to fetch it",
                    settings.cache.display()
                )));
            }
            repository.fetch(progress)?;
            repository
                .cached()
                .ok_or_else(|| repository.error("was fetched, but is not in the cache"))?
        }
    };
    files.open(id.to_owned(), Some(commit), progress)
}

struct Repository<'a> {
    settings: &'a Settings,
    id: &'a str,
    revision: &'a str,
}

impl Repository<'_> {
    fn error(&self, problem: impl Into<String>) -> CheckpointError {
        let id = match self.revision {
            DEFAULT_REVISION => self.id.to_owned(),
            revision => format!("{}@{revision}", self.id),
        };
        CheckpointError::Hub { id, problem: problem.into() }
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.to_owned(), RepoType::Model, self.revision.to_owned())
    }

    /// The commit and its files, if the cache holds all that a model needs.
    fn cached(&self) -> Option<(String, ModelFiles)> {
        let root = self.settings.cache.join(self.repo().folder_name());
        let commit = std::fs::read_to_string(root.join("refs").join(self.revision))
            .map(|text| text.trim().to_owned())
            // A commit is its own reference.
            .unwrap_or_else(|_| self.revision.to_owned());
        if !is_commit(&commit) {
            return None;
        }
        let files = ModelFiles::find(&root.join("snapshots").join(&commit)).ok()?;
        Some((commit, files))
    }

    /// Fetches what the cache lacks.
    fn fetch(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), CheckpointError> {
        let api = ApiBuilder::from_cache(Cache::new(self.settings.cache.clone()))
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(self.settings.token.clone())
            .with_progress(false)
            .with_retries(2)
            .with_user_agent("vene", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|error| self.explain(&error, None))?;
        let remote = api.repo(self.repo());
        let info = remote.info().map_err(|error| self.explain(&error, None))?;
        let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        let place = match self.revision {
            DEFAULT_REVISION => format!("{} on the hub", self.id),
            revision => format!("{}@{revision} on the hub", self.id),
        };
        require_files(&place, &names)?;

        let has = |name: &str| names.iter().any(|other| other == name);
        let mut fetch = |name: &str| self.fetch_file(&api, &remote, name, progress);
        fetch(CONFIG)?;
        for name in OPTIONAL {
            if has(name) {
                fetch(name)?;
            }
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
        Ok(())
    }

    fn fetch_file(
        &self,
        api: &Api,
        remote: &ApiRepo,
        name: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<std::path::PathBuf, CheckpointError> {
        let explain = |error| self.explain(&error, Some(name));
        let cache = Cache::new(self.settings.cache.clone()).repo(self.repo());
        if let Some(path) = cache.get(name) {
            return Ok(path);
        }
        // The server's words become names of files in the cache: look at them before they do.
        let metadata = api.metadata(&remote.url(name)).map_err(explain)?;
        let is_name = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !is_commit(metadata.commit_hash()) || !is_name(metadata.etag()) {
            return Err(self.error(format!(
                "the server's answer about {name} is not that of a Hugging Face hub (check HF_ENDPOINT)"
            )));
        }
        let size = metadata.size() as u64;
        let report = Report { file: name, done: 0, total: 0, progress };
        let path = remote.download_with_progress(name, report).map_err(explain)?;
        let found =
            std::fs::metadata(&path).map_err(|reason| CheckpointError::read(&path, reason))?.len();
        if found != size {
            // A wrong file would be found in the cache ever after.
            let _ = std::fs::canonicalize(&path).and_then(std::fs::remove_file);
            let _ = std::fs::remove_file(&path);
            return Err(
                self.error(format!("{name} came as {found} bytes instead of {size}; try again"))
            );
        }
        Ok(path)
    }

    /// An error of the hub in words that say what to do.
    fn explain(&self, error: &ApiError, file: Option<&str>) -> CheckpointError {
        let endpoint = &self.settings.endpoint;
        let what = file.map(|file| format!("{file}: ")).unwrap_or_default();
        let detail = innermost(error).to_string().replace('\n', " ");
        // The client is not ours to name its types; a status is the end of its message.
        let status: Option<u16> =
            detail.rsplit_once("http status: ").and_then(|(_, status)| status.trim().parse().ok());
        self.error(match status {
            Some(401 | 403) if self.settings.token.is_none() => format!(
                "{what}{endpoint} does not show it without a token: it does not exist, or is private or gated (accept its terms at {endpoint}/{} and set HF_TOKEN)",
                self.id
            ),
            Some(401 | 403) => format!(
                "{what}{endpoint} refuses your token: it does not exist, or is private or gated (accept its terms at {endpoint}/{})",
                self.id
            ),
            Some(404) => format!(
                "{what}{endpoint} has no such repository, or not at revision `{}`",
                self.revision
            ),
            Some(status) => format!("{what}{endpoint} answered with HTTP status {status}; try again later"),
            None => match error {
                ApiError::LockAcquisition(path) => format!(
                    "{what}another program is fetching the same file ({} is locked); wait for it",
                    path.display()
                ),
                _ => format!("{what}cannot be fetched from {endpoint}, and is not whole in the cache ({detail}); without a network give a folder or a .gguf file"),
            },
        })
    }
}

fn innermost(error: &ApiError) -> &ApiError {
    match error {
        ApiError::TooManyRetries(inner) => innermost(inner),
        other => other,
    }
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Passes a download's progress on.
struct Report<'a> {
    file: &'a str,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

impl Report<'_> {
    fn tell(&mut self) {
        (self.progress)(Progress::Downloading {
            file: self.file,
            done: self.done,
            total: self.total,
        });
    }
}

impl hf_hub::api::Progress for Report<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.done = 0;
        self.total = size as u64;
        self.tell();
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        if size > 0 {
            self.tell();
        }
    }

    fn finish(&mut self) {}
}
