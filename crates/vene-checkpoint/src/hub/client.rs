//! Requests to the hub: who is told the user's token, how often an answer may send on, how long to
//! wait.
//!
//! The token goes to the hub itself and to nobody else: not to another host, port or scheme, and not
//! back to the hub once a redirect has left it. Redirects are followed here, one by one, so that each
//! of them is looked at.

use std::io::Read;

use ureq::http::header::{AUTHORIZATION, HeaderMap, LOCATION, RANGE};
use ureq::http::{Method, Request, Response};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};
use url::Url;

use super::Settings;
use super::certificates::certificates;
use super::failure::{Failure, is_timeout};

/// Redirects that one request may take.
const MAX_REDIRECTS: usize = 5;

/// An address, and how one came to it.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub url: Url,
    /// Whether a redirect left the hub on the way: the token is not sent there, even if it is the hub again.
    has_left: bool,
}

impl From<Url> for Location {
    /// An address that nobody sent on to.
    fn from(url: Url) -> Self {
        Self { url, has_left: false }
    }
}

/// The hub, as it is reached with some settings.
pub(super) struct Client<'a> {
    pub settings: &'a Settings,
    endpoint: Url,
    agent: Agent,
}

impl<'a> Client<'a> {
    pub fn new(settings: &'a Settings) -> Result<Self, Failure> {
        let endpoint: Url = settings.endpoint.parse().map_err(|_| Failure::Endpoint)?;
        if !is_of_the_web(&endpoint) {
            return Err(Failure::Endpoint);
        }
        if settings.token.as_ref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(Failure::Token);
        }
        if let Some((path, reason)) = settings.unreadable_token.clone() {
            return Err(Failure::TokenFile { path, reason });
        }
        let patience = settings.patience;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("vene/", env!("CARGO_PKG_VERSION")))
            // The size and the hash are those of the file as it is stored.
            .accept_encoding("identity")
            .timeout_resolve(Some(patience.answer))
            .timeout_connect(Some(patience.answer))
            .timeout_send_request(Some(patience.answer))
            .timeout_recv_response(Some(patience.answer.saturating_mul(3)))
            .timeout_per_read(Some(patience.stall))
            .tls_config(TlsConfig::builder().root_certs(certificates(settings)?).build())
            .build();
        Ok(Self { settings, endpoint, agent: config.new_agent() })
    }

    /// An address of the hub: `segments` are put behind the endpoint, each escaped as a whole.
    pub fn address<'s>(&self, segments: impl IntoIterator<Item = &'s str>) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A text of at most `limit` bytes.
    pub fn text(&self, url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
        self.patiently(|| {
            let start = url.clone().into();
            let (place, mut response) = self.follow(&Method::GET, &start, None, |_| false)?;
            self.require_success(&place, &response)?;
            let mut bytes = Vec::new();
            let reader = response.body_mut().as_reader().take(limit + 1);
            self.drain(reader, &mut bytes)?;
            let found = bytes.len() as u64;
            if found > limit {
                return Err(Failure::TooLong { expected: limit, found });
            }
            Ok(bytes)
        })
    }

    fn drain(&self, mut reader: impl Read, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        // A text is short: all of it in the time of three answers, however it drips.
        let until = std::time::Instant::now() + self.settings.patience.answer.saturating_mul(6);
        let mut buffer = [0; 1 << 14];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) => {
                    let done = bytes.len() as u64;
                    return Err(match self.broken(&error, done, done) {
                        Failure::Stalled { .. } | Failure::Cut { .. } => {
                            Failure::HalfAnswer { done }
                        }
                        other => other,
                    });
                }
            };
            bytes.extend(&buffer[..count]);
            if std::time::Instant::now() > until {
                return Err(Failure::Unreachable("it takes too long".to_owned()));
            }
        }
    }

    /// The head of an answer about a file: the first that says which content it is, or the last.
    pub fn head(&self, url: &Url) -> Result<(Location, HeaderMap), Failure> {
        self.patiently(|| {
            let decides = |headers: &HeaderMap| {
                ["x-linked-etag", "x-linked-size", "x-repo-commit"]
                    .iter()
                    .all(|name| headers.contains_key(*name))
            };
            let start = url.clone().into();
            let (place, response) = self.follow(&Method::HEAD, &start, None, decides)?;
            let headers = response.headers().clone();
            if is_redirect(&response) {
                return Ok((self.next(&place, &response)?, headers));
            }
            self.require_success(&place, &response)?;
            Ok((place, headers))
        })
    }

    /// The content at an address, from a byte on.
    pub fn content(&self, start: &Location, from: u64) -> Result<Response<Body>, Failure> {
        let (place, response) = self.follow(&Method::GET, start, Some(from), |_| false)?;
        if response.status().as_u16() != 416 {
            self.require_success(&place, &response)?;
        }
        Ok(response)
    }

    /// An error of reading a body.
    pub fn broken(&self, error: &std::io::Error, done: u64, total: u64) -> Failure {
        if is_timeout(error) {
            let seconds = self.settings.patience.stall.as_secs();
            return Failure::Stalled { seconds, done, total };
        }
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Failure::Cut { done, total },
            _ => Failure::Unreachable(error.to_string()),
        }
    }

    /// Asks up to three times where asking again may help.
    fn patiently<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut pause = self.settings.patience.pause;
        for _ in 0..2 {
            match ask() {
                // Nobody at home will not change within seconds, and costs a user the wait.
                Err(failure)
                    if failure.may_pass() && matches!(failure.cause(), Failure::Status { .. }) =>
                {
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2);
                }
                other => return other,
            }
        }
        ask()
    }

    fn follow(
        &self,
        method: &Method,
        start: &Location,
        from: Option<u64>,
        decides: impl Fn(&HeaderMap) -> bool,
    ) -> Result<(Location, Response<Body>), Failure> {
        let mut place = start.clone();
        for _ in 0..=MAX_REDIRECTS {
            place.has_left |= !self.is_home(&place.url);
            let sent = self.send(method, &place.url, from, !place.has_left);
            let response = sent.map_err(|failure| self.of_host(&place.url, failure))?;
            if !is_redirect(&response) || decides(response.headers()) {
                return Ok((place, response));
            }
            place = self.next(&place, &response)?;
        }
        Err(Failure::TooManyRedirects { from: shown(&start.url), limit: MAX_REDIRECTS })
    }

    /// Where a redirect leads, and whether the hub was left on the way.
    fn next(&self, place: &Location, response: &Response<Body>) -> Result<Location, Failure> {
        let url = self.target(&place.url, response)?;
        let has_left = place.has_left || !self.is_home(&url);
        Ok(Location { url, has_left })
    }

    fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    /// A failure, with the host that it happened at where that is not the hub.
    fn of_host(&self, url: &Url, failure: Failure) -> Failure {
        if self.is_home(url) || matches!(failure, Failure::Proxy(_)) {
            return failure;
        }
        Failure::Elsewhere { host: url.origin().ascii_serialization(), failure: Box::new(failure) }
    }

    /// A failure of a content that came from a place, with its host where that is not the hub.
    pub fn sent_from(&self, place: &Location, failure: Failure) -> Failure {
        match failure {
            Failure::Stalled { .. }
            | Failure::Cut { .. }
            | Failure::Corrupt { .. }
            | Failure::TooLong { .. } => self.of_host(&place.url, failure),
            other => other,
        }
    }

    fn require_success(&self, place: &Location, response: &Response<Body>) -> Result<(), Failure> {
        let status = response.status().as_u16();
        if matches!(status, 200 | 206) {
            return Ok(());
        }
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        let failure = Failure::Status { status, code: code.map(str::to_owned) };
        Err(self.of_host(&place.url, failure))
    }

    fn send(
        &self,
        method: &Method,
        url: &Url,
        from: Option<u64>,
        with_token: bool,
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(token) = self.settings.token.as_ref().filter(|_| with_token) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(from) = from.filter(|&from| from > 0) {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(()).map_err(|_| Failure::Endpoint)?;
        let proxy = self.settings.proxies.of(url).map_err(Failure::Proxy)?;
        let request = self.agent.configure_request(request).proxy(proxy).build();
        Ok(self.agent.run(request)?)
    }

    /// Where a redirect leads.
    fn target(&self, url: &Url, response: &Response<Body>) -> Result<Url, Failure> {
        let from = shown(url);
        let Some(to) = response.headers().get(LOCATION) else {
            return Err(Failure::NoLocation { from });
        };
        let to = String::from_utf8_lossy(to.as_bytes());
        let Some(mut target) = url.join(&to).ok().filter(is_of_the_web) else {
            return Err(Failure::BadLocation { from, to: to.chars().take(200).collect() });
        };
        if url.scheme() == "https" && target.scheme() != "https" {
            return Err(Failure::Unencrypted { from, to: shown(&target) });
        }
        // Names and passwords in an address would be sent there.
        let _ = (target.set_username(""), target.set_password(None));
        target.set_fragment(None);
        Ok(target)
    }
}

