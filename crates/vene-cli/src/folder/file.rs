//! One file as the output of a command, in a folder that may hold anything.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use vene_files::{LOCK, Lock, LockError};

use super::{held, or_here};
use crate::interrupt;

/// A file that this process alone is about to write.
pub struct OutputFile {
    path: PathBuf,
    force: bool,
    lock: Arc<Mutex<Option<Lock>>>,
    _when_stopped: interrupt::WhenStopped,
}

impl OutputFile {
    /// Claims the file of `--out`, in a folder that is made where there is none.
    ///
    /// # Errors
    /// As [`OutputFile::claim`].
    pub fn claim_in_new_folder(path: &Path, force: bool) -> anyhow::Result<Self> {
        if path.file_name().is_some()
            && let Some(folder) = path.parent()
        {
            std::fs::create_dir_all(folder).with_context(|| format!("--out {}", path.display()))?;
        }
        Self::claim(path, force)
    }

    /// Claims the file of `--out`. Its folder must be there.
    ///
    /// # Errors
    /// A path that names no file, a file that is there already (but with `force`), or that another process writes.
    pub fn claim(path: &Path, force: bool) -> anyhow::Result<Self> {
        let out = || format!("--out {}", path.display());
        let Some(name) = path.file_name() else {
            bail!("{} names no file: give the path of one", out());
        };
        let folder = or_here(path.parent().unwrap_or(Path::new("")));
        ensure!(folder.is_dir(), "{}: there is no folder {}", out(), folder.display());
        check(path, force)?;
        let in_folder = folder.join(LOCK);
        if let Some(by) = Lock::holder(&in_folder) {
            return Err(held(folder, &by));
        }
        let place = folder.join(vene_files::lock_of(name));
        let holder = format!("process {}", std::process::id());
        let (lock, when_stopped) = vene_files::undisturbed(|| {
            let lock = match Lock::take(&place, &holder) {
                Ok(lock) => Arc::new(Mutex::new(Some(lock))),
                Err(LockError::File(error)) => return Err(error).with_context(out),
                Err(LockError::Held { by }) => bail!(
                    "{} is in use: another vene ({by}) is about to write it; wait for its end, or name another file",
                    out()
                ),
            };
            let held = Arc::clone(&lock);
            // Where it is not free it is being let go of.
            let when_stopped =
                interrupt::when_stopped(move |_| drop(held.try_lock().map(|mut lock| lock.take())));
            Ok((lock, when_stopped))
        })?;
        Ok(Self { path: path.to_owned(), force, lock, _when_stopped: when_stopped })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// That of `write`, and what cannot be written; a file that came to be there in the meantime.
    pub fn write(
        self,
        write: impl FnOnce(&mut BufWriter<&File>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        check(&self.path, self.force)?;
        vene_files::write_atomically(&self.path, write)
            .with_context(|| format!("--out {}", self.path.display()))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Refuses what is no regular file, and one that is there but with `force`.
fn check(path: &Path, force: bool) -> anyhow::Result<()> {
    let Ok(there) = path.symlink_metadata() else { return Ok(()) };
    let out = path.display();
    ensure!(
        there.is_file() || there.is_symlink(),
        "--out {out}: a folder, a pipe or a device is in its place; name a file"
    );
    ensure!(force, "--out {out} is there already: name another file, or overwrite it (--force)");
    Ok(())
}
