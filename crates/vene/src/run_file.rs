//! The experiment of a file, run by the library: the plan, or each plan of its grid, over the rows that its `[data]` names.
//!
//! The command's other kinds are types of this library, whose builders say the same: [`Sweep`](crate::Sweep),
//! [`Trainer`](crate::training::Trainer), [`Generator`](crate::Generator).

use std::path::{Path, PathBuf};

use vene_data::task::TaskError;
use vene_data::{DataError, ReadOptions, Row, read_with};
use vene_model::{Model, Outline};
use vene_named::UnknownName;

use crate::metric;
use crate::plan_file::{DataSection, ExperimentKind, ModelSection, PlanFile, PlanFileError};
use crate::plan_sweep::{PlanBatch, PlanSweep, PlanSweepError};
use crate::sweep::AnswerTokens;

/// No file of prompts is larger.
const LARGEST: u64 = 1 << 30;

/// Rows of a task, where the file does not say how many.
const MADE: usize = 200;

/// Why the experiment of a file cannot be run.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunFileError {
    /// The file.
    #[error(transparent)]
    File(Box<PlanFileError>),
    /// Its data set.
    #[error("the data set: {0}")]
    Data(#[from] DataError),
    /// Its file of prompts.
    #[error("{}: {error}", path.display())]
    Lines {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Its task.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// It names no rows.
    #[error(
        "there are no rows to run on: name a `path`, a `task`, `prompts`, `lines` or a `base` in [data]"
    )]
    NoRows,
    /// A kind of experiment that another type runs.
    #[error("the file's experiment is of kind `{kind}`, and plans are run here: take {instead}")]
    Kind {
        /// The kind.
        kind: ExperimentKind,
        /// What runs it.
        instead: &'static str,
    },
    /// A metric that there is not.
    #[error("[measure]: {0}")]
    Metric(UnknownName),
    /// The run.
    #[error(transparent)]
    Run(Box<PlanSweepError>),
}

vene_named::debug_as_sentence!(RunFileError);

impl From<PlanFileError> for RunFileError {
    fn from(error: PlanFileError) -> Self {
        Self::File(Box::new(error))
    }
}

impl From<PlanSweepError> for RunFileError {
    fn from(error: PlanSweepError) -> Self {
        Self::Run(Box::new(error))
    }
}

impl DataSection {
    /// The rows that it names; files lie beside `folder`. A task's are made for the model.
    ///
    /// # Errors
    /// No rows, or rows that cannot be read or made.
    pub fn rows(&self, outline: &Outline, folder: &Path) -> Result<Vec<Row>, RunFileError> {
        let mut rows = self.all_rows(outline, folder)?;
        if self.path.is_some() || self.lines.is_some() || self.task.is_some() {
            let most = self.rows.unwrap_or(usize::MAX).min(self.limit.unwrap_or(usize::MAX));
            rows.truncate(most);
        }
        Ok(rows)
    }

    fn all_rows(&self, outline: &Outline, folder: &Path) -> Result<Vec<Row>, RunFileError> {
        if let Some(path) = &self.path {
            let counterfactual = self.counterfactual.clone();
            let options = ReadOptions { counterfactual, leave_out: true, ..ReadOptions::default() };
            return Ok(read_with(folder.join(path), &options)?.rows);
        }
        if let Some(task) = self.task {
            let (count, seed) = (self.rows.unwrap_or(MADE), self.seed.unwrap_or(1));
            return Ok(task.rows(outline, count, seed)?.rows);
        }
        if let Some(lines) = &self.lines {
            let path = folder.join(lines);
            let text = vene_files::read_text(&path, LARGEST);
            let text = text.map_err(|error| RunFileError::Lines { path, error })?;
            return Ok(text.lines().map(Row::of_base).collect());
        }
        if !self.prompts.is_empty() {
            let spans = |row: Row| {
                self.spans.iter().fold(row, |row, (name, phrase)| {
                    row.span(name, phrase.as_str(), phrase.as_str())
                })
            };
            return Ok(self.prompts.iter().map(Row::of_base).map(spans).collect());
        }
        self.pair().map(|row| vec![row]).ok_or(RunFileError::NoRows)
    }

