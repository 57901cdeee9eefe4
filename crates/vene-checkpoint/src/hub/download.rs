//! A content comes into the cache: locked, taken up where it was left, checked, and there as a whole
//! or not at all.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::header::CONTENT_RANGE;

use super::cache::{RepositoryCache, make_parent};
use super::client::{Client, Location};
use super::content::{Content, Hash};
use super::failure::Failure;
use super::flow::Flow;
use crate::Progress;

/// Times that a download may break off without a byte more than the time before.
const ATTEMPTS: usize = 5;

/// Between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A file that is on its way.
pub(super) struct Download<'a> {
    pub client: &'a Client<'a>,
    pub cache: &'a RepositoryCache,
    /// The file's name in its repository.
    pub name: &'a str,
    /// What the hub calls the content, asked for again where a download is taken up.
    pub ask: &'a dyn Fn() -> Result<Content, Failure>,
}

impl Download<'_> {
    /// Makes the content be in the cache, and gives its etag.
    pub fn run(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<String, Failure> {
        let content = (self.ask)()?;
        let (name, total) = (self.name, content.size);
        let blob = self.cache.blob(&content.etag);
        make_parent(&blob)?;
        let _lock =
            self.cache.lock(&content.etag, || progress(Progress::Waiting { file: name }))?;
        if is_whole(&blob, &content)? {
            return Ok(content.etag);
        }
        let part = blob.with_file_name(format!("{}.incomplete", content.etag));
        progress(Progress::Downloading { file: name, done: 0, total });
        self.fill(&part, &content, progress)?;
        fs::rename(&part, &blob).map_err(Failure::disk(&blob))?;
        Ok(content.etag)
    }

    /// Fills the incomplete file, in several attempts if need be.
    fn fill(
        &self,
        part: &Path,
        content: &Content,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        let mut file = vene_files::open_to_write(part).map_err(Failure::disk(part))?;
        let drop_part = |failure| {
            let _ = fs::remove_file(part);
            failure
        };
        let mut location = content.location.clone();
        let mut pause = self.client.settings.patience.pause;
        let (mut attempts, mut furthest) = (0, 0);
        loop {
            let taken_up =
                restart_if_longer(&mut file, content.size).map_err(Failure::disk(part))?;
            let failure = match self.attempt(&mut file, part, content, &location, progress) {
                Ok(()) => {
                    return file.sync_all().map_err(Failure::disk(part));
                }
                Err(failure) => self.client.sent_from(&location, failure),
            };
            let is_corrupt =
                matches!(failure.cause(), Failure::Corrupt { .. } | Failure::TooLong { .. });
            if is_corrupt && taken_up > 0 {
                // What was there may have been another's beginning.
                file.set_len(0).map_err(Failure::disk(part))?;
                continue;
            }
            if is_corrupt {
                return Err(drop_part(failure));
            }
            let done = file.metadata().map_err(Failure::disk(part))?.len();
            attempts = if done > furthest { 0 } else { attempts + 1 };
            furthest = furthest.max(done);
            // An address that is signed is good for a while.
            let has_expired = matches!(failure.cause(), Failure::Status { status: 401 | 403, .. });
            if attempts >= ATTEMPTS || !(failure.may_pass() || has_expired && attempts < 2) {
                return Err(failure);
            }
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            let again = match (self.ask)() {
                Ok(again) => again,
                Err(failure) if failure.may_pass() => continue,
                Err(failure) => return Err(failure),
            };
            if (&again.etag, again.size) != (&content.etag, content.size) {
                return Err(Failure::not_a_hub("it names another content than a moment before"));
            }
            location = again.location;
        }
    }

    /// One request, from the end of the incomplete file on.
    fn attempt(
        &self,
        file: &mut File,
        part: &Path,
        content: &Content,
        location: &Location,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        let total = content.size;
        let fresh = || Hash::of(&content.etag, total).ok_or(Failure::not_a_hub("it has no hash"));
        let mut hash = fresh()?;
        let mut done = hash_of_beginning(file, &mut hash).map_err(Failure::disk(part))?;
        if done < total || total == 0 {
            let mut response = self.client.content(location, done)?;
            let continues = response.status().as_u16() == 206
                && response
                    .headers()
                    .get(CONTENT_RANGE)
                    .and_then(|range| range.to_str().ok())
                    .is_some_and(|range| range.starts_with(&format!("bytes {done}-")));
            if !continues {
                // The whole content, whatever was asked for.
                file.set_len(0).map_err(Failure::disk(part))?;
                (hash, done) = (fresh()?, 0);
                if response.status().as_u16() != 200 {
                    return Err(Failure::Cut { done, total });
                }
            }
            file.seek(SeekFrom::Start(done)).map_err(Failure::disk(part))?;
            let mut flow = Flow::new(self.client.settings.patience.stall);
            let mut body = response.body_mut().as_reader();
            let mut buffer = vec![0; 1 << 17];
            loop {
                let count = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) => return Err(self.client.broken(&error, done, total)),
                };
                let found = done + count as u64;
                if found > total {
                    return Err(Failure::TooLong { expected: total, found });
                }
                hash.update(&buffer[..count]);
                file.write_all(&buffer[..count]).map_err(Failure::disk(part))?;
                done = found;
                progress(Progress::Downloading { file: self.name, done, total });
                if !flow.note(count) && done < total {
                    let seconds = self.client.settings.patience.stall.as_secs();
                    return Err(Failure::Stalled { seconds, done, total });
                }
            }
        }
        if done < total {
            return Err(Failure::Cut { done, total });
        }
        hash.check(&content.etag)
    }
}

/// Whether a blob is there and is its content. A file that is not is removed; anything else there is refused.
fn is_whole(blob: &Path, content: &Content) -> Result<bool, Failure> {
    let mut file = match vene_files::open(blob) {
        Ok(file) => file,
        Err(reason) if reason.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(Failure::disk(blob)(reason));
        }
        Err(_) => return Ok(false),
    };
    let is_right = file.metadata().is_ok_and(|found| found.len() == content.size)
        && has_hash(&mut file, &content.etag).unwrap_or(false);
    if !is_right {
        fs::remove_file(blob).map_err(Failure::disk(blob))?;
    }
    Ok(is_right)
}

/// Whether an etag is the hash of all that a file holds.
pub(super) fn has_hash(file: &mut File, etag: &str) -> std::io::Result<bool> {
    let Some(mut hash) = Hash::of(etag, file.metadata()?.len()) else { return Ok(false) };
    hash_of_beginning(file, &mut hash)?;
    Ok(hash.check(etag).is_ok())
}

/// Empties an incomplete file that holds more than the whole; gives its length.
fn restart_if_longer(file: &mut File, size: u64) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    if length > size {
        file.set_len(0)?;
        return Ok(0);
    }
    Ok(length)
}

/// Adds all that a file holds; gives its length.
fn hash_of_beginning(file: &mut File, hash: &mut Hash) -> std::io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 1 << 17];
    let mut done = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(done);
        }
        hash.update(&buffer[..count]);
        done += count as u64;
    }
}
