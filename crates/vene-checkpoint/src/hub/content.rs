//! Which content a file has: what the hub calls it, and whether bytes are it.
//!
//! The hub names a large file by its SHA-256 and a small one as git does, by the SHA-1 of a header and
//! the bytes. So the name of a content can be checked against the content.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use ureq::http::header::{CONTENT_LENGTH, ETAG, HeaderMap};

use super::client::Location;
use super::failure::Failure;
use super::is_commit;

/// What one answer of the hub says about a file. No other answer is asked for any of it.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// Forty or 64 hexadecimal digits: it becomes a file's name.
    pub etag: String,
    pub size: u64,
    /// Where the bytes are.
    pub location: Location,
}

impl Content {
    /// Reads the headers of the answer that decides.
    ///
    /// # Errors
    /// What every hub says and this one does not, or a commit other than `commit`.
    pub fn of(commit: &str, location: Location, headers: &HeaderMap) -> Result<Self, Failure> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let found = header("x-repo-commit").filter(|found| is_commit(found));
        let found = found.ok_or_else(|| Failure::not_a_hub("it names no commit"))?;
        if found != commit {
            return Err(Failure::not_a_hub(format!(
                "it is about commit {found}, and {commit} was asked for"
            )));
        }
        let linked = header("x-linked-etag");
        let etag = linked
            .or_else(|| header(ETAG.as_str()))
            .map(|etag| etag.trim().trim_start_matches("W/").trim_matches('"').to_owned());
        let etag = etag
            .filter(|etag| Hash::of(etag, 0).is_some())
            .ok_or_else(|| Failure::not_a_hub("it does not name the content by its hash"))?;
        let size = header("x-linked-size")
            // Of an answer that sends on the length is its own, not the file's.
            .or_else(|| header(CONTENT_LENGTH.as_str()).filter(|_| linked.is_none()))
            .and_then(|size| size.trim().parse().ok())
            .ok_or_else(|| Failure::not_a_hub("it does not say the content's size"))?;
        Ok(Self { etag, size, location })
    }
}

/// The hash of a content, as it comes.
#[derive(Clone)]
pub(super) enum Hash {
    Whole(Sha256),
    Git(Sha1),
}

impl Hash {
    /// The kind of hash that an etag is, for a content of `size` bytes.
    pub fn of(etag: &str, size: u64) -> Option<Self> {
        let is_hexadecimal = etag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match etag.len() {
            64 if is_hexadecimal => Some(Self::Whole(Sha256::new())),
            40 if is_hexadecimal => {
                Some(Self::Git(Sha1::new_with_prefix(format!("blob {size}\0"))))
            }
            _ => None,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Whole(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
        }
    }

    /// Compares with an etag.
    pub fn check(self, etag: &str) -> Result<(), Failure> {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        let (kind, found): (_, String) = match self {
            Self::Whole(hash) => ("SHA-256", hexadecimal(&hash.finalize())),
            Self::Git(hash) => ("git hash", hexadecimal(&hash.finalize())),
        };
        if found == etag {
            Ok(())
        } else {
            Err(Failure::Corrupt { kind, expected: etag.to_owned(), found })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hashes_are_those_of_the_hub() {
        // `git hash-object` and `sha256sum` of the six bytes `hello\n`.
        for etag in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let mut hash = Hash::of(etag, 6).unwrap();
            hash.update(b"hello");
            assert!(hash.clone().check(etag).is_err());
            hash.update(b"\n");
            hash.check(etag).unwrap();
        }
        for other in ["", "../x", "abc", &"g".repeat(40), &"A".repeat(64)] {
            assert!(Hash::of(other, 6).is_none(), "{other}");
        }
    }
}