    /// The one row that `base`, `sources` and what goes with them say; none without a base.
    pub fn pair(&self) -> Option<Row> {
        let base = self.base.as_ref()?;
        let mut row = match self.sources.first() {
            None => Row::of_base(base),
            Some(source) => Row::new(base, source),
        };
        row = self.target.iter().fold(row, Row::target);
        row = self.foil.iter().fold(row, Row::foil);
        for (name, phrase) in &self.spans {
            let replaced = self.source_spans.get(name).unwrap_or(phrase);
            row = row.span(name, phrase.as_str(), replaced.as_str());
        }
        Some(row)
    }
}

impl PlanFile {
    /// Runs the plan, or each plan of the grid, over the rows of `[data]`, and measures what `[measure]` names, by the
    /// forked executor. As `vene run` does it, but that tables stay in memory.
    ///
    /// ```
    /// use std::path::Path;
    /// use vene::Model;
    /// use vene::plan_file::{Format, PlanFile};
    ///
    /// let model = Model::load("embedded")?;
    /// let text = r#"
    /// [data]
    /// base = "The capital of Spain is"
    /// sources = ["The capital of Italy is"]
    /// target = [" Madrid"]
    /// foil = [" Rome"]
    /// spans = { subject = "Spain" }
    /// source_spans = { subject = "Italy" }
    ///
    /// [[edit]]
    /// intervention = "interchange"
    /// component = "block_output"
    /// layer = "$l"
    /// positions = { role = "subject_last" }
    ///
    /// [grid]
    /// l = "all"
    /// "#;
    /// let ran = PlanFile::parse(text, Format::Toml, Path::new(""))?.run(&model)?;
    /// assert_eq!(ran.examples.rows(), model.config().layers.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the file, its rows or its metrics; another kind of experiment; failures of the computation.
    pub fn run(&self, model: &Model) -> Result<PlanBatch, RunFileError> {
        let instead = match self.kind.unwrap_or_default() {
            ExperimentKind::Plan => None,
            ExperimentKind::Evaluate | ExperimentKind::Train => Some("`vene::training`"),
            ExperimentKind::Generate => Some("`vene::generation`"),
            ExperimentKind::Collect => None,
            ExperimentKind::Sweep => Some("`vene::sweep`"),
            ExperimentKind::Edges
            | ExperimentKind::Paths
            | ExperimentKind::Faithfulness
            | ExperimentKind::Scrub
            | ExperimentKind::Pairs => Some("`vene::circuit`"),
        };
        if let Some(instead) = instead {
            return Err(RunFileError::Kind { kind: self.kind.unwrap_or_default(), instead });
        }
        let sections = &self.sections;
        let rows = sections.data.clone().unwrap_or_default().rows(model, self.folder())?;
        let measure = sections.measure.clone().unwrap_or_default();
        let form = sections.model.as_ref().map(ModelSection::prompt_form).unwrap_or_default();
        let seed = sections.statistics.as_ref().and_then(|section| section.seed).unwrap_or(0);
        let mut builder = PlanSweep::builder(model)
            .grid(self.grid(model)?)
            .rows(&rows)
            .prompt_form(form)
            .seed(seed)
            .first_tokens(measure.answers == Some(AnswerTokens::First));
        if self.kind == Some(ExperimentKind::Collect) {
            builder = builder.metrics([]);
        } else if let Some(names) = &measure.metrics {
            let known: Vec<&str> = metric::BUILT_IN.iter().map(|row| row.name).collect();
            let find = |name: &String| {
                metric::named(name)
                    .ok_or_else(|| RunFileError::Metric(UnknownName::new("metric", name, &known)))
            };
            builder = builder.metrics(names.iter().map(find).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(builder.build()?.run(model)?)
    }
}
