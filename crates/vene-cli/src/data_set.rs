//! A data set as a command takes it: a file's rows, or those that a task makes.

use std::path::Path;

use vene::Outline;
use vene::data::{DataFile, Row, UnusedColumn, write_jsonl};
use vene::plan_file::DataSection;
use vene::task::Task;

use crate::rows;

/// How many rows a task makes where nothing is said.
const MADE: usize = 200;

/// What tells of a data set, whose rows may have become something else by now.
pub struct DataSource {
    /// The file, as it was given, or the task.
    pub from: String,
    pub sha256: String,
    /// How many rows there are.
    pub rows: usize,
}

impl DataSource {
    /// The file's name, for titles.
    pub fn name(&self) -> &str {
        Path::new(&self.from).file_name().and_then(|name| name.to_str()).unwrap_or(&self.from)
    }
}

/// Rows, and what tells that they are the same again.
pub struct DataSet {
    pub rows: Vec<Row>,
    /// Columns of the file that are not read.
    pub unused: Vec<UnusedColumn>,
    /// The file, as it was given, or the task.
    pub from: String,
    pub sha256: String,
}

impl DataSet {
    /// A file's.
    pub fn of_file(path: &Path, counterfactual: Option<&str>) -> anyhow::Result<Self> {
        let DataFile { rows, unused, sha256, .. } = rows::read(path, counterfactual)?;
        Ok(Self { rows, unused, from: path.display().to_string(), sha256 })
    }

    /// Those that a task makes for the model.
    pub fn of_task(task: Task, section: &DataSection, outline: &Outline) -> anyhow::Result<Self> {
        let made = task.rows(outline, section.rows.unwrap_or(MADE), section.seed.unwrap_or(1))?;
        let mut bytes = Vec::new();
        write_jsonl(&made.rows, &mut bytes)?;
        let from = format!("task {}", task.name());
        let unused = Vec::new();
        Ok(Self { rows: made.rows, unused, from, sha256: vene_files::sha256(bytes) })
    }

    /// Rows that a command line or a plan says itself.
    pub fn of_rows(rows: Vec<Row>, from: String) -> Self {
        let sha256 = vene_files::sha256(format!("{rows:?}"));
        Self { rows, unused: Vec::new(), from, sha256 }
    }

    /// Prompts, each a row's base.
    pub fn of_prompts(prompts: &[String], from: String) -> Self {
        Self::of_rows(prompts.iter().map(Row::of_base).collect(), from)
    }

    /// Only the first so many rows, where there are more.
    #[must_use]
    pub fn limited(mut self, most: Option<usize>) -> Self {
        self.rows.truncate(most.unwrap_or(usize::MAX));
        self
    }

    /// What tells of it.
    pub fn source(&self) -> DataSource {
        let (from, sha256) = (self.from.clone(), self.sha256.clone());
        DataSource { from, sha256, rows: self.rows.len() }
    }

    /// What is known of it once its rows are prepared: they themselves are kept no longer.
    pub fn into_source(self) -> DataSource {
        DataSource { from: self.from, sha256: self.sha256, rows: self.rows.len() }
    }
}
