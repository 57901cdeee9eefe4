//! A training with a model that is loaded already.

use std::path::Path;

use serde_json::Value;
use vene::plan_file::{ExperimentKind, Sections, save_with};
use vene::{Model, Outline, Plan, Table};
use vene_report::Figure;

use super::super::in_memory::{InMemory, Progress, Warned};
use super::{account_of_plan, settings};
use crate::threads;
use crate::training::{self, Outcome, Ready, Settings};

/// What a training came to.
pub struct TrainedPlan {
    /// The plan, with what its interventions learned.
    pub plan: Plan,
    /// A row for each step: its epoch, loss and accuracy.
    pub steps: Table,
    outcome: Outcome,
    settings: Settings,
    sections: Sections,
}

/// Trains a plan's interventions on the rows of a data set.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it, and with a grid, which makes several plans;
/// failures of the computation; that it was stopped.
pub fn train_in_memory(asked: InMemory<'_>) -> anyhow::Result<Warned<TrainedPlan>> {
    asked.run(ExperimentKind::Train, |experiment, asked| {
        account_of_plan(&experiment);
        let model: &Model = asked.model;
        let plan = experiment.plan(model)?;
        let settings = settings(&experiment, model, &plan.clone().into(), model_name(model))?;
        let ready = Ready::new(model, &plan, &settings)?;
        ready.warn(model, &settings);
        threads::start_for_training()?;
        let outcome = ready.train(model, None, &mut |progress| {
            training::bar::told(progress, &mut |done, all, says| {
                (asked.progress)(Progress { done, all, says: Some(says) })
            })
        })?;
        let steps = training::steps(&outcome.trained.steps)?;
        let sections = ready.sections(&settings);
        drop(ready);
        Ok(TrainedPlan { plan, steps, outcome, settings, sections })
    })
}

fn model_name(model: &Model) -> &str {
    &model.provenance().name
}

impl TrainedPlan {
    /// What `run.json` says of it: rows, epochs, the held-out rows' loss and accuracy, those of the control.
    pub fn result(&self) -> Value {
        training::result(&self.outcome)
    }

    /// Keeps the plan and what it learned in a folder, as the command does in `trained`.
    ///
    /// # Errors
    /// A folder that cannot be written, or that holds other files.
    pub fn save(&self, folder: &Path, outline: &Outline) -> anyhow::Result<()> {
        Ok(save_with(folder, &self.plan, outline, &self.sections)?)
    }

    /// The learning curves.
    ///
    /// # Errors
    /// What cannot be drawn.
    pub fn figure(&self, outline: &Outline) -> anyhow::Result<Figure> {
        training::curves(&self.outcome, &self.plan, outline, &self.settings)
    }
}
