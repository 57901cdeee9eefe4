//! Which proxy an address is reached through, as `https_proxy`, `no_proxy` and the others say.

use ureq::Proxy;
use url::Url;

/// The proxies of the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    /// Hosts (and all below them) that are reached directly.
    direct: Vec<String>,
}

impl Proxies {
    /// `set` gives a variable that is there and not empty. Names in small letters go before.
    pub fn from_variables(set: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let all = either("all_proxy");
        let direct = either("no_proxy").unwrap_or_default();
        Self {
            http: either("http_proxy").or_else(|| all.clone()),
            https: either("https_proxy").or(all),
            direct: direct
                .split(',')
                .map(|host| host.trim().to_ascii_lowercase())
                .filter(|host| !host.trim_matches(['.']).is_empty())
                .collect(),
        }
    }

    /// The proxy for an address, if it has one.
    ///
    /// # Errors
    /// The text of a proxy that is not an address.
    pub fn of(&self, url: &Url) -> Result<Option<Proxy>, String> {
        let given = if url.scheme() == "https" { &self.https } else { &self.http };
        let Some(given) = given else { return Ok(None) };
        if self.is_direct(url) {
            return Ok(None);
        }
        Proxy::new(given.trim()).map(Some).map_err(|_| given.clone())
    }

    fn is_direct(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let with_port =
            url.port_or_known_default().map_or_else(String::new, |port| format!("{host}:{port}"));
        self.direct.iter().any(|direct| {
            // `.example.org` and `*.example.org` mean what `example.org` does.
            let below = direct.trim_start_matches('*').trim_start_matches('.');
            direct == "*"
                || *direct == with_port
                || host
                    .strip_suffix(below)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host_for(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = Proxies::from_variables(|name| {
            let found = variables.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        });
        let proxy = proxies.of(&url.parse().unwrap()).unwrap();
        proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let both =
            [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "http://p:2"), ("HTTP_PROXY", "x")];
        assert_eq!(host_for(&both, "https://huggingface.co/a").as_deref(), Some("s:1"));
        assert_eq!(host_for(&both, "http://mirror/a").as_deref(), Some("p:2"));
        assert_eq!(host_for(&[("http_proxy", "http://p:2")], "https://huggingface.co"), None);
        let all = [("all_proxy", "socks5://q:3")];
        assert_eq!(host_for(&all, "https://huggingface.co").as_deref(), Some("q:3"));
        assert_eq!(host_for(&[], "https://huggingface.co"), None);
    }

    #[test]
    fn hosts_of_no_proxy_are_reached_directly() {
        let proxied = |direct: &str, url: &str| {
            host_for(&[("all_proxy", "http://p:2"), ("no_proxy", direct)], url).is_some()
        };
        let hub = "https://cdn.huggingface.co/x";
        assert!(!proxied("huggingface.co", hub));
        assert!(!proxied("localhost, .huggingface.co", hub));
        assert!(!proxied("*.huggingface.co", hub));
        assert!(!proxied("*", hub));
        assert!(!proxied("cdn.huggingface.co:443", hub));
        assert!(proxied("face.co", hub));
        assert!(proxied("localhost,,", hub));
        assert!(!proxied("127.0.0.1", "http://127.0.0.1:80/"));
    }
}
