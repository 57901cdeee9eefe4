//! What can go wrong between this machine and the hub, in words that say what to do.

use std::path::{Path, PathBuf};

/// Why a file or a listing did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// An answer that is neither the content nor a redirect.
    #[error("answered with HTTP status {status}")]
    Status { status: u16, code: Option<String> },
    #[error("sends {from} on to an address that it does not give")]
    NoLocation { from: String },
    #[error("sends {from} on to `{to}`, which is not an address of the web")]
    BadLocation { from: String, to: String },
    #[error("sends {from} on to {to}, which is not encrypted")]
    Unencrypted { from: String, to: String },
    #[error("sends {from} on more than {limit} times")]
    TooManyRedirects { from: String, limit: usize },
    /// The answer lacks what every hub says, or says it twice differently.
    #[error("gave an answer that is not that of a Hugging Face hub: {problem}")]
    NotAHub { problem: String },
    #[error("sent {found} bytes or more, expected {expected}")]
    TooLong { expected: u64, found: u64 },
    #[error("sent a content whose {kind} is {found}, expected {expected}")]
    Corrupt { kind: &'static str, expected: String, found: String },
    #[error("sent nothing more for {seconds} s after {done} of {total} bytes")]
    Stalled { seconds: u64, done: u64, total: u64 },
    #[error("ended the connection after {done} of {total} bytes")]
    Cut { done: u64, total: u64 },
    /// An answer whose length nobody knows, and of which nothing is kept.
    #[error("broke off in the middle of an answer, after {done} bytes")]
    HalfAnswer { done: u64 },
    /// What another host did, to which the hub had sent on.
    #[error("sends on to {host}, which {failure}")]
    Elsewhere { host: String, failure: Box<Failure> },
    #[error("does not answer: {0}")]
    Unreachable(String),
    #[error("cannot be trusted: {0}")]
    Certificate(String),
    #[error("`{0}`, a proxy in the environment, is not an address")]
    Proxy(String),
    #[error("is not an address of the web")]
    Endpoint,
    #[error("HF_TOKEN holds a character that no token has")]
    Token,
    #[error("{}, which should hold your token: {reason}", path.display())]
    TokenFile { path: PathBuf, reason: String },
    #[error("{}: {reason}", path.display())]
    Disk { path: PathBuf, reason: std::io::Error },
}

impl Failure {
    pub fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::Disk { path, reason }
    }

    pub fn not_a_hub(problem: impl Into<String>) -> Self {
        Self::NotAHub { problem: problem.into() }
    }

    /// What went wrong, whichever host it was.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Elsewhere { failure, .. } => failure.cause(),
            other => other,
        }
    }

    /// Whether asking again may help.
    pub fn may_pass(&self) -> bool {
        match self.cause() {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Stalled { .. }
            | Self::Cut { .. }
            | Self::HalfAnswer { .. }
            | Self::Unreachable(_) => true,
            _ => false,
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error;
        match error {
            Error::Rustls(error) => Self::Certificate(error.to_string()),
            Error::Tls(problem) => Self::Certificate(problem.to_owned()),
            Error::Timeout(_) => Self::Unreachable("it takes too long".to_owned()),
            Error::HostNotFound => Self::Unreachable("there is no such host".to_owned()),
            Error::Protocol(error) => Self::not_a_hub(error.to_string()),
            // A certificate that is refused in the handshake comes as an error of reading.
            Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Certificate(error.to_string())
            }
            Error::Io(error) if is_timeout(&error) => {
                Self::from(Error::Timeout(ureq::Timeout::Global))
            }
            Error::Io(error) => Self::Unreachable(error.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Whether an error of reading is that the time is over.
pub(super) fn is_timeout(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock)
        || matches!(inner, Some(ureq::Error::Timeout(_)))
}
