//! The environment variables that all tools of the hub share, and those of every network program.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::proxy::Proxies;

const ENDPOINT: &str = "https://huggingface.co";

/// More than a file with a token takes.
const LONGEST_TOKEN: u64 = 1 << 16;

/// Where the hub and its cache are, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The folder with a folder for each repository.
    pub cache: PathBuf,
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    pub token: Option<String>,
    /// The file that should hold it and cannot be read, and why.
    pub unreadable_token: Option<(PathBuf, String)>,
    /// Whether the network must not be used.
    pub offline: bool,
    pub proxies: Proxies,
    /// A file with the certificates to trust instead of the system's.
    pub certificates: Option<PathBuf>,
    pub patience: Patience,
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a connection, and for the head of an answer.
    pub answer: Duration,
    /// For the next bytes of a file.
    pub stall: Duration,
    /// Before the first repetition; each further one waits twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    /// The times of Python's client.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            pause: Duration::from_secs(1),
        }
    }
}

impl Settings {
    /// As `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN` and the others say.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| env::var(name).ok(), env::home_dir())
    }

    pub(super) fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        user: Option<PathBuf>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| set(name));
        let is_on = |names: &[&str]| {
            first(names).is_some_and(|value| {
                matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
            })
        };
        let path = |text: String| in_home(&text, user.as_deref());
        let seconds = |name: &str, default: Duration| {
            let given = set(name).and_then(|text| text.trim().parse::<u64>().ok());
            given.filter(|&seconds| seconds > 0).map_or(default, Duration::from_secs)
        };

        let home = set("HF_HOME").map(path).unwrap_or_else(|| {
            set("XDG_CACHE_HOME")
                .map(path)
                .or_else(|| user.as_ref().map(|user| user.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"))
                .join("huggingface")
        });
        let mut unreadable_token = None;
        let token = if is_on(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
            None
        } else {
            first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]).or_else(|| {
                let file = set("HF_TOKEN_PATH").map_or_else(|| home.join("token"), path);
                let read = vene_files::read_text(&file, LONGEST_TOKEN);
                read.map_err(|reason| {
                    let is_there = file.symlink_metadata().is_ok();
                    unreadable_token = is_there.then(|| (file, reason.to_string()));
                })
                .ok()
            })
        };
        let patience = Patience::default();
        Self {
            cache: first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
                .map_or_else(|| home.join("hub"), path),
            endpoint: set("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim()
                .trim_end_matches('/')
                .to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            unreadable_token,
            offline: is_on(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]),
            proxies: Proxies::from_variables(set),
            certificates: first(&["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
                .map(path)
                .filter(|file| file.is_file()),
            patience: Patience {
                answer: seconds("HF_HUB_ETAG_TIMEOUT", patience.answer),
                stall: seconds("HF_HUB_DOWNLOAD_TIMEOUT", patience.stall),
                ..patience
            },
        }
    }
}

/// A path as a user writes it: `~` at its start is the home folder.
fn in_home(text: &str, user: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), user) {
        (Some(""), Some(user)) => user.to_owned(),
        (Some(rest), Some(user)) if rest.starts_with('/') => user.join(&rest[1..]),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let find = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        };
        Settings::from_variables(find, Some("/home/u".into()))
    }

    #[test]
    fn the_cache_is_where_all_tools_have_it() {
        let cache = |variables| settings(variables).cache;
        assert_eq!(cache(&[]), PathBuf::from("/home/u/.cache/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), PathBuf::from("/x/huggingface/hub"));
        assert_eq!(cache(&[("HF_HOME", "/h")]), PathBuf::from("/h/hub"));
        assert_eq!(cache(&[("HF_HOME", "~/h")]), PathBuf::from("/home/u/h/hub"));
        assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), PathBuf::from("/c"));
        assert_eq!(cache(&[("HUGGINGFACE_HUB_CACHE", "/c")]), PathBuf::from("/c"));
    }

    #[test]
    fn token_endpoint_and_offline() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "from-file\n").unwrap();
        let other = home.path().join("other");
        std::fs::write(&other, "from-other").unwrap();
        let home = home.path().to_str().unwrap();
        let from_file = settings(&[("HF_HOME", home)]);
        assert_eq!(from_file.token.as_deref(), Some("from-file"));
        assert_eq!(from_file.endpoint, ENDPOINT);
        assert!(!from_file.offline);
        let given = settings(&[
            ("HF_HOME", home),
            ("HF_TOKEN", "given"),
            ("HF_ENDPOINT", "http://localhost:1/"),
            ("HF_HUB_OFFLINE", "yes"),
        ]);
        assert_eq!(given.token.as_deref(), Some("given"));
        assert_eq!(given.endpoint, "http://localhost:1");
        assert!(given.offline);
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert!(settings(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        let elsewhere = settings(&[("HF_HOME", home), ("HF_TOKEN_PATH", other.to_str().unwrap())]);
        assert_eq!(elsewhere.token.as_deref(), Some("from-other"));
        let unwanted = settings(&[("HF_TOKEN", "given"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]);
        assert_eq!(unwanted.token, None);
    }

    #[cfg(unix)]
    #[test]
    fn a_token_is_in_a_file() {
        let home = tempfile::tempdir().unwrap();
        // What is no file with a text is not waited for, and not passed over.
        let [pipe, bytes] = ["pipe", "bytes"].map(|name| home.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&bytes, [0xff]).unwrap();
        for (path, expected) in [
            (pipe.as_path(), "a pipe is there"),
            (Path::new("/dev/zero"), "a device is there"),
            (&bytes, "not a text"),
        ] {
            let found = settings(&[("HF_TOKEN_PATH", path.to_str().unwrap())]);
            assert_eq!(found.token, None);
            let (file, reason) = found.unreadable_token.unwrap();
            assert!(file == path && reason.contains(expected), "{reason}");
        }
        let missing = settings(&[("HF_TOKEN_PATH", "/no/such/file")]);
        assert_eq!((missing.token, missing.unreadable_token), (None, None));
        let unwanted =
            [("HF_TOKEN_PATH", pipe.to_str().unwrap()), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")];
        assert_eq!(settings(&unwanted).unreadable_token, None);
    }

    #[test]
    fn times_are_those_of_the_variables() {
        let given =
            settings(&[("HF_HUB_ETAG_TIMEOUT", "3"), ("HF_HUB_DOWNLOAD_TIMEOUT", "60")]).patience;
        assert_eq!((given.answer.as_secs(), given.stall.as_secs()), (3, 60));
        let usual = settings(&[("HF_HUB_ETAG_TIMEOUT", "0")]).patience;
        assert_eq!((usual.answer.as_secs(), usual.stall.as_secs()), (10, 10));
    }
}
