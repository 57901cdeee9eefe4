//! The parts of a run on its way: for each batch of rows one or several files, and beside them a note of whose they are.
//!
//! A part is trusted only as far as its note goes: the run that wrote it, what determines that run's numbers, the rows
//! that it is of, and the SHA-256 of each file. So a part of another run, one that was copied over another, and one in
//! which a bit flipped are found before anything is made of them, and before the Parquet reader sees them.

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use vene_table::TableFile;

use crate::record::Record;

/// The folder of parts, within the sweep's.
pub const FOLDER: &str = "parts";

/// The endings of all files that are written into a folder of parts.
const ENDINGS: [&str; 4] = ["json", "parquet", "receipts.parquet", "safetensors"];

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
    /// Of each file, in their order.
    sha256: Vec<String>,
}

/// Writes a file of a part.
pub type WriteFile<'a> = &'a dyn Fn(&Path) -> anyhow::Result<()>;

/// The parts of a run.
pub struct Parts {
    folder: PathBuf,
    /// The endings of a part's files.
    files: &'static [&'static str],
    batches: Vec<Range<usize>>,
    run: String,
    spec: String,
}

impl Parts {
    /// Those of the run of a record, in its folder; the folder of parts is made where there is none yet. `files` are the
    /// endings of a part's files. Parts that are there are checked, and remains of parts that were never complete are removed.
    ///
    /// # Errors
    /// A part that is not as it was written, or not of this run, with the advice to delete it.
    pub fn open(
        folder: &Path,
        files: &'static [&'static str],
        batches: Vec<Range<usize>>,
        record: &Record,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(FOLDER);
        let failed = || format!("cannot write into {}", folder.display());
        fs::create_dir_all(&folder).with_context(failed)?;
        vene_files::remove_litter(&folder, Path::new("")).with_context(failed)?;
        let (run, spec) = (record.run().to_owned(), record.spec().to_owned());
        let parts = Self { batches, files, run, spec, folder: folder.clone() };
        for batch in 0..parts.batches.len() {
            let note = parts.note_path(batch);
            let paths = || files.iter().map(|file| parts.path(batch, file));
            if note.exists() && paths().all(|path| path.exists()) {
                parts.check(batch)?;
                continue;
            }
            // Its writing, or its removal, was not finished.
            for path in paths().chain([note]).filter(|path| path.exists()) {
                fs::remove_file(path).with_context(failed)?;
            }
        }
        Ok(parts)
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of a part's files.
    pub fn path(&self, batch: usize, file: &str) -> PathBuf {
        self.folder.join(format!("batch-{batch:05}.{file}"))
    }

    fn note_path(&self, batch: usize) -> PathBuf {
        self.folder.join(format!("batch-{batch:05}.json"))
    }

    /// The batches, by the rows that they are of.
    pub fn batches(&self) -> &[Range<usize>] {
        &self.batches
    }

    /// The batches that have no part yet.
    pub fn missing(&self) -> Vec<(usize, Range<usize>)> {
        let batches = self.batches.iter().cloned().enumerate();
        batches.filter(|(index, _)| !self.note_path(*index).exists()).collect()
    }

    /// Writes a batch's part, whole or not at all: a file for each of the endings.
    pub fn write(&self, batch: usize, files: &[WriteFile<'_>]) -> anyhow::Result<()> {
        vene_files::undisturbed(|| {
            for (file, write) in self.files.iter().zip(files) {
                write(&self.path(batch, file))?;
            }
            let note = self.note(batch)?;
            let text = serde_json::to_string(&note)? + "\n";
            // Only with its note is the part there.
            vene_files::write_atomically(&self.note_path(batch), |file| {
                file.write_all(text.as_bytes())
            })
            .with_context(|| format!("cannot write into {}", self.folder.display()))
        })
    }

    /// The note of a part as it is.
    fn note(&self, batch: usize) -> anyhow::Result<Note> {
        let digest = |file: &&str| {
            let path = self.path(batch, file);
            let bytes =
                vene_files::read(&path, u64::MAX).with_context(|| self.unreadable(&path))?;
            Ok(vene_files::sha256(bytes))
        };
        let sha256 = self.files.iter().map(digest).collect::<anyhow::Result<_>>()?;
        let Range { start, end } = self.batches[batch];
        let (run, spec) = (self.run.clone(), self.spec.clone());
        Ok(Note { run, spec, batch, rows: [start, end], sha256 })
    }

    fn advice(path: &Path) -> String {
        format!("delete {} and go on once more: its rows are then run again", path.display())
    }

    fn unreadable(&self, path: &Path) -> String {
        format!("{} cannot be read; {}", path.display(), Self::advice(path))
    }

    /// Refuses a part that is not as it was written by this run.
    fn check(&self, batch: usize) -> anyhow::Result<()> {
        let note = self.note_path(batch);
        let path = self.path(batch, self.files[0]);
        let text = vene_files::read_text(&note, LARGEST).with_context(|| self.unreadable(&note))?;
        let found: Note = serde_json::from_str(&text).map_err(|_| {
            anyhow::anyhow!(
                "{} is damaged: it is not as it was written; {}",
                note.display(),
                Self::advice(&path)
            )
        })?;
        let expected = self.note(batch)?;
        let (path, what) = if found.run != expected.run || found.spec != expected.spec {
            (path, format!("is a part of another run, as {} says", note.display()))
        } else if found.batch != expected.batch || found.rows != expected.rows {
            let [start, end] = found.rows;
            let end = end.saturating_sub(1);
            let what =
                format!("is the part of other rows ({start} to {end}), as {} says", note.display());
            (path, what)
        } else {
            if found.sha256 == expected.sha256 {
                return Ok(());
            }
            let both = found.sha256.iter().zip(&expected.sha256);
            let damaged = both.into_iter().position(|(found, now)| found != now).unwrap_or(0);
            let what = format!("has another SHA-256 than {} says", note.display());
            (self.path(batch, self.files[damaged]), what)
        };
        bail!("{} {what}; {}", path.display(), Self::advice(&path))
    }

    /// A part's table, if it is as it was written by this run.
    fn table(&self, batch: usize, file: &str) -> anyhow::Result<TableFile> {
        self.check(batch)?;
        let path = self.path(batch, file);
        match vene_files::guarded(|| TableFile::open(&path)) {
            Ok(Ok(table)) => Ok(table),
            Ok(Err(error)) => Err(error).with_context(|| self.unreadable(&path)),
            Err(vene_files::Panicked { .. }) => {
                bail!("{} cannot be read as Parquet; {}", path.display(), Self::advice(&path))
            }
        }
    }

    /// The tables of all parts, in the order of the data set.
    pub fn tables(&self, file: &str) -> anyhow::Result<Vec<TableFile>> {
        (0..self.batches.len()).map(|batch| self.table(batch, file)).collect()
    }
}

/// Whether a name is one of those that are written into a folder of parts.
fn is_own(name: &str) -> bool {
    let number = |name: &str| {
        let (number, extension) = name.strip_prefix("batch-")?.split_once('.')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && ENDINGS.contains(&extension)).then_some(())
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
            let text = format!("it holds {}, which is no part of a run", name.to_string_lossy());
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
