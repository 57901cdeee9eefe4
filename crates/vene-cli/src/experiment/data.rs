//! The rows that an experiment's `[data]` names.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use vene::Outline;
use vene::data::Row;
use vene::plan_file::DataSection;

use super::{Experiment, absolute, key};
use crate::data_set::DataSet;
use crate::terminal;

/// No file of prompts is larger.
const LARGEST: u64 = 1 << 30;

/// What says which rows there are.
const NAMES: [&str; 11] = [
    "path", "task", "rows", "limit", "seed", "prompts", "lines", "base", "sources", "target",
    "foil",
];

impl Experiment {
    /// Takes the rows of a file (`--data`) in place of those that the experiment names.
    ///
    /// # Errors
    /// A working folder that is gone.
    pub fn take_data(&mut self, path: Option<&PathBuf>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let own = self.sections.data.as_ref();
        let rows = own.and_then(|data| data.rows).filter(|_| !self.given.has("limit"));
        if let Some(rows) = rows {
            terminal::warn(format!(
                "`rows = {rows}` in the plan's [data] is for its own rows, and those of --data are taken all: --limit \
                 {rows} takes the first so many"
            ));
        }
        let counterfactual = own.and_then(|data| data.counterfactual.clone());
        let path = Some(absolute(path)?);
        let data = DataSection { path, counterfactual, ..DataSection::default() };
        self.replace_data("data", "path", data);
        Ok(())
    }

    /// Takes the prompts of a file, a line each (`-` is standard input), likewise.
    ///
    /// # Errors
    /// Standard input that cannot be read.
    pub fn take_lines(&mut self, option: &str, path: Option<&PathBuf>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        if path == Path::new("-") {
            let lines: Result<Vec<String>, _> = std::io::stdin().lock().lines().collect();
            let prompts = lines.context("--prompts -: standard input cannot be read")?;
            checked(&prompts, "--prompts -")?;
            self.replace_data(option, "prompts", DataSection { prompts, ..DataSection::default() });
        } else {
            let lines = Some(absolute(path)?);
            self.replace_data(option, "lines", DataSection { lines, ..DataSection::default() });
        }
        Ok(())
    }

    /// Takes prompts that were typed, likewise.
    pub fn take_prompts(&mut self, option: &str, prompts: &[String]) {
        if !prompts.is_empty() {
            let prompts = prompts.to_vec();
            self.replace_data(option, "prompts", DataSection { prompts, ..DataSection::default() });
        }
    }

    fn replace_data(&mut self, option: &str, key: &str, data: DataSection) {
        self.given.forget("data", &NAMES);
        self.given.stands_for(option, "data", key);
        self.sections.data = Some(data);
    }

    /// The rows.
    ///
    /// # Errors
    /// No rows, or rows that cannot be read or made.
    pub fn rows(&self, outline: &Outline) -> anyhow::Result<DataSet> {
        let rows = self.all_rows(outline)?;
        if !self.has_rows() {
            return Ok(rows);
        }
        Ok(rows.limited(key!(self, data.rows)).limited(key!(self, data.limit)))
    }

    fn all_rows(&self, outline: &Outline) -> anyhow::Result<DataSet> {
        let data = self.sections.data.clone().unwrap_or_default();
        if let Some(path) = &data.path {
            self.given.read_of_plan("data", &["path"]);
            let counterfactual = key!(self, data.counterfactual);
            return DataSet::of_file(path, counterfactual.as_deref()).context("the data set");
        }
        if let Some(task) = data.task {
            self.given.read_of_plan("data", &["task", "rows", "seed"]);
            return DataSet::of_task(task, &data, outline);
        }
        if let Some(path) = &data.lines {
            self.given.read_of_plan("data", &["lines"]);
            let from = path.display().to_string();
            let text = vene_files::read_text(path, LARGEST);
            let text = text.with_context(|| format!("--prompts {from}"))?;
            let prompts: Vec<String> = text.lines().map(str::to_owned).collect();
            checked(&prompts, &format!("--prompts {from}"))?;
            return Ok(DataSet::of_prompts(&prompts, from));
        }
        if !data.prompts.is_empty() {
            let mut set = DataSet::of_prompts(&key!(self, data.prompts), "prompts".to_owned());
            for (name, phrase) in key!(self, data.spans) {
                let row = |row: Row| row.span(&name, phrase.as_str(), phrase.as_str());
                set.rows = set.rows.into_iter().map(row).collect();
            }
            return Ok(set);
        }
        let _read = (key!(self, data.base), key!(self, data.sources));
        let Some(row) = data.pair() else {
            bail!(
                "there are no rows to run on: give a file with --data, or a path, a task or a base in [data] of the plan's \
                 file"
            );
        };
        let _read = (key!(self, data.target), key!(self, data.foil));
        let _read = (key!(self, data.spans), key!(self, data.source_spans));
        Ok(DataSet::of_rows(vec![row], "one pair of prompts".to_owned()))
    }
}

/// Refuses prompts of which there is none, or that are empty.
fn checked(prompts: &[String], what: &str) -> anyhow::Result<()> {
    ensure!(!prompts.is_empty(), "{what}: there is no line");
    if let Some(empty) = prompts.iter().position(String::is_empty) {
        bail!("{what}: line {} is empty: a prompt stands on each", empty + 1);
    }
    Ok(())
}
