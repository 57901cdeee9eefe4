//! What a repository holds at a commit, and which of its GGUF files is meant.

use serde::Deserialize;

use super::failure::Failure;
use super::is_commit;
use super::place::{is_gguf, is_path};
use crate::gguf::parts::part_of;
use crate::json;

/// A repository's files at one commit.
pub(super) struct Listing {
    pub commit: String,
    /// Paths of files, with `/` between their parts.
    pub files: Vec<String>,
}

impl Listing {
    /// Reads the hub's answer.
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            sha: String,
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let answer: Answer = json::described(bytes)
            .map_err(|problem| Failure::not_a_hub(format!("its listing {problem}")))?;
        if !is_commit(&answer.sha) {
            return Err(Failure::not_a_hub("its listing names no commit"));
        }
        let files = answer.siblings.into_iter().map(|sibling| sibling.rfilename);
        // A name that is no path here is nothing that could be wanted.
        Ok(Self { commit: answer.sha, files: files.filter(|name| is_path(name)).collect() })
    }

    /// The names of the files in a folder, the root's where it is empty.
    pub fn within(&self, folder: &str) -> Vec<String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.files.iter().filter_map(|file| file.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

/// The GGUF files of models, each once: of those in parts the first.
pub(crate) fn models(files: &[String]) -> Vec<&str> {
    let mut found: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .filter(|file| is_gguf(file) && !is_side_file(file))
        .filter(|file| part_of(file).is_none_or(|(_, number, _)| number == 1))
        .collect();
    found.sort_unstable();
    found
}

/// Files that belong to a model and are none: an image encoder, a matrix of importances.
fn is_side_file(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    name.starts_with("mmproj") || name.contains("imatrix")
}

/// The files of models whose name has a quantisation: between two separators, or at its end.
pub(super) fn of_quantisation<'a>(files: &[&'a str], tag: &str) -> Vec<&'a str> {
    let tag = tag.to_ascii_uppercase();
    let has_tag = |file: &str| {
        let stem = part_of(file).map_or(&file[..file.len() - 5], |(stem, _, _)| stem);
        let text = stem.to_ascii_uppercase();
        text.match_indices(&tag).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + tag.len()..].chars().next();
            before.is_none_or(|c| "-._/".contains(c)) && after.is_none_or(|c| "-./".contains(c))
        })
    };
    files.iter().copied().filter(|file| has_tag(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantisations_are_found_in_names() {
        let files = [
            "README.md",
            "m.Q4_K_M.gguf",
            "m.Q8_0.gguf",
            "m-q4_k_s.gguf",
            "mmproj-m-Q8_0.gguf",
            "BF16/m-BF16-00001-of-00002.gguf",
            "BF16/m-BF16-00002-of-00002.gguf",
            "x_IQ4_XS.gguf",
        ]
        .map(str::to_owned);
        let models = models(&files);
        assert_eq!(models.len(), 5);
        let found = |tag| of_quantisation(&models, tag);
        assert_eq!(found("Q8_0"), ["m.Q8_0.gguf"]);
        assert_eq!(found("q4_k_m"), ["m.Q4_K_M.gguf"]);
        assert_eq!(found("Q4_K_S"), ["m-q4_k_s.gguf"]);
        assert_eq!(found("bf16"), ["BF16/m-BF16-00001-of-00002.gguf"]);
        assert_eq!(found("IQ4_XS"), ["x_IQ4_XS.gguf"]);
        assert_eq!(found("Q4_K"), [] as [&str; 0]);
    }

    #[test]
    fn a_listing_is_a_commit_and_paths() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let listing = |sha: &str| {
            let names = r#"[{"rfilename":"a/b.json"},{"rfilename":"../x"},{"rfilename":"c.json"}]"#;
            Listing::parse(format!(r#"{{"sha":"{sha}","siblings":{names}}}"#).as_bytes())
        };
        let found = listing(commit).ok();
        let found = found.as_ref();
        assert_eq!(found.map(|listing| listing.within("a")), Some(vec!["b.json".to_owned()]));
        assert_eq!(found.map(|listing| listing.files.len()), Some(2));
        assert!(listing("../../x").is_err());
        let refused = |text: &str| {
            let failure = Listing::parse(text.as_bytes()).err();
            failure.map_or_else(String::new, |failure| failure.to_string())
        };
        assert!(refused("<html>").contains("is not JSON"));
        assert!(refused("[]").ends_with("holds an array, expected a JSON object"));
        let line = refused(&format!(r#"{{"sha":"{commit}","siblings":[[]]}}"#));
        assert!(line.contains("expected an object at line 1"), "{line}");
    }
}
