//! Where a model comes from.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::CheckpointError;
use crate::hub::{HubPart, HubPlace, is_gguf};

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder with `config.json`, safetensors and a tokenizer.
    Directory(PathBuf),
    /// One GGUF file.
    Gguf(PathBuf),
    /// A repository on the Hugging Face hub, or a part of it.
    Hub(HubPlace),
}

impl ModelSource {
    /// Reads what a user calls a model: a path that exists, a `.gguf` file, or one of the hub:
    /// `organisation/name`, `organisation/name:QUANTISATION`, `organisation/name/FILE.gguf` (each
    /// with `@revision` if wanted), or the address that a browser shows. What exists as a path is
    /// that path.
    ///
    /// # Errors
    /// Why the text is none of these, and what is accepted.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let refuse = |reason: &str| {
            Err(CheckpointError::UnknownSource { text: text.to_owned(), reason: reason.to_owned() })
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        let path = Path::new(text);
        if let Ok(metadata) = std::fs::metadata(path) {
            if metadata.is_dir() {
                return Ok(Self::Directory(path.to_owned()));
            }
            if let Err(reason) = vene_files::open(path) {
                return refuse(&reason.to_string());
            }
            // Some tools keep GGUF files under other names.
            if is_gguf(text) || starts_as_gguf(path) {
                return Ok(Self::Gguf(path.to_owned()));
            }
            return refuse(&what_file(path));
        }
        if path.is_symlink() {
            return refuse("it is a link to something that is not there");
        }
        let is_address = HubPlace::is_address(text);
        if !is_address
            && (path.is_absolute() || text.starts_with(['.', '~']) || text.ends_with('/'))
        {
            return refuse(if is_gguf(text) {
                "there is no such file"
            } else {
                "there is no such folder"
            });
        }
        // `models/llama/typo.gguf` where there is a folder `models` is a file that is not there.
        let is_local = is_gguf(text)
            && path.components().next().is_some_and(|first| Path::new(first.as_os_str()).is_dir());
        match HubPlace::parse(text) {
            _ if is_local => refuse("there is no such file"),
            Some(Ok(place)) if is_gguf(&place.id) && place.part == HubPart::Root => {
                refuse("there is no such file")
            }
            Some(Ok(place)) => Ok(Self::Hub(place)),
            Some(Err(reason)) => refuse(&reason),
            None => refuse("there is no such path, and it is not a Hugging Face id"),
        }
    }
}

fn starts_as_gguf(path: &Path) -> bool {
    magic(path) == Some(*b"GGUF")
}

/// Whether a file is of llama.cpp's formats before GGUF.
pub(crate) fn is_old_ggml(path: &Path) -> bool {
    magic(path).is_some_and(|magic| [*b"lmgg", *b"fmgg", *b"tjgg", *b"algg"].contains(&magic))
}

fn magic(path: &Path) -> Option<[u8; 4]> {
    let mut magic = [0; 4];
    vene_files::open(path).ok()?.read_exact(&mut magic).ok()?;
    Some(magic)
}

pub(crate) const OLD_GGML: &str =
    "an old format of llama.cpp (GGML), which is not read: get the model as GGUF";