fn is_of_the_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_redirect(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// An address without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Where an answer of `https://hub.example/a/b` with this location leads.
    fn target(location: &str) -> Result<String, String> {
        let settings = Settings::from_variables(
            |name| (name == "HF_ENDPOINT").then(|| "https://hub.example".to_owned()),
            None,
        );
        let client = Client::new(&settings).unwrap();
        let response = Response::builder()
            .status(302)
            .header(LOCATION, location)
            .body(Body::builder().data(""))
            .unwrap();
        let from = "https://hub.example/a/b?signature=secret".parse().unwrap();
        let target = client.target(&from, &response);
        target.map(|url| url.to_string()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn redirects_lead_to_the_web_and_stay_encrypted() {
        assert_eq!(target("/c#x").unwrap(), "https://hub.example/c");
        assert_eq!(target("c").unwrap(), "https://hub.example/a/c");
        assert_eq!(target("//cdn.example/c").unwrap(), "https://cdn.example/c");
        assert_eq!(target("https://u:p@cdn.example/c").unwrap(), "https://cdn.example/c");
        let line = target("http://hub.example/c").unwrap_err();
        assert!(line.contains("http://hub.example/c, which is not encrypted"), "{line}");
        // What an address may hold of secrets is not shown.
        assert!(!line.contains("signature"), "{line}");
        assert!(target("ftp://hub.example/c").unwrap_err().contains("not an address of the web"));
    }

    #[test]
    fn revisions_and_names_are_escaped() {
        let settings = Settings::from_variables(
            |name| (name == "HF_ENDPOINT").then(|| "https://hub.example/mirror/".to_owned()),
            None,
        );
        let client = Client::new(&settings).unwrap();
        let url = client.address(["org", "name", "resolve", "refs/pr/1", "a b?.gguf"]);
        assert_eq!(
            url.as_str(),
            "https://hub.example/mirror/org/name/resolve/refs%2Fpr%2F1/a%20b%3F.gguf"
        );
    }
}
