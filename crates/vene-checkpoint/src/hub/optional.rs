//! Files that a model may have or not, in a cache that another tool filled.
//!
//! `tokenizer_config.json` and its like change what a model computes. A tool that needed only the
//! weights has not asked for them, and then their absence from the cache says nothing. So those that
//! are neither there nor known not to exist are asked for; where nobody can be asked, the user is told.

use std::path::Path;

use super::failure::Failure;
use super::{Repository, below};
use crate::absence::ADAPTER_CONFIG;
use crate::tokenizer_files::{
    ADDED_TOKENS, GENERATION_CONFIG, OPTIONAL, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG,
};
use crate::{Progress, json};

/// Files that a repository may have or not, and that are fetched where they are there.
pub(super) fn optional_files() -> impl Iterator<Item = &'static str> {
    OPTIONAL.into_iter().chain([ADAPTER_CONFIG])
}

impl Repository<'_> {
    /// Fetches those that the repository has, and notes those that it lacks. Where that cannot be known,
    /// gives a sentence that says so.
    pub(super) fn look_for_optional(
        &self,
        commit: &str,
        folder: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Option<String> {
        let snapshot = self.cache.snapshot(commit);
        let is_unknown = |name: &&str| {
            let file = below(folder, name);
            !snapshot.join(&file).is_file() && !self.cache.lacks(commit, &file)
        };
        let in_doubt = || -> Vec<&str> {
            let matters = numbers_depend_on(&snapshot.join(folder));
            matters.into_iter().filter(is_unknown).collect()
        };
        if in_doubt().is_empty() {
            return None;
        }
        let reason = if self.settings.offline {
            "HF_HUB_OFFLINE forbids to ask".to_owned()
        } else {
            let unknown = optional_files().chain([TOKENIZER]).filter(is_unknown);
            let unknown: Vec<String> = unknown.map(|name| below(folder, name)).collect();
            match self.settle(commit, &unknown, progress) {
                Ok(()) => return None,
                Err(failure) => format!("{} {failure}", self.endpoint()),
            }
        };
        let left = in_doubt();
        if left.is_empty() {
            return None;
        }
        Some(format!(
            "the cache of {} has no {}, and whether the repository has {} is not known ({reason}): token ids, \
             the beginning-of-sequence token and the end of texts may differ from the model's own; run once with a network",
            self.place,
            left.join(", "),
            if left.len() == 1 { "it" } else { "them" },
        ))
    }

    fn settle(
        &self,
        commit: &str,
        unknown: &[String],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        let remote = self.remote(commit)?;
        if remote.listing.commit != commit {
            return Err(Failure::not_a_hub("its listing is of another commit"));
        }
        for file in unknown {
            if remote.listing.files.contains(file) {
                self.fetch(&remote, file, progress)?;
            } else {
                self.cache.set_lacking(commit, file);
            }
        }
        Ok(())
    }
}

/// The optional files on which the numbers of the model in a folder can depend.
fn numbers_depend_on(folder: &Path) -> Vec<&'static str> {
    // A model that is read by vocab.json and merges.txt may have a tokenizer.json.
    let mut files = vec![TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG];
    // Where the settings list the added tokens, the two older files are passed over.
    let lists_added_tokens = || {
        let bytes = json::read_bounded(&folder.join(TOKENIZER_CONFIG), json::SMALL).ok()?;
        Some(json::object(TOKENIZER_CONFIG, &bytes).ok()?.contains_key("added_tokens_decoder"))
    };
    if lists_added_tokens() != Some(true) {
        files.extend([SPECIAL_TOKENS, ADDED_TOKENS]);
    }
    files
}
