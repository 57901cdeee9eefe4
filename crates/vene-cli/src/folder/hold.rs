//! Holding a folder, and letting go of it: as it was, or with a record of how the run in it ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vene_files::{LOCK, Lock, LockError};

use crate::record::{Kind, RECORD, Record, Status};

/// A folder that this process holds.
pub struct Hold {
    path: PathBuf,
    lock: Option<Lock>,
    /// Folders that were made for it, innermost last.
    made: Vec<PathBuf>,
    /// The record of the run that began and did not end yet.
    running: Option<Record>,
}

impl Hold {
    /// Makes the folder where there is none, and locks it.
    pub fn take(path: &Path, kind: Kind) -> io::Result<Result<Self, LockError>> {
        let missing = path.ancestors().take_while(|ancestor| {
            !ancestor.as_os_str().is_empty() && ancestor.symlink_metadata().is_err()
        });
        let mut made: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        made.reverse();
        fs::create_dir_all(path)?;
        let holder = format!("process {}, a {}", std::process::id(), kind.name());
        let mut hold = Self { path: path.to_owned(), lock: None, made, running: None };
        match Lock::take(&path.join(LOCK), &holder) {
            Ok(lock) => hold.lock = Some(lock),
            Err(error) => return Ok(Err(error)),
        }
        Ok(Ok(hold))
    }

    pub fn is_exclusive(&self) -> bool {
        self.lock.as_ref().is_some_and(Lock::is_exclusive)
    }

    /// A run began, or says more of itself.
    pub fn begun(&mut self, record: &Record) {
        self.running = Some(record.clone());
        self.prepare(record);
    }

    /// Prepares the record for a death at which nothing can be computed.
    #[cfg(unix)]
    fn prepare(&self, record: &Record) {
        let mut record = record.clone();
        record.set_failed(
            "a file of the model was cut short while it was being read; put the whole file back and run again",
        );
        if let Ok(text) = record.file() {
            vene_files::set_will(&self.path.join(RECORD), text.into_bytes(), &self.path.join(LOCK));
        }
    }

    #[cfg(not(unix))]
    fn prepare(&self, _: &Record) {}

    /// The record has an end: nothing is to be written in its place.
    fn settle(&self) {
        #[cfg(unix)]
        vene_files::revoke_will();
    }

    /// The run's end is recorded.
    pub fn ended(&mut self) {
        self.settle();
        self.running = None;
        self.made.clear();
    }

    /// Records that the run failed.
    pub fn fail(&mut self, error: &str) {
        if let Some(record) = &mut self.running {
            record.set_failed(error);
            // Where this cannot be written either, `running` says as much: nobody is at it any more.
            let _ = record.write(&self.path);
            self.ended();
        }
    }

    /// Lets go of the folder. A run that has not ended becomes one that failed or was stopped; one that leaves nothing
    /// to go on with when it is stopped leaves nothing at all. The folder of one that can be gone on with is returned.
    pub fn end(&mut self, status: Status) -> Option<PathBuf> {
        let mut resumable = None;
        if let Some(mut record) = self.running.take() {
            self.settle();
            // What was being written when the program ended.
            let _ = vene_files::remove_litter(&self.path, &self.path.join(LOCK));
            let in_one_go = record.kind().is_some_and(Kind::is_in_one_go);
            if status == Status::Stopped && in_one_go {
                let _ = fs::remove_file(self.path.join(RECORD));
            } else {
                record.set_status(status);
                let _ = record.write(&self.path);
                resumable = Some(self.path.clone());
            }
        }
        self.lock = None;
        self.remove_made();
        resumable
    }

    /// Removes the folders that were made and are empty.
    fn remove_made(&mut self) {
        for folder in self.made.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Drop for Hold {
    /// Where a run did not come to its own end, be it by a panic.
    fn drop(&mut self) {
        let _ = self.end(Status::Failed);
    }
}
