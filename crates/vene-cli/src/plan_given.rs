//! A plan as a command takes it: a file, the folder that it was saved in, or the record of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use vene::intervention::Intervention;
use vene::plan::{ResolvedPlan, ResolvedSource};
use vene::plan_file::{Format, PlanFile, PlanGrid, SAVED_FILES, Saved};
use vene::{Outline, Plan, PlanError, Run};

use crate::another_model;
use crate::arguments::{Given, heading, read};
use crate::record::{RECORD, Record, Unreadable};
use crate::training::TRAINED;

/// What is said in place of what a plan's file says.
#[derive(Args)]
pub struct PlanChanges {
    /// A value in place of the file's: KEY=VALUE, such as grid.dose='[0.5, 1.0]' or edit.0.layer=3 (again for more)
    #[arg(help_heading = heading::EDITS, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl PlanChanges {
    /// All of them, as `KEY=VALUE`.
    pub fn read(&self, given: &Given) -> &[String] {
        read!(given, self => set)
    }
}

/// Reads the plan of a file or of the folder that it was saved in, for this very model.
///
/// # Errors
/// What of it cannot be; a plan of another model; a grid that makes several.
pub fn read_plan(path: &Path, outline: &Outline) -> anyhow::Result<Plan> {
    PlanGiven::read(path)?.plan(outline, || false)
}

/// A plan from a file, or from the folder that it was saved in.
pub enum PlanGiven {
    File(PlanFile),
    Saved(Saved),
}

impl PlanGiven {
    /// Reads a `.toml` or `.json` file, a saved folder (or that of the training that made it), or the `run.json` of an
    /// earlier `vene run`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Saved(Saved::open(&saved_in(path))?));
        }
        if path.file_name().is_some_and(|name| name == RECORD) {
            let folder = path.parent().unwrap_or(Path::new(""));
            return match Record::read(folder) {
                Ok(record) => Self::of_record(&record)
                    .with_context(|| format!("{} is of no `vene run`", path.display())),
                Err(Unreadable::Missing) => Ok(Self::File(PlanFile::read(path)?)),
                Err(Unreadable::Damaged(why)) => anyhow::bail!("{} {why}", path.display()),
            };
        }
        Ok(Self::File(PlanFile::read(path)?))
    }

    /// A text's, whose paths are relative to the working folder.
    pub fn of_text(text: &str, format: Format) -> anyhow::Result<Self> {
        Ok(Self::File(PlanFile::parse(text, format, Path::new(""))?))
    }

    /// The same, in which these names are a program's own interventions.
    #[must_use]
    pub fn with_own(self, own: Vec<(String, Arc<dyn Intervention>)>) -> Self {
        match self {
            Self::File(file) => Self::File(file.with_own(own)),
            saved @ Self::Saved(_) => saved,
        }
    }

    /// The experiment that a record tells.
    pub fn of_record(record: &Record) -> anyhow::Result<Self> {
        let experiment = record.get("experiment");
        let folder = record.get("folder").as_str();
        let (true, Some(folder)) = (experiment.is_object(), folder) else {
            anyhow::bail!("it has no experiment");
        };
        Ok(Self::File(PlanFile::parse(&experiment.to_string(), Format::Json, Path::new(folder))?))
    }

    /// The model that its file names; a path there is relative to the file's folder.
    pub fn model(&self) -> Option<String> {
        let file = self.file();
        let id = file.sections.model.as_ref()?.id.as_ref()?;
        let path = file.folder().join(id);
        Some(if path.exists() { path.display().to_string() } else { id.clone() })
    }

    pub fn file(&self) -> &PlanFile {
        match self {
            Self::File(file) => file,
            Self::Saved(saved) => saved.file(),
        }
    }

    /// The same with values in place of what it says: `grid.dose=[0.5, 1.0]`.
    pub fn set(self, assignments: &[String]) -> anyhow::Result<Self> {
        if assignments.is_empty() {
            return Ok(self);
        }
        let mut file = match self {
            Self::File(file) => file,
            Self::Saved(saved) => saved.file().clone(),
        };
        for assignment in assignments {
            file = file.set(assignment).with_context(|| format!("--set {assignment}"))?;
        }
        Ok(Self::File(file))
    }

    /// The plan for this very model; where it is for another one and `another` says so, for one of its shape.
    pub fn plan(&self, outline: &Outline, another: impl FnOnce() -> bool) -> anyhow::Result<Plan> {
        Ok(self.file().only(self.grid(outline, another)?)?)
    }

    /// The plans of its grid, likewise; a saved plan has none.
    pub fn grid(
        &self,
        outline: &Outline,
        another: impl FnOnce() -> bool,
    ) -> anyhow::Result<PlanGrid> {
        let own = match self {
            Self::File(file) => file.grid(outline),
            Self::Saved(saved) => saved.grid(outline),
        };
        another_model::plan(own, another, || match self {
            Self::File(file) => file.grid_for_another_model(outline),
            Self::Saved(saved) => saved.grid_for_another_model(outline),
        })
    }

    /// Enters in the account what the file says.
    pub fn account(&self, given: &mut Given) {
        given.add_plan(self.file());
    }
}

/// The folder of the saved plan, where the folder of the training that made it is given.
fn saved_in(folder: &Path) -> PathBuf {
    let is_plan = |folder: &Path| folder.join(SAVED_FILES[0]).symlink_metadata().is_ok();
    let trained = folder.join(TRAINED);
    if !is_plan(folder) && is_plan(&trained) { trained } else { folder.to_owned() }
}

/// A plan's error, with the option that would help.
pub fn with_option(error: PlanError) -> anyhow::Error {
    match error {
        PlanError::NoSource { edit, intervention, site, source_index, sources, .. } => {
            anyhow::anyhow!(
                "edit {edit} ({intervention}, {site}) needs source {source_index}, counted from 0, and {}: give the \
                 text with --source, or in the plan ([data], sources)",
                match sources {
                    0 => "there is none".to_owned(),
                    1 => "there is one source".to_owned(),
                    sources => format!("there are {sources}"),
                }
            )
        }
        error => error.into(),
    }
}

/// How many of the example's sources the plan counts: up to the last that it reads or edits.
pub fn sources_read(plan: &ResolvedPlan) -> usize {
    let edited = plan.edited_sources();
    let edits = plan.edits().iter().chain(edited.iter().flat_map(|source| &source.edits));
    let runs = edits.flat_map(|edit| match &edit.source {
        Some(ResolvedSource::Runs { units, .. }) => {
            units.iter().flatten().map(|(run, _)| *run).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    });
    let indices = runs.filter_map(|run| match run {
        Run::Source(index) => Some(index),
        Run::Base => None,
    });
    indices.chain(edited.iter().map(|source| source.source)).map(|last| last + 1).max().unwrap_or(0)
}
