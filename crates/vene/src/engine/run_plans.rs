//! Plans run by the engine, without naming an executor: what a user of the library wants in most cases.

use std::ops::ControlFlow;

use vene_model::{Model, Prompt};

use super::distribution::Distribution;
use super::executor::{Executor, PlanOutcome, run_one};
use super::forked::Forked;
use crate::error::RunError;
use crate::plan::ResolvedPlan;

/// Plans run by a model: `model.run(&plan)`.
///
/// They are run by the engine ([`Forked`]), with its own choice of memory. Where many plans are run over the same prompts
/// one after the other, a [`Session`](crate::Session) keeps the unedited runs; [`Reference`](crate::Reference) runs each
/// plan by a whole forward pass, and defines what is right.
///
/// ```
/// use vene::{Component, Edit, Example, Model, Plan, Positions, RunPlans, Site};
///
/// let model = Model::load("embedded")?;
/// let prompt = model.prompt("The capital of Spain is")?;
/// assert_eq!(model.predict(&[&prompt])?[0].likeliest(), model.tokenizer().single_token(" Madrid")?);
///
/// let example = Example::new(prompt).source(model.prompt("The capital of Italy is")?);
/// let plan = |layer| {
///     let edit = Edit::interchange(Component::BlockOutput, layer);
///     let edit = edit.at(Positions::last_of("Spain")).from(Positions::last_of("Italy"));
///     let plan = Plan::new().edit(edit).collect(Component::MlpOutput, 6, Positions::Last);
///     plan.resolve(&model, std::slice::from_ref(&example))
/// };
///
/// let outcome = model.run(&plan(2)?)?;
/// assert_eq!(outcome.distribution(0, 0)?.likeliest(), model.tokenizer().single_token(" Rome")?);
/// let site = Site::new(Component::MlpOutput, Some(6), model.config())?;
/// assert_eq!(outcome.activation(0, site)?.dims(), [1, model.config().d_model]);
/// assert_eq!(outcome.receipt(0, 0)?.positions, [3]);
///
/// let plans = (0..model.config().layers.len()).map(plan).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(model.run_many(&plans)?.len(), plans.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RunPlans {
    /// Runs one plan.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention; a plan that was resolved for another model.
    fn run(&self, plan: &ResolvedPlan) -> Result<PlanOutcome, RunError>;

    /// Runs plans in as few passes as fit into memory: what they share is computed once. Their outcomes, in order.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn run_many(&self, plans: &[ResolvedPlan]) -> Result<Vec<PlanOutcome>, RunError>;

    /// The next-token distribution after each prompt, nothing edited.
    ///
    /// # Errors
    /// Failures of the computation; a prompt of another model.
    fn predict(&self, prompts: &[&Prompt]) -> Result<Vec<Distribution>, RunError>;
}

impl RunPlans for Model {
    fn run(&self, plan: &ResolvedPlan) -> Result<PlanOutcome, RunError> {
        run_one(&Forked::new(self), plan)
    }

    fn run_many(&self, plans: &[ResolvedPlan]) -> Result<Vec<PlanOutcome>, RunError> {
        let mut outcomes: Vec<Option<PlanOutcome>> = plans.iter().map(|_| None).collect();
        Forked::new(self).run_all(plans, &mut |index, outcome| {
            outcomes[index] = Some(outcome);
            ControlFlow::Continue(())
        })?;
        outcomes.into_iter().collect::<Option<_>>().ok_or(RunError::Stopped)
    }

    fn predict(&self, prompts: &[&Prompt]) -> Result<Vec<Distribution>, RunError> {
        Forked::new(self).predict(prompts)
    }
}
