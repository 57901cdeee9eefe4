//! What a user writes for a model on the hub: `org/name`, one file or one quantisation of it, or the
//! address that a browser shows.

use std::fmt;

/// A repository on the Hugging Face hub, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPlace {
    /// `organisation/name`, or a bare `name` such as `gpt2`.
    pub id: String,
    /// A branch, tag or commit; `main` where it is `None`.
    pub revision: Option<String>,
    /// What of it.
    pub part: HubPart,
}

/// What of a repository is the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubPart {
    /// The files in its root.
    Root,
    /// Those in a folder of it, `fp16` for one.
    Folder(String),
    /// A GGUF file, by its path.
    File(String),
    /// The GGUF file whose name has this quantisation, `Q8_0` for one.
    Quantisation(String),
}

const HOSTS: [&str; 3] = ["huggingface.co", "www.huggingface.co", "hf.co"];

impl HubPlace {
    /// Whether a text is an address, of the hub or of anything else.
    pub(crate) fn is_address(text: &str) -> bool {
        path_of_address(text).is_some()
    }

    /// Reads a text that is not a path here. `None` is a text that does not look like the hub at all.
    ///
    /// # Errors
    /// What is wrong with one that does.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        if let Some(path) = path_of_address(text) {
            return Some(path.and_then(|path| Self::from_address(&path)));
        }
        let (text, revision) = match text.split_once('@') {
            Some((text, revision)) => (text, Some(revision)),
            None => (text, None),
        };
        let (text, tag) = match text.split_once(':') {
            Some((text, tag)) => (text, Some(tag)),
            None => (text, None),
        };
        let mut parts = text.splitn(3, '/');
        let id = match (parts.next(), parts.next()) {
            (Some(organisation), Some(name)) => format!("{organisation}/{name}"),
            _ => text.to_owned(),
        };
        let part = match (parts.next(), tag) {
            (None, None) => HubPart::Root,
            (None, Some(tag)) => HubPart::Quantisation(tag.to_owned()),
            (Some(file), None) if is_gguf(file) => HubPart::File(file.to_owned()),
            _ => return None,
        };
        if !is_repository_id(&id) {
            return None;
        }
        let place = Self { id, revision: revision.map(str::to_owned), part };
        Some(place.checked())
    }

    fn from_address(path: &str) -> Result<Self, String> {
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        if matches!(segments.first(), Some(&("datasets" | "spaces" | "models" | "collections"))) {
            return Err("it is the address of something else than a model's repository".to_owned());
        }
        let (id, rest) = match segments.as_slice() {
            [organisation, name, rest @ ..] => (format!("{organisation}/{name}"), rest),
            _ => (path.to_owned(), &[][..]),
        };
        let (id, tag) = match id.split_once(':') {
            Some((id, tag)) => (id.to_owned(), Some(tag.to_owned())),
            None => (id, None),
        };
        let (id, revision) = match id.split_once('@') {
            Some((id, revision)) => (id.to_owned(), Some(revision.to_owned())),
            None => (id, None),
        };
        let place = match (rest, tag) {
            ([], None) => Self { id, revision, part: HubPart::Root },
            ([], Some(tag)) => Self { id, revision, part: HubPart::Quantisation(tag) },
            ([file], None) if is_gguf(file) => {
                Self { id, revision, part: HubPart::File(unescaped(file)) }
            }
            (["tree" | "blob" | "resolve" | "raw", revision, within @ ..], None) => {
                let within = unescaped(&within.join("/"));
                let part = match within.as_str() {
                    "" => HubPart::Root,
                    file if is_gguf(file) => HubPart::File(within),
                    _ if rest[0] == "tree" => HubPart::Folder(within),
                    _ => match within.rsplit_once('/') {
                        Some((folder, _)) => HubPart::Folder(folder.to_owned()),
                        None => HubPart::Root,
                    },
                };
                Self { id, revision: Some(unescaped(revision)), part }
            }
            (["commit", commit], None) => {
                Self { id, revision: Some((*commit).to_owned()), part: HubPart::Root }
            }
            _ => return Err("what comes after the repository is not understood".to_owned()),
        };
        if !is_repository_id(&place.id) {
            return Err("it is not the address of a model's repository".to_owned());
        }
        let place = match place.revision.as_deref() {
            Some("main") => Self { revision: None, ..place },
            _ => place,
        };
        place.checked()
    }

    /// Refuses what must not become a path or an address.
    pub(crate) fn checked(self) -> Result<Self, String> {
        if !is_repository_id(&self.id) {
            return Err(format!("`{}` is not a Hugging Face id", self.id));
        }
        if self.revision.as_deref().is_some_and(|revision| !is_revision(revision)) {
            return Err(
                "what follows the @ is not a revision (a branch, a tag or a commit)".to_owned()
            );
        }
        match &self.part {
            HubPart::Quantisation(tag) if !is_word(tag) => {
                Err("what follows the colon is not a quantisation such as Q8_0".to_owned())
            }
            HubPart::File(path) | HubPart::Folder(path) if !is_path(path) => {
                Err(format!("`{path}` is not a path in a repository"))
            }
            _ => Ok(self),
        }
    }
}

impl fmt::Display for HubPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, revision, part } = self;
        let main = revision.as_deref().unwrap_or("main").replace('/', "%2F");
        match part {
            HubPart::Folder(path) => {
                return write!(f, "https://{}/{id}/tree/{main}/{path}", HOSTS[0]);
            }
            HubPart::Root => write!(f, "{id}")?,
            HubPart::File(path) => write!(f, "{id}/{path}")?,
            HubPart::Quantisation(tag) => write!(f, "{id}:{tag}")?,
        }
        match revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// The path of an address of the hub; an error for another address of the web.
fn path_of_address(text: &str) -> Option<Result<String, String>> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let (host, path) = match rest.unwrap_or(text).split_once('/') {
        Some((host, path)) => (host, path),
        None => (rest.unwrap_or(text), ""),
    };
    let is_hub = HOSTS.contains(&host.to_ascii_lowercase().as_str());
    match (rest, is_hub) {
        (_, true) => Some(Ok(path.to_owned())),
        (Some(_), false) => Some(Err(
            "it is an address of the web, but not one of the Hugging Face hub; download the model and give its path".to_owned(),
        )),
        (None, false) => None,
    }
}

/// Undoes `%2F` and the like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn is_gguf(name: &str) -> bool {
    name.len() > 5 && name.to_ascii_lowercase().ends_with(".gguf")
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 96
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !text.starts_with(['.', '-'])
}

/// `name` or `organisation/name`. These become a folder's name and a part of an address.
pub(crate) fn is_repository_id(text: &str) -> bool {
    let mut parts = text.split('/');
    text.len() <= 96 && !text.contains("--") && parts.clone().count() <= 2 && parts.all(is_word)
}

/// A branch (also `refs/pr/1`), tag or commit.
pub(crate) fn is_revision(text: &str) -> bool {
    text.len() <= 256 && text.split('/').all(is_word)
}

/// A file or folder below a repository's root, whatever the system's separators are.
pub(crate) fn is_path(text: &str) -> bool {
    text.len() <= 512
        && text.split('/').all(|name| {
            !name.is_empty()
                && name.len() <= 255
                && !name.starts_with('.')
                && !name.ends_with(['.', ' '])
                && !name.contains(['\\', ':'])
                && !name.chars().any(char::is_control)
        })
}
