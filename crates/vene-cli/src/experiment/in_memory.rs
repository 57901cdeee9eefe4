//! Experiments on a model that is loaded already, whose results stay in memory: for a notebook.
//!
//! They are read and checked as those of the command are, and computed by the same code; what the command writes into a
//! folder is handed over.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use vene::intervention::Intervention;
use vene::metric::Metric;
use vene::plan_file::{ExperimentKind, Format, TrainSection};
use vene::{Model, Plan, Precision};

use super::{Experiment, key};
use crate::arguments::Given;
use crate::plan_given::PlanGiven;
use crate::terminal;

/// An experiment on a model that is loaded.
pub struct InMemory<'a> {
    /// The model that is loaded.
    pub model: &'a Model,
    /// The experiment as a JSON file would say it (`docs/experiments.md`), whose paths are relative to the working folder.
    pub experiment: &'a str,
    /// A plan that the text does not say itself.
    pub plan: Option<PlanFrom>,
    /// Interventions of one's own, by the names that the text's plan calls them.
    pub own: Vec<(String, Arc<dyn Intervention>)>,
    /// What a sweep does at each place, in place of what its text names.
    pub method: Option<Arc<dyn Intervention>>,
    /// Metrics of one's own, which the experiment names in `[measure]` among the built-in ones.
    pub metrics: Vec<Arc<dyn Metric>>,
    /// Is told how far the experiment is, and may stop it.
    pub progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

/// Where a plan comes from, if not from the experiment's text.
pub enum PlanFrom {
    /// A file, or the folder in which a plan or a training was saved.
    Path(PathBuf),
    /// It was made by the program.
    Made(Plan),
}

/// How far an experiment is.
pub struct Progress {
    /// How many steps, runs or interventions are done.
    pub done: usize,
    /// Of how many.
    pub all: usize,
    /// What else can be said of it: the loss of a training's step.
    pub says: Option<String>,
}

/// What came of an experiment, with what may make it other than was meant.
pub struct Warned<T> {
    /// What came of it.
    pub result: T,
    /// Sentences, as the command writes them after `warning:`.
    pub warnings: Vec<String>,
}

impl InMemory<'_> {
    /// Reads the experiment, and does it by `run`; its warnings are kept.
    pub(super) fn run<T>(
        mut self,
        kind: ExperimentKind,
        run: impl FnOnce(Experiment, &mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<Warned<T>> {
        let (result, warnings) = terminal::collecting_warnings(|| {
            let experiment = Experiment::in_memory(kind, &mut self)?;
            run(experiment, &mut self)
        });
        Ok(Warned { result: result?, warnings })
    }
}

impl Experiment {
    fn in_memory(kind: ExperimentKind, asked: &mut InMemory<'_>) -> anyhow::Result<Self> {
        let text = PlanGiven::of_text(asked.experiment, Format::Json)?;
        let text = text.with_own(std::mem::take(&mut asked.own));
        let kind = text.file().kind.unwrap_or(kind);
        let mut given = Given::default();
        text.account(&mut given);
        let mut experiment = match asked.plan.take() {
            None => Self::of(text, kind, given, None)?,
            Some(PlanFrom::Made(plan)) => {
                let mut experiment = Self::of(text, kind, given, None)?;
                experiment.made = Some(plan);
                experiment
            }
            Some(PlanFrom::Path(path)) => Self::of_plan(&path, text, kind)?,
        };
        experiment.own_metrics = std::mem::take(&mut asked.metrics);
        experiment.own_method = asked.method.take();
        experiment
            .given
            .read_of_plan("model", &["id", "identity", "shape", "tokenizer", "ignored_keys"]);
        let _of_the_model_that_is_loaded: Option<Precision> = key!(experiment, model.precision);
        Ok(experiment)
    }

    /// The plan of a file or a folder, with sections of a text in place of its own: what a file says of data and measures
    /// is for the runs of that file.
    fn of_plan(
        path: &std::path::Path,
        text: PlanGiven,
        kind: ExperimentKind,
    ) -> anyhow::Result<Self> {
        let plan = PlanGiven::read(path)?;
        let mut given = Given::default();
        given.add_sections(plan.file(), |section| {
            !["model", "data", "measure", "statistics", "limits"].contains(&section)
        });
        text.account(&mut given);
        let said = text.file().sections.clone();
        let mut experiment = Self::of(plan, kind, given, Some(path.to_owned()))?;
        let sections = &mut experiment.sections;
        sections.data = said.data;
        sections.measure = said.measure;
        sections.statistics = said.statistics;
        sections.limits = said.limits;
        if let Some(said) = said.train {
            let own = sections.train.take().unwrap_or_default();
            sections.train = Some(in_place_of(&own, &said)?);
        }
        if let Some(model) = said.model {
            let own = sections.model.get_or_insert_default();
            own.another = model.another.or(own.another);
            own.bos = model.bos.or(own.bos);
            own.chat = model.chat.or(own.chat);
            own.system = model.system.or(own.system.take());
            own.ids = model.ids.or(own.ids);
        }
        Ok(experiment)
    }
}

/// A section with what another says in place of what it says.
fn in_place_of(own: &TrainSection, other: &TrainSection) -> anyhow::Result<TrainSection> {
    let mut merged = serde_json::Map::new();
    for section in [own, other] {
        if let Value::Object(keys) = serde_json::to_value(section)? {
            merged.extend(keys.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    Ok(serde_json::from_value(Value::Object(merged))?)
}
