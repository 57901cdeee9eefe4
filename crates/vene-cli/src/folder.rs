//! The output folder of a run: one owner, and all files of a run or none.
//!
//! A folder is claimed before anything else is done ([`Folder::claim`]): while a process holds it no other one gets it,
//! and what an earlier run left there is judged. Nothing is replaced unless that is asked for. The run then begins
//! ([`Folder::begin`]): from this moment `run.json` is its own. Files are written into a hidden folder and renamed
//! ([`Folder::fill`]), so that a full disk or a crash leaves no half of one. How the run ended is recorded too
//! ([`Folder::run`]), however it ended.

mod earlier;
mod file;
mod files;
mod hold;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail, ensure};
use vene_files::{LOCK, LockError};

use crate::interrupt::{self, Ending};
use crate::record::{Kind, RECORD, Record, Status};
use crate::terminal;
use earlier::{Earlier, remove_kept};
use hold::{Hold, Left};

pub use file::OutputFile;
pub use files::Files;

/// The folder of a run for which none was named: after its file, and the time.
///
/// # Errors
/// A clock before 1970.
pub fn named_by_time(file: &Path) -> anyhow::Result<PathBuf> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let time = chrono::DateTime::from_timestamp(since.as_secs() as i64, 0).unwrap_or_default();
    let stem = file.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy());
    let name = format!("{stem}-{}", time.format("%Y-%m-%dT%H-%M-%S"));
    Ok(Path::new("vene-out").join(name))
}

/// What is wanted of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new run. With `force` whatever run is there is replaced.
    New { kind: Kind, force: bool },
    /// To go on with a run of this kind.
    Resume(Kind),
}

/// A folder that is held for a run.
pub struct Folder {
    path: PathBuf,
    kind: Kind,
    /// Shared with whoever ends the program on Ctrl-C.
    hold: Arc<Mutex<Hold>>,
    /// What was there.
    earlier: Earlier,
    force: bool,
    _when_stopped: interrupt::WhenStopped,
}

impl Folder {
    /// Claims a folder, which is made where there is none.
    ///
    /// # Errors
    /// A folder that cannot be written, that another process holds, or that holds what would be overwritten.
    pub fn claim(path: &Path, purpose: Purpose) -> anyhow::Result<Self> {
        let refused = || refused(path);
        ensure!(!path.as_os_str().is_empty(), "--out is empty: give a folder");
        let nearest = nearest(path);
        if !nearest.is_dir() {
            let reason = format!("{} is no folder", nearest.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, reason)).with_context(refused);
        }
        let kind = match purpose {
            Purpose::New { kind, .. } | Purpose::Resume(kind) => kind,
        };
        if matches!(purpose, Purpose::Resume(_)) && !path.is_dir() {
            let (folder, what) = (path.display(), kind.short_name());
            bail!("{folder} holds no {what} to go on with: there is no such folder");
        }
        // Whoever holds it lets go of it, however early the program is stopped.
        let (hold, when_stopped) = vene_files::undisturbed(|| {
            let hold = match Hold::take(path, kind).with_context(refused)? {
                Ok(hold) => Arc::new(Mutex::new(hold)),
                Err(LockError::File(error)) => return Err(error).with_context(refused),
                Err(LockError::Held { by }) => return Err(held(path, &by)),
            };
            let when_stopped = let_go_when_stopped(&hold);
            Ok((hold, when_stopped))
        })?;
        if !lock(&hold).is_exclusive() {
            terminal::warn(format!(
                "the file system of {} has no locks: see to it that nothing else writes into this folder",
                path.display()
            ));
        }
        let earlier = Earlier::in_folder(path);
        let force = match purpose {
            Purpose::New { force, .. } => {
                earlier.check_replaceable(path, kind, force)?;
                force
            }
            Purpose::Resume(_) => {
                earlier.check_resumable(path, kind)?;
                if earlier.record().and_then(Record::status) == Some(Status::Complete) {
                    // It was killed between its end and the removal.
                    remove_kept(path, kind)?;
                }
                false
            }
        };
        vene_files::remove_litter(path, &path.join(LOCK)).with_context(refused)?;
        // That it can be locked does not say that there is room for a file.
        tempfile::tempfile_in(path).with_context(refused)?;
        Ok(Self { path: path.to_owned(), kind, hold, earlier, force, _when_stopped: when_stopped })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The record of the run that is to be gone on with, or of one that is to be replaced.
    pub fn earlier(&self) -> Option<&Record> {
        self.earlier.record()
    }

