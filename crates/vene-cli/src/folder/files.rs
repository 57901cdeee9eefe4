//! The files of a run on their way into its folder: whatever table is written says of which run it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vene_table::{Joined, Table, TableError, TableSource};

use crate::record::Record;

/// An empty folder, whose files are moved into the run's when all are written.
pub struct Files {
    folder: PathBuf,
    notes: Vec<(String, String)>,
}

/// What is written in Parquet with notes on its origin.
pub trait Noted: Sized {
    /// The same with one more note.
    #[must_use]
    fn note(self, key: &str, value: &str) -> Self;

    /// Writes it.
    fn write(&self, path: &Path) -> Result<(), TableError>;
}

impl Noted for Table {
    fn note(self, key: &str, value: &str) -> Self {
        self.with_metadata(key, value)
    }

    fn write(&self, path: &Path) -> Result<(), TableError> {
        self.write_parquet(path)
    }
}

impl<T: TableSource> Noted for Joined<'_, T> {
    fn note(self, key: &str, value: &str) -> Self {
        self.with_metadata(key, value)
    }

    fn write(&self, path: &Path) -> Result<(), TableError> {
        self.write_parquet(path)
    }
}

impl Files {
    /// Those of the run of a record, in a folder.
    pub fn of(record: &Record, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), notes: record.notes() }
    }

    /// Where a file is to be written.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a table in Parquet, with what the run was asked for and on what ([`Record::notes`]).
    ///
    /// # Errors
    /// What cannot be written.
    pub fn parquet(&self, name: &str, table: impl Noted) -> anyhow::Result<()> {
        let noted = self.notes.iter().fold(table, |table, (key, value)| table.note(key, value));
        Ok(noted.write(&self.path(name))?)
    }

    /// Writes a table in CSV, which has no place for notes.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn csv(&self, name: &str, table: &Table) -> anyhow::Result<()> {
        Ok(table.write_csv(self.path(name))?)
    }

    /// Writes files that were made already, such as figures.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn made(&self, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        for (name, bytes) in files {
            fs::write(self.path(name), bytes).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }
}
