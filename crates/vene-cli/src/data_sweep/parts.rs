//! The parts of a sweep on its way: one Parquet file for each batch.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use vene::data_sweep;
use vene_table::Table;

/// The folder of parts, within the sweep's.
const FOLDER: &str = "parts";

/// The parts of a sweep.
pub struct Parts {
    folder: PathBuf,
    batches: Vec<Range<usize>>,
}

impl Parts {
    /// Whether a folder holds parts: of a sweep that was not finished.
    pub fn are_in(folder: &Path) -> bool {
        folder.join(FOLDER).is_dir()
    }

    /// Makes the folder of parts, where there is none yet.
    pub fn begin(folder: &Path, batches: Vec<Range<usize>>) -> anyhow::Result<Self> {
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        Ok(Self { folder, batches })
    }

    fn path(&self, batch: usize) -> PathBuf {
        self.folder.join(format!("batch-{batch:05}.parquet"))
    }

    /// The batches that have no part yet.
    pub fn missing(&self) -> Vec<(usize, Range<usize>)> {
        let batches = self.batches.iter().cloned().enumerate();
        batches.filter(|(index, _)| !self.path(*index).exists()).collect()
    }

    /// Writes a batch's part, whole or not at all.
    pub fn write(&self, batch: usize, part: &Table) -> anyhow::Result<()> {
        Ok(part.write_parquet(self.path(batch))?)
    }

    /// All parts as one table, in the order of the data set.
    pub fn join(&self) -> anyhow::Result<Table> {
        let read = |index: usize| Table::read_parquet(self.path(index));
        let parts = (0..self.batches.len()).map(read).collect::<Result<Vec<_>, _>>()?;
        let rows: usize = parts.iter().map(Table::rows).sum();
        let table = data_sweep::join(&parts)?;
        ensure!(table.rows() == rows, "parts in {} do not add up", self.folder.display());
        Ok(table)
    }

    /// Removes the parts.
    pub fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}
