//! GGUF files in a repository: which of them is meant, and its parts.

use std::path::Path;

use super::place::HubPart;
use super::{Repository, listing};
use crate::gguf::parts::parts_of;
use crate::{Checkpoint, CheckpointError, Progress};

impl Repository<'_> {
    pub(super) fn open_gguf(
        &self,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Checkpoint, CheckpointError> {
        let cached = self.cache.commit(self.revision).and_then(|commit| {
            let snapshot = self.cache.snapshot(&commit);
            let file = self.choose(&files_below(&snapshot)).ok()?;
            let is_whole = parts_of(&file).iter().all(|part| snapshot.join(part).is_file());
            is_whole.then_some((commit, file))
        });
        let (commit, file) = match cached {
            Some(found) => found,
            None => self.fetch_gguf(progress)?,
        };
        let path = self.cache.snapshot(&commit).join(&file);
        let name = format!("{}/{file}", self.place.id);
        Checkpoint::open_gguf(&path, name, Some(commit), progress)
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
        let commit = remote.listing.commit;
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
