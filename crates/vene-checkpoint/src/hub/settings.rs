//! The environment variables that all tools of the hub share, and those of every network program.

use std::cell::RefCell;
use std::env::{self, VarError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::proxy::Proxies;
use super::variables::Variables;

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
    /// What of the environment is not followed, a sentence each.
    pub doubts: Vec<String>,
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
        let unreadable = RefCell::new(Vec::new());
        let find = |name: &str| match env::var(name) {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(value)) => {
                let doubt = format!("{name}={value:?} is not UTF-8: it is taken for unset");
                unreadable.borrow_mut().push(doubt);
                None
            }
        };
        let mut settings = Self::from_variables(find, env::home_dir());
        settings.doubts.extend(unreadable.into_inner());
        settings
    }

    pub(super) fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        user: Option<PathBuf>,
    ) -> Self {
        let variables = Variables::new(variable);
        let set = |name: &str| variables.set(name);
        let path = |text: String| in_home(&text, user.as_deref());

        let home = set("HF_HOME").map(path).unwrap_or_else(|| {
            set("XDG_CACHE_HOME")
                .map(path)
                .or_else(|| user.as_ref().map(|user| user.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"))
                .join("huggingface")
        });
        let mut unreadable_token = None;
        let given = variables.first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]);
        let token = if variables.is_on(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
            None
        } else if let Some((_, token)) = given {
            Some(token)
        } else {
            let named = set("HF_TOKEN_PATH");
            let file = named.clone().map_or_else(|| home.join("token"), path);
            let read = vene_files::read_text(&file, LONGEST_TOKEN);
            read.map_err(|reason| {
                if file.symlink_metadata().is_ok() {
                    unreadable_token = Some((file, reason.to_string()));
                } else if let Some(named) = named {
                    variables.doubt("HF_TOKEN_PATH", &named, "is not there: no token is sent");
                }
            })
            .ok()
        };
        let patience = Patience::default();
        let patience = Patience {
            answer: variables.seconds("HF_HUB_ETAG_TIMEOUT", patience.answer),
            stall: variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT", patience.stall),
            ..patience
        };
        let certificates = variables.first(&["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]);
        let certificates = certificates.and_then(|(name, value)| {
            let file = path(value.clone());
            if !file.is_file() {
                let what = "is not a file: the certificates of the system are trusted";
                variables.doubt(name, &value, what);
            }
            Some(file).filter(|file| file.is_file())
        });
        Self {
            cache: variables
                .first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
                .map_or_else(|| home.join("hub"), |(_, cache)| path(cache)),
            endpoint: set("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim()
                .trim_end_matches('/')
                .to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            unreadable_token,
            offline: variables.is_on(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]),
            proxies: Proxies::from_variables(set),
            certificates,
            patience,
            doubts: variables.doubts(),
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
        // More than a clock can count.
        for long in ["9223372036854775807", "99999999999999999999999"] {
            let given = settings(&[("HF_HUB_ETAG_TIMEOUT", long)]);
            assert_eq!(given.patience.answer.as_secs(), 86_400);
            assert!(given.doubts[0].ends_with("is longer than a day: 86400 s are used"));
        }
    }

    #[test]
    fn what_is_not_followed_is_told() {
        for (name, value, expected) in [
            ("HF_HUB_ETAG_TIMEOUT", "abc", "is not a whole number of seconds: 10 s are used"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "-5", "is not a whole number of seconds: 10 s are used"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "0", "is no time: 10 s are used"),
            ("HF_HUB_OFFLINE", "maybe", "it is taken for 0"),
            ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "y", "it is taken for 0"),
            ("REQUESTS_CA_BUNDLE", "/no/such", "the certificates of the system are trusted"),
            ("CURL_CA_BUNDLE", "/", "the certificates of the system are trusted"),
            ("HF_TOKEN_PATH", "/no/such/file", "is not there: no token is sent"),
        ] {
            let doubts = settings(&[(name, value)]).doubts;
            let [doubt] = &doubts[..] else { panic!("{name}: {doubts:?}") };
            assert!(doubt.starts_with(&format!("{name}={value} ")), "{doubt}");
            assert!(doubt.ends_with(expected), "{doubt}");
        }
        let followed = [("HF_HUB_OFFLINE", "off"), ("HF_HUB_ETAG_TIMEOUT", " 3 ")];
        assert_eq!(settings(&followed).doubts, [] as [String; 0]);
        let steered = settings(&[("HF_HUB_OFFLINE", "\u{1b}[2J\n")]).doubts;
        assert!(!steered[0].contains(char::is_control), "{steered:?}");
    }
}