/// What a file is, if not GGUF, and what to give instead.
fn what_file(path: &Path) -> String {
    let folder = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => folder.display().to_string(),
        None => ".".to_owned(),
    };
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "safetensors" | "json" | "txt" | "model" => {
            format!("it is a single file of a model: give its folder, {folder}")
        }
        _ if is_old_ggml(path) => format!("it is in {OLD_GGML}"),
        "bin" | "pt" | "pth" | "ckpt" | "pkl" => {
            "it is a pickle of PyTorch, which can run any code when it is opened and is not read; save the model as safetensors".to_owned()
        }
        "ggml" => format!("it is in {OLD_GGML}"),
        _ => "it is a file, but not GGUF".to_owned(),
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub(place) => write!(f, "{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hub(id: &str, revision: Option<&str>, part: HubPart) -> ModelSource {
        let revision = revision.map(str::to_owned);
        ModelSource::Hub(HubPlace { id: id.to_owned(), revision, part })
    }

    #[test]
    fn an_old_file_of_llama_cpp_is_known_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.bin");
        for (bytes, expected) in [(&b"tjgg\x01\0\0\0"[..], OLD_GGML), (b"PK\x03\x04", "a pickle")] {
            std::fs::write(&path, bytes).unwrap();
            let line = ModelSource::parse(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn ids_are_read_with_and_without_revision() {
        let parse = |text| ModelSource::parse(text).unwrap();
        let gpt2 = hub("openai-community/gpt2", None, HubPart::Root);
        assert_eq!(parse("openai-community/gpt2"), gpt2);
        assert_eq!(parse("gpt2"), hub("gpt2", None, HubPart::Root));
        assert_eq!(parse("a/b@refs/pr/1"), hub("a/b", Some("refs/pr/1"), HubPart::Root));
        assert_eq!(parse("a/b@v1.0").to_string(), "a/b@v1.0");
    }

    #[test]
    fn parts_of_repositories_and_addresses_are_read() {
        let file = |path: &str| HubPart::File(path.to_owned());
        let folder = |path: &str| HubPart::Folder(path.to_owned());
        let tag = |tag: &str| HubPart::Quantisation(tag.to_owned());
        for (text, expected) in [
            ("org/n-GGUF:Q8_0", hub("org/n-GGUF", None, tag("Q8_0"))),
            ("org/n-GGUF:UD-Q4_K_XL@v1", hub("org/n-GGUF", Some("v1"), tag("UD-Q4_K_XL"))),
            ("hf.co/org/n-GGUF:Q8_0", hub("org/n-GGUF", None, tag("Q8_0"))),
            ("org/n/m.Q8_0.gguf", hub("org/n", None, file("m.Q8_0.gguf"))),
            ("org/n/Q8/m.gguf@v1", hub("org/n", Some("v1"), file("Q8/m.gguf"))),
            ("https://huggingface.co/org/n", hub("org/n", None, HubPart::Root)),
            ("https://huggingface.co/org/n/", hub("org/n", None, HubPart::Root)),
            ("https://huggingface.co/gpt2", hub("gpt2", None, HubPart::Root)),
            ("huggingface.co/org/n/tree/main", hub("org/n", None, HubPart::Root)),
            ("https://hf.co/org/n/tree/main/fp16", hub("org/n", None, folder("fp16"))),
            (
                "https://hf.co/org/n/tree/refs%2Fpr%2F1",
                hub("org/n", Some("refs/pr/1"), HubPart::Root),
            ),
            ("https://hf.co/org/n/commit/abc", hub("org/n", Some("abc"), HubPart::Root)),
            (
                "https://huggingface.co/org/n/blob/main/a/m%20x.gguf?download=true",
                hub("org/n", None, file("a/m x.gguf")),
            ),
            (
                "https://huggingface.co/org/n/resolve/v1/config.json",
                hub("org/n", Some("v1"), HubPart::Root),
            ),
        ] {
            let found = ModelSource::parse(text).unwrap();
            assert_eq!(found, expected, "{text}");
            // What results call it can be given again.
            assert_eq!(ModelSource::parse(&found.to_string()).unwrap(), found, "{found}");
        }
    }

    #[test]
    fn paths_that_exist_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(
            ModelSource::parse(path.to_str().unwrap()).unwrap(),
            ModelSource::Directory(path.clone())
        );
        for (name, contents) in [("m.GGUF", &b""[..]), ("sha256-abc", b"GGUF....")] {
            let file = path.join(name);
            std::fs::write(&file, contents).unwrap();
            let found = ModelSource::parse(file.to_str().unwrap()).unwrap();
            assert_eq!(found, ModelSource::Gguf(file));
        }
    }

    #[test]
    fn a_single_file_of_a_model_is_told_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            ModelSource::parse(path.to_str().unwrap()).unwrap_err().to_string()
        };
        let own = folder.path().display().to_string();
        for name in ["model.safetensors", "config.json"] {
            let line = refusal(name);
            assert!(line.contains(&format!("give its folder, {own};")), "{line}");
        }
        assert!(refusal("pytorch_model.bin").contains("is a pickle of PyTorch"));
        assert!(refusal("notes").contains("it is a file, but not GGUF"));
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_refused_at_once() {
        let line = ModelSource::parse("/dev/zero").unwrap_err().to_string();
        assert!(line.contains("a device is there; give a regular file"), "{line}");
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("gone.gguf");
        std::os::unix::fs::symlink(folder.path().join("nothing"), &link).unwrap();
        let line = ModelSource::parse(link.to_str().unwrap()).unwrap_err().to_string();
        assert!(line.contains("it is a link to something that is not there"), "{line}");
    }

    #[test]
    fn everything_else_is_refused_with_the_accepted_forms() {
        for text in [
            "",
            "no/such/path/at/all",
            "missing.gguf",
            "missing/missing.gguf",
            "src/missing/m.gguf",
            "/missing",
            "/missing.gguf",
            "./missing",
            "a b/c",
            "../x",
            "a/..",
            "a/b@",
            "a/b@../../x",
            "a//b",
            "a/b@x y",
            "a/b:",
            "a/b:../x",
            "a/b/../c.gguf",
            "a/b/x\\y.gguf",
            "a--b/c",
            "https://example.org/a/b",
            "https://huggingface.co/",
            "https://huggingface.co/datasets/a/b",
            "https://huggingface.co/a/b/tree/main/../../x",
            "https://huggingface.co/a/b/discussions",
            "Cargo.toml",
            "~/models",
        ] {
            let message = ModelSource::parse(text).unwrap_err().to_string();
            assert!(message.contains("expected a folder"), "{text}: {message}");
            assert!(!message.contains('\n'));
        }
    }
}
