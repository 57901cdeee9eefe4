//! Plans run by the engine, without naming an executor: what a user of the library wants in most cases.

use std::ops::ControlFlow;

use candle_core::Tensor;
use vene_model::{Decoder, Model, OperationError, Operations, Prompt};

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
/// let last = Plan::new().collect(Component::FinalNorm, None, Positions::Last);
/// let outcome = model.run(&last.resolve(&model, std::slice::from_ref(&example))?)?;
/// let normed = outcome.activation(0, Site::new(Component::FinalNorm, None, model.config())?)?;
/// assert_eq!(model.logits(normed)?.dims(), [1, model.config().vocabulary]);
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

    /// The logits that the unembedding reads off the last norm's output, such as a plan collected: `[rows, d_model]` to
    /// `[rows, vocabulary]`.
    ///
    /// # Errors
    /// A tensor of another shape; failures of the computation.
    fn logits(&self, normed: &Tensor) -> Result<Tensor, RunError>;

    /// The logits that the last norm and the unembedding read off rows of the residual stream, from whichever depth they
    /// come (the logit lens, nostalgebraist 2020): `[rows, d_model]` to `[rows, vocabulary]`.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    fn logits_of_residual(&self, residual: &Tensor) -> Result<Tensor, RunError>;
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

    fn logits(&self, normed: &Tensor) -> Result<Tensor, RunError> {
        match self.fused()? {
            Some(fused) => logits_of(fused, normed, Rows::Normed),
            None => logits_of(self.plain()?, normed, Rows::Normed),
        }
    }

    fn logits_of_residual(&self, residual: &Tensor) -> Result<Tensor, RunError> {
        match self.fused()? {
            Some(fused) => logits_of(fused, residual, Rows::Residual),
            None => logits_of(self.plain()?, residual, Rows::Residual),
        }
    }
}

/// What rows are that logits are read off.
#[derive(Clone, Copy)]
enum Rows {
    /// What the last norm gave.
    Normed,
    /// What it is given.
    Residual,
}

fn logits_of<O: Operations>(
    decoder: &Decoder<O>,
    given: &Tensor,
    kind: Rows,
) -> Result<Tensor, RunError> {
    let (rows, width) = given.dims2().map_err(OperationError::from)?;
    if width != decoder.config().d_model {
        let found = candle_core::Shape::from((rows, width));
        let expected = candle_core::Shape::from((rows, decoder.config().d_model));
        let error = candle_core::Error::UnexpectedShape {
            msg: "what logits are read off".to_owned(),
            expected,
            got: found,
        };
        return Err(OperationError::from(error).into());
    }
    let operations = decoder.operations();
    let all: Vec<usize> = (0..rows).collect();
    // Rows of the right width, to be written over.
    let mut written = decoder.embed_tokens(&vec![0; rows])?;
    let values = given.to_dtype(operations.plain().dtype()).map_err(OperationError::from)?;
    operations.set_values(&mut written, &all, &values)?;
    let normed = match kind {
        Rows::Normed => written,
        Rows::Residual => decoder.last_norm(&written)?,
    };
    Ok(operations.values(&decoder.logits(&normed)?, &all)?)
}
