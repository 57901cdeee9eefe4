//! The parts of a sweep on its way: one Parquet file for each batch, and beside it a note of whose it is.
//!
//! A part is trusted only as far as its note goes: the run that wrote it, what determines that run's numbers, the rows
//! that it is of, and its SHA-256. So a part of another run, one that was copied over another, and one in which a bit
//! flipped are found before anything is made of them, and before the Parquet reader sees them.

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use vene::data_sweep;
use vene_table::Table;

use crate::interrupt;
use crate::record::Record;

/// The folder of parts, within the sweep's.
pub const FOLDER: &str = "parts";

/// More bytes than a note has.
const LARGEST: u64 = 1 << 16;

/// Whose a part is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    run: String,
    spec: String,
    batch: usize,
    /// The first row of the sweep, and the one after the last.
    rows: [usize; 2],
    /// Of the Parquet file.
    sha256: String,
}

/// The parts of a sweep.
pub struct Parts {
    folder: PathBuf,
    batches: Vec<Range<usize>>,
    run: String,
    spec: String,
}

impl Parts {
    /// Those of the run of a record, in its folder; the folder of parts is made where there is none yet. Parts that are
    /// there are checked, and remains of parts that were never complete are removed.
    ///
    /// # Errors
    /// A part that is not as it was written, or not of this run, with the advice to delete it.
    pub fn open(
        folder: &Path,
        batches: Vec<Range<usize>>,
        record: &Record,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(FOLDER);
        let failed = || format!("cannot write into {}", folder.display());
        fs::create_dir_all(&folder).with_context(failed)?;
        vene_files::remove_litter(&folder, Path::new("")).with_context(failed)?;
        let (run, spec) = (record.run().to_owned(), record.spec().to_owned());
        let parts = Self { batches, run, spec, folder: folder.clone() };
        for batch in 0..parts.batches.len() {
            let (note, part) = (parts.note_path(batch), parts.path(batch));
            match (note.exists(), part.exists()) {
                (true, true) => drop(parts.read(batch)?),
                // Its writing, or its removal, was not finished.
                (true, false) => fs::remove_file(note).with_context(failed)?,
                (false, true) => fs::remove_file(part).with_context(failed)?,
                (false, false) => {}
            }
        }
        Ok(parts)
    }

    fn path(&self, batch: usize) -> PathBuf {
        self.folder.join(format!("batch-{batch:05}.parquet"))
    }

    fn note_path(&self, batch: usize) -> PathBuf {
        self.folder.join(format!("batch-{batch:05}.json"))
    }

    /// The batches that have no part yet.
    pub fn missing(&self) -> Vec<(usize, Range<usize>)> {
        let batches = self.batches.iter().cloned().enumerate();
        batches.filter(|(index, _)| !self.path(*index).exists()).collect()
    }

    /// Writes a batch's part, whole or not at all.
    pub fn write(&self, batch: usize, part: &Table) -> anyhow::Result<()> {
        let path = self.path(batch);
        interrupt::undisturbed(|| {
            part.write_parquet(&path)?;
            let bytes = vene_files::read(&path, u64::MAX)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let note = self.note(batch, vene_files::sha256(bytes));
            let text = serde_json::to_string(&note)? + "\n";
            // Only with its note is the part there.
            vene_files::write_atomically(&self.note_path(batch), |file| {
                file.write_all(text.as_bytes())
            })
            .with_context(|| format!("cannot write into {}", self.folder.display()))
        })
    }

    fn note(&self, batch: usize, sha256: String) -> Note {
        let Range { start, end } = self.batches[batch];
        let (run, spec) = (self.run.clone(), self.spec.clone());
        Note { run, spec, batch, rows: [start, end], sha256 }
    }

    /// A part, if it is as it was written by this run.
    fn read(&self, batch: usize) -> anyhow::Result<Table> {
        let (path, note) = (self.path(batch), self.note_path(batch));
        let advice = || {
            format!("delete {} and go on once more: its rows are then run again", path.display())
        };
        let unreadable = |path: &Path| format!("{} cannot be read; {}", path.display(), advice());
        let text = vene_files::read_text(&note, LARGEST).with_context(|| unreadable(&note))?;
        let found: Note = serde_json::from_str(&text).map_err(|_| {
            anyhow::anyhow!(
                "{} is damaged: it is not as it was written; {}",
                note.display(),
                advice()
            )
        })?;
        let bytes = vene_files::read(&path, u64::MAX).with_context(|| unreadable(&path))?;
        let expected = self.note(batch, vene_files::sha256(bytes));
        let what = if found.run != expected.run || found.spec != expected.spec {
            format!("is a part of another run, as {} says", note.display())
        } else if found.batch != expected.batch || found.rows != expected.rows {
            let [start, end] = found.rows;
            let end = end.saturating_sub(1);
            format!("is the part of other rows ({start} to {end}), as {} says", note.display())
        } else if found.sha256 != expected.sha256 {
            format!("is damaged: its SHA-256 is not the one that {} says", note.display())
        } else {
            let read = vene_files::guarded(|| Table::read_parquet(&path));
            return match read {
                Ok(Ok(table)) => Ok(table),
                Ok(Err(error)) => Err(error).with_context(|| unreadable(&path)),
                Err(vene_files::Panicked { .. }) => {
                    bail!("{} cannot be read as Parquet; {}", path.display(), advice())
                }
            };
        };
        bail!("{} {what}; {}", path.display(), advice())
    }

    /// All parts as one table, in the order of the data set.
    pub fn join(&self) -> anyhow::Result<Table> {
        let parts =
            (0..self.batches.len()).map(|batch| self.read(batch)).collect::<Result<Vec<_>, _>>()?;
        let rows: usize = parts.iter().map(Table::rows).sum();
        let table = data_sweep::join(&parts)?;
        ensure!(table.rows() == rows, "parts in {} do not add up", self.folder.display());
        Ok(table)
    }
}

/// Whether a name is one of those that are written into a folder of parts.
fn is_own(name: &str) -> bool {
    let number = |name: &str| {
        let (number, extension) = name.strip_prefix("batch-")?.split_once('.')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && matches!(extension, "parquet" | "json")).then_some(())
    };
    vene_files::is_litter(name) || number(name).is_some()
}

/// Refuses a folder in the place of that of parts, in which there is something else.
///
/// # Errors
/// What is there.
pub fn check(folder: &Path) -> io::Result<()> {
    if !folder.symlink_metadata()?.is_dir() {
        let text = "it is no folder but a file or a link; move it away";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !name.to_str().is_some_and(is_own) {
            let text = format!("it holds {}, which is no part of a sweep", name.to_string_lossy());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
    }
    Ok(())
}

/// Removes a folder of parts; other files in it, and then the folder, are left.
///
/// # Errors
/// What the system says.
pub fn remove(folder: &Path) -> io::Result<()> {
    let mut is_empty = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_own = entry.file_name().to_str().is_some_and(is_own);
        match (is_own, entry.file_type()?.is_dir()) {
            (true, false) => fs::remove_file(entry.path())?,
            (true, true) => fs::remove_dir_all(entry.path())?,
            (false, _) => is_empty = false,
        }
    }
    if is_empty { fs::remove_dir(folder) } else { Ok(()) }
}
