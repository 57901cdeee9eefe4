//! The environment variables that all tools of the hub share.

use std::env;
use std::path::PathBuf;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub and its cache are.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The folder with a folder for each repository.
    pub cache: PathBuf,
    pub endpoint: String,
    pub token: Option<String>,
    /// Whether the network must not be used.
    pub offline: bool,
}

impl Settings {
    /// As `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` say.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| env::var(name).ok(), env::home_dir())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>, user: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let home = set("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
            set("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| user.map(|user| user.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"))
                .join("huggingface")
        });
        let token = set("HF_TOKEN").or_else(|| {
            let path = set("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
            std::fs::read_to_string(path).ok()
        });
        Self {
            cache: set("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            endpoint: set("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: set("HF_HUB_OFFLINE").is_some_and(|value| {
                matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
            }),
        }
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
        assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), PathBuf::from("/c"));
    }

    #[test]
    fn token_endpoint_and_offline() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "from-file\n").unwrap();
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
    }
}
