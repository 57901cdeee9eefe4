//! A hypothesis of causal scrubbing in a file of its own, read as sections of experiments are.

use std::path::Path;
use std::sync::Arc;

use vene_circuit::Hypothesis;

use super::document::{self, Format};
use super::error::{FilePlace, PlanFileError};
use super::table::Item;
use super::{LARGEST, deserialize, text_of};

/// Reads a hypothesis: `.toml` or `.json`. One that says no name is called as its file is.
///
/// # Errors
/// A file that cannot be read, that is neither, and keys or values that are not understood, each with its place.
pub fn read_hypothesis(path: &Path) -> Result<Hypothesis, PlanFileError> {
    let format = Format::of(path)?;
    let text = text_of(path, LARGEST)?;
    let file: Arc<Path> = Arc::from(path);
    let document = document::parse(&text, format).map_err(|error| PlanFileError::Syntax {
        place: FilePlace { file: Some(Arc::clone(&file)), at: error.at, entry: Arc::default() },
        message: error.message,
    })?;
    let mut read: Hypothesis = deserialize::read(&Item::document(&document, Some(file)))?;
    if read.name.is_empty() {
        read.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Hypothesis, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("naive.toml");
        std::fs::write(&path, text).unwrap();
        read_hypothesis(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_a_hypothesis_of_its_name() {
        let found = read(
            "logits = ['late']\n[nodes.late]\nsenders = ['a1.h0']\nkey = []\nagrees = ['token']\n",
        )
        .unwrap();
        assert_eq!(found.name, "naive");
        // Nothing that is claimed, which is not the same as nothing said.
        assert_eq!(found.nodes["late"].key, Some(Vec::new()));
        assert_eq!(found.nodes["late"].query, None);
    }

    #[test]
    fn what_is_not_understood_is_told_in_its_place() {
        let error = read("logits = []\n[nodes.late]\nsender = ['a1.h0']\n").unwrap_err();
        assert!(error.contains("line 3") && error.contains("did you mean `senders`"), "{error}");
        let error = read("logits = 3\n").unwrap_err();
        assert!(error.contains("line 1, column 10") && error.contains("a list"), "{error}");
        let error = read("[nodes]\n").unwrap_err();
        assert!(error.contains("logits"), "{error}");
    }
}