    /// Checks that these files can be written: that no folder is in the place of one, and that none is overwritten
    /// that is not the replaced run's own.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check_files(&self, files: &[String]) -> anyhow::Result<()> {
        let own = self.earlier.record().map(Record::files).unwrap_or_default();
        for name in files {
            let path = self.path.join(name);
            let Ok(there) = path.symlink_metadata() else { continue };
            if there.is_dir() {
                bail!("cannot write {}: a folder is in its place; move it away", path.display());
            }
            ensure!(
                self.force || own.iter().any(|own| own == Path::new(name)),
                "{} is there already: give another folder (--out), or overwrite it (--force)",
                path.display()
            );
        }
        Ok(())
    }

    /// Begins a run that will write `files`: from now on `run.json` is its own, and what an earlier run left is removed.
    ///
    /// # Errors
    /// What cannot be removed or written.
    pub fn begin(&self, record: &mut Record, files: &[String]) -> anyhow::Result<()> {
        let refused = || refused(&self.path);
        // Until they are removed the earlier run's files are this one's to remove.
        let earlier = self.earlier.record().map(Record::files).unwrap_or_default();
        record
            .set_files(&earlier.iter().map(|file| file.display().to_string()).collect::<Vec<_>>());
        self.put_on_record(record)?;
        vene_files::undisturbed(|| -> anyhow::Result<()> {
            self.earlier.remove_outputs(&self.path, self.kind, self.force).with_context(refused)?;
            if self.force {
                for name in files.iter().filter(|name| *name != RECORD) {
                    remove_file(&self.path.join(name)).with_context(refused)?;
                }
            }
            Ok(())
        })?;
        record.set_files(&[RECORD.to_owned()]);
        self.put_on_record(record)
    }

    /// Writes what is known of the run so far, which is running.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn put_on_record(&self, record: &mut Record) -> anyhow::Result<()> {
        vene_files::undisturbed(|| self.put(record))
    }

    fn put(&self, record: &mut Record) -> anyhow::Result<()> {
        record.set_status(Status::Running);
        record.write(&self.path)?;
        lock(&self.hold).begun(record);
        Ok(())
    }

    /// Does the work of a run that has begun. If it fails that is recorded.
    ///
    /// # Errors
    /// That of `work`.
    pub fn run<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let done = work();
        if let Err(error) = &done {
            vene_files::undisturbed(|| lock(&self.hold).fail(&terminal::chain(error)));
        }
        done
    }

    /// Lets `write` write files into an empty folder, and moves them into this one. `record` names them, and is what tables
    /// say of themselves.
    ///
    /// # Errors
    /// That of `write`, and what cannot be written.
    pub fn fill(
        &self,
        record: &mut Record,
        write: impl FnOnce(&Files) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        vene_files::undisturbed(|| {
            let refused = || refused(&self.path);
            let staging = vene_files::temporary_folder(&self.path).with_context(refused)?;
            write(&Files::of(record, staging.path()))?;
            let entries =
                fs::read_dir(staging.path()).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let entries = entries.with_context(refused)?;
            // Somebody may have put a file there since the run began.
            let names =
                entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
            self.check_files(&names.collect::<Vec<_>>())?;
            // Before they are there it is on record whose they will be.
            self.put(record)?;
            for entry in entries {
                fs::rename(entry.path(), self.path.join(entry.file_name()))
                    .with_context(refused)?;
            }
            Ok(())
        })
    }

    /// Records that the run is complete, and removes what it kept to be gone on with.
    ///
    /// # Errors
    /// A record that cannot be written, and what cannot be removed.
    pub fn complete(&self, record: &mut Record) -> anyhow::Result<()> {
        vene_files::undisturbed(|| {
            record.set_status(Status::Complete);
            record.write(&self.path)?;
            lock(&self.hold).ended();
            remove_kept(&self.path, self.kind)
        })
    }
}

fn let_go_when_stopped(hold: &Arc<Mutex<Hold>>) -> interrupt::WhenStopped {
    let hold = Arc::clone(hold);
    interrupt::when_stopped(move |ending| match ending {
        Ending::Stopped => match lock(&hold).end(Status::Stopped) {
            Some(Left::ToGoOnWith(folder)) => {
                interrupt::advise(format!("go on with it: vene run --resume {}", folder.display()));
            }
            Some(Left::Nothing(kind)) => interrupt::advise(format!(
                "a {} is run in one go, and nothing of it is kept: run it again",
                kind.name()
            )),
            None => {}
        },
        Ending::NoMemory => {
            if let Ok(mut hold) = hold.try_lock() {
                hold.fail("there was no memory left");
                let _ = hold.end(Status::Failed);
            }
        }
    })
}

fn lock(hold: &Mutex<Hold>) -> MutexGuard<'_, Hold> {
    hold.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(path: &Path) -> String {
    format!("cannot write into {}: give a folder that can be written (--out)", path.display())
}

fn held(path: &Path, by: &str) -> anyhow::Error {
    let by = if by.is_empty() { String::new() } else { format!(" ({by})") };
    anyhow::anyhow!(
        "{} is in use: another vene{by} is writing into it; wait for its end, or give another folder (--out)",
        path.display()
    )
}

/// The nearest ancestor that is there.
fn nearest(path: &Path) -> &Path {
    let found = path.ancestors().map(or_here).find(|path| path.symlink_metadata().is_ok());
    found.unwrap_or(Path::new("."))
}

/// The last ancestor of a relative path is empty, and stands for the folder one is in.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
