//! A failure, in words that say what a user can do about it.

use super::failure::Failure;
use super::{Repository, client};
use crate::CheckpointError;

impl Repository<'_> {
    /// A failure in words that say what to do.
    pub(super) fn explain(&self, failure: &Failure, file: Option<&str>) -> CheckpointError {
        let endpoint = self.endpoint();
        let id = &self.place.id;
        let what = file.map(|file| format!("{file}: ")).unwrap_or_default();
        let terms = format!("accept its terms at {endpoint}/{id}");
        let is_elsewhere = matches!(failure, Failure::Elsewhere { .. });
        let mut problem = match failure.cause() {
            Failure::Status { .. } if is_elsewhere && failure.may_pass() => {
                format!("{what}{endpoint} {failure}; try again later")
            }
            Failure::Status { .. } if is_elsewhere => format!(
                "{what}{endpoint} {failure}; look at what stands between (HF_ENDPOINT, a proxy)"
            ),
            Failure::Status { status: 401 | 403, .. } if self.settings.token.is_none() => format!(
                "{what}{endpoint} does not show it without a token: it does not exist, or is private or gated ({terms} and set HF_TOKEN)"
            ),
            Failure::Status { status: 401 | 403, .. } => format!(
                "{what}{endpoint} refuses your token: it does not exist, or is private or gated ({terms})"
            ),
            Failure::Status { status: 404, .. } if file.is_some() => {
                format!("{what}{endpoint} lists this file, but does not have it")
            }
            Failure::Status { status: 404, .. } => format!(
                "{what}{endpoint} has no such repository, or not at revision `{}` (nor is there such a path here)",
                self.revision
            ),
            Failure::Status { .. } if failure.may_pass() => {
                format!("{what}{endpoint} {failure}; try again later")
            }
            Failure::Status { .. } => format!(
                "{what}{endpoint} {failure}, which is no answer of a Hugging Face hub (check HF_ENDPOINT and what stands between, such as a proxy)"
            ),
            Failure::HalfAnswer { .. } => {
                format!("{what}{endpoint} {failure}; nothing of it was kept: try again")
            }
            Failure::Disk { .. }
            | Failure::Token
            | Failure::TokenFile { .. }
            | Failure::Proxy(_) => format!("{what}{failure}"),
            Failure::NotAHub { .. } | Failure::Endpoint => {
                format!("{what}{endpoint} {failure} (check HF_ENDPOINT)")
            }
            Failure::Certificate(_) => format!(
                "{what}cannot be fetched, since {endpoint} {failure}; where your network has a certificate of its own, name its file in SSL_CERT_FILE"
            ),
            Failure::Stalled { .. } | Failure::Cut { .. } => format!(
                "{what}{endpoint} {failure}; what came is kept, so that the same command goes on from there"
            ),
            Failure::Unreachable(_) => format!(
                "{what}cannot be fetched from {endpoint}, and is not whole in the cache (it {failure}); without a network give a folder or a .gguf file"
            ),
            Failure::Corrupt { .. } | Failure::TooLong { .. } => format!(
                "{what}{endpoint} {failure}; nothing of it was kept: try again, or look at what stands between (HF_ENDPOINT, a proxy)"
            ),
            _ => format!("{what}{endpoint} {failure}"),
        };
        for doubt in &self.settings.doubts {
            problem.push_str(&format!("; {doubt}"));
        }
        self.error(problem)
    }

    /// The hub's address, without a password that may be in it.
    pub(super) fn endpoint(&self) -> String {
        let endpoint = &self.settings.endpoint;
        endpoint.parse().map_or_else(
            |_| endpoint.clone(),
            |url: url::Url| client::shown(&url).trim_end_matches('/').to_owned(),
        )
    }
}
