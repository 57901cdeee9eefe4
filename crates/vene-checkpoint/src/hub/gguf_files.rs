//! GGUF files in a repository: which of them is meant, and its parts.

use std::path::Path;

use super::place::HubPart;
use super::{Repository, listing};
use crate::gguf::parts::parts_of;
use crate::{Checkpoint, CheckpointError, Progress};

/// A commit and a file of it.
type Cached = Option<(String, String)>;
/// A sentence for the user.
type Doubt = Option<String>;

impl Repository<'_> {
    pub(super) fn open_gguf(
        &self,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Checkpoint, CheckpointError> {
        let (cached, doubt) = match self.commit_in_cache()? {
            Some(commit) => self.choose_in_cache(&commit)?,
            None => (None, None),
        };
        let (commit, file) = match cached {
            Some(found) => found,
            None => self.fetch_gguf(progress)?,
        };
        let path = self.cache.snapshot(&commit).join(&file);
        let name = format!("{}/{file}", self.place.id);
        let checkpoint = Checkpoint::open_gguf(&path, name, Some(commit), progress)?;
        if let Some(doubt) = doubt {
            checkpoint.notices.add(doubt);
        }
        Ok(checkpoint)
    }

    /// The file that is meant, where the cache has all of it, with what is in doubt about it.
    ///
    /// A quantisation is looked up in the repository's listing: the cache may hold one of several files that
    /// have it.
    fn choose_in_cache(&self, commit: &str) -> Result<(Cached, Doubt), CheckpointError> {
        let snapshot = self.cache.snapshot(commit);
        let is_whole = |file: &str| parts_of(file).iter().all(|part| snapshot.join(part).is_file());
        let there = self.choose(&files_below(&snapshot)).ok().filter(|file| is_whole(file));
        let HubPart::Quantisation(tag) = &self.place.part else {
            return Ok((there.map(|file| (commit.to_owned(), file)), None));
        };
        let reason = match self.listed(commit) {
            Ok(files) => {
                let chosen = match self.choose(&files) {
                    Err(error) if self.settings.offline => return Err(error),
                    chosen => chosen.ok().filter(|file| is_whole(file)),
                };
                return Ok((chosen.map(|file| (commit.to_owned(), file)), None));
            }
            Err(reason) => reason,
        };
        let doubt = there.as_ref().map(|file| {
            format!(
                "{tag} is taken to be {file}, the only such file of {} in the cache; whether the repository has others is not known ({reason}): give the file's name, or run once with a network",
                self.place.id
            )
        });
        Ok((there.map(|file| (commit.to_owned(), file)), doubt))
    }

    /// The files of a commit, from the cache or from the hub; or why they are not known.
    fn listed(&self, commit: &str) -> Result<Vec<String>, String> {
        if let Some(files) = self.cache.listing(commit) {
            return Ok(files);
        }
        if self.settings.offline {
            return Err("HF_HUB_OFFLINE forbids to ask".to_owned());
        }
        let remote = self.remote(commit).map_err(|f| format!("{} {f}", self.endpoint()))?;
        if remote.listing.commit != commit {
            return Err(format!("{} answers about another commit", self.endpoint()));
        }
        self.cache.set_listing(commit, &remote.listing.files);
        Ok(remote.listing.files)
    }

    /// Which of the files is meant.
    fn choose(&self, files: &[String]) -> Result<String, CheckpointError> {
        let models = listing::models(files);
        let here = |names: &[&str]| match names {
            [] => "it has no GGUF file at all".to_owned(),
            names => {
                let shown = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
                let more = if names.len() > 12 { ", ..." } else { "" };
                format!("its GGUF files are {shown}{more}")
            }
        };
        match &self.place.part {
            HubPart::File(path) if files.contains(path) => Ok(path.clone()),
            HubPart::File(path) => {
                Err(self.error(format!("the repository has no file {path}: {}", here(&models))))
            }
            HubPart::Quantisation(tag) => match listing::of_quantisation(&models, tag).as_slice() {
                [file] => Ok((*file).to_owned()),
                [] => Err(self.error(format!(
                    "the repository has no GGUF file of the quantisation {tag}: {}",
                    here(&models)
                ))),
                several => Err(self.error(format!(
                    "several of its GGUF files are {tag} ({}): give one as {}/FILE",
                    several.join(", "),
                    self.place.id
                ))),
            },
            HubPart::Root | HubPart::Folder(_) => Err(self.error("names no GGUF file")),
        }
    }

    /// Fetches a GGUF file with all its parts; gives the commit and its (first) name.
    fn fetch_gguf(
        &self,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(String, String), CheckpointError> {
        let remote = self.remote_or_refuse()?;
        let file = self.choose(&remote.listing.files)?;
        for part in parts_of(&file) {
            self.fetch_or_refuse(&remote, &part, progress)?;
        }
        let listing::Listing { commit, files } = remote.listing;
        self.cache.set_listing(&commit, &files);
        self.keep_commit(&commit)?;
        Ok((commit, file))
    }
}

/// The files in a folder and those in it, as paths with `/`; a few levels deep.
pub(super) fn files_below(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if path.is_file() {
                files.push(format!("{prefix}{name}"));
            } else if depth > 0 && path.is_dir() {
                walk(&path, &format!("{prefix}{name}/"), depth - 1, files);
            }
        }
    }
    let mut files = Vec::new();
    walk(folder, "", 4, &mut files);
    files
}
