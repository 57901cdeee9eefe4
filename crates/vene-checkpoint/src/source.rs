//! Where a model comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::CheckpointError;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder with `config.json`, safetensors and a tokenizer.
    Directory(PathBuf),
    /// One GGUF file.
    Gguf(PathBuf),
    /// A repository on the Hugging Face hub.
    Hub {
        /// `organisation/name`, or a bare `name` such as `gpt2`.
        id: String,
        /// A branch, tag or commit; `main` where it is `None`.
        revision: Option<String>,
    },
}

impl ModelSource {
    /// Reads what a user calls a model: a path that exists, a `.gguf` file, or
    /// `organisation/name[@revision]`. What exists as a path is that path.
    ///
    /// # Errors
    /// Why the text is none of these, and what is accepted.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let refuse = |reason: &str| {
            Err(CheckpointError::UnknownSource { text: text.to_owned(), reason: reason.to_owned() })
        };
        let path = Path::new(text);
        let is_gguf =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        if text.is_empty() {
            return refuse("it is empty");
        }
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        if path.is_file() {
            return match is_gguf {
                true => Ok(Self::Gguf(path.to_owned())),
                false => refuse("it is a file, but no .gguf"),
            };
        }
        if is_gguf {
            return refuse("there is no such file");
        }
        if path.is_absolute() || text.starts_with(['.', '~']) || text.ends_with('/') {
            return refuse("there is no such folder");
        }
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        if !is_repository_id(id) {
            return refuse("there is no such path, and it is no Hugging Face id");
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return refuse("what follows the @ is no revision (a branch, a tag or a commit)");
        }
        Ok(Self::Hub { id: id.to_owned(), revision: revision.map(str::to_owned) })
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub { id, revision: Some(revision) } => write!(f, "{id}@{revision}"),
            Self::Hub { id, revision: None } => write!(f, "{id}"),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !text.starts_with(['.', '-'])
}

/// `name` or `organisation/name`. These become a folder's name and a part of an address.
pub(crate) fn is_repository_id(text: &str) -> bool {
    let mut parts = text.split('/');
    text.len() <= 96 && parts.clone().count() <= 2 && parts.all(is_word)
}

/// A branch (also `refs/pr/1`), tag or commit.
pub(crate) fn is_revision(text: &str) -> bool {
    text.len() <= 256 && text.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hub(id: &str, revision: Option<&str>) -> ModelSource {
        ModelSource::Hub { id: id.to_owned(), revision: revision.map(str::to_owned) }
    }

    #[test]
    fn ids_are_read_with_and_without_revision() {
        let parse = |text| ModelSource::parse(text).unwrap();
        assert_eq!(parse("openai-community/gpt2"), hub("openai-community/gpt2", None));
        assert_eq!(parse("gpt2"), hub("gpt2", None));
        assert_eq!(parse("a/b@refs/pr/1"), hub("a/b", Some("refs/pr/1")));
        assert_eq!(parse("a/b@v1.0").to_string(), "a/b@v1.0");
    }

    #[test]
    fn paths_that_exist_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(
            ModelSource::parse(path.to_str().unwrap()).unwrap(),
            ModelSource::Directory(path.clone())
        );
        let file = path.join("m.GGUF");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(ModelSource::parse(file.to_str().unwrap()).unwrap(), ModelSource::Gguf(file));
    }

    #[test]
    fn everything_else_is_refused_with_the_accepted_forms() {
        for text in [
            "",
            "no/such/path/at/all",
            "missing.gguf",
            "/missing",
            "./missing",
            "a b/c",
            "../x",
            "a/..",
            "a/b@",
            "a/b@../../x",
            "a//b",
            "a/b@x y",
            "Cargo.toml",
            "~/models",
        ] {
            let message = ModelSource::parse(text).unwrap_err().to_string();
            assert!(message.contains("expected a folder"), "{text}: {message}");
            assert!(!message.contains('\n'));
        }
    }
}
