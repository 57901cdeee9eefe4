//! What metrics say of a row's runs, whatever is patched in them.

use std::ops::ControlFlow;
use std::sync::Arc;

use vene_data::PreparedRow;
use vene_engine::plan::{Edit, Example, Plan, Positions, ResolvedPlan};
use vene_engine::{Distribution, Executor, RunError, Session};
use vene_metric::{Asked, Meter, RowRun};
use vene_model::{Model, Outline, Prompt};

use crate::error::CircuitError;
use crate::patch::Patch;

/// Reads metrics off patched runs of a row's base.
pub(crate) struct RowReader<'a> {
    outline: &'a Outline,
    meter: &'a Meter,
    row: &'a PreparedRow,
    session: Session,
    /// What the base says unpatched, where a metric compares with it.
    unedited: Option<Arc<Distribution>>,
    examples: Arc<[Example]>,
}

impl<'a> RowReader<'a> {
    /// Runs the row's prompts and keeps the runs. `memory`: about how many bytes the rows of one pass may take.
    pub(crate) fn new(
        model: &'a Model,
        meter: &'a Meter,
        row: &'a PreparedRow,
        memory: Option<usize>,
    ) -> Result<Self, CircuitError> {
        let mut session = Session::new(model, std::iter::once(&row.base).chain(&row.source))?;
        if let Some(bytes) = memory {
            session = session.memory(bytes);
        }
        let unedited = match meter.reads().unedited {
            true => session.predict(&[&row.base])?.pop().map(Arc::new),
            false => None,
        };
        let example = Example::new(row.base.clone()).of_row(row.index);
        let examples = [example].into();
        Ok(Self { outline: model, meter, row, session, unedited, examples })
    }

    /// The position whose logits are read.
    pub(crate) fn position(row: &PreparedRow) -> usize {
        row.base.len() - 1
    }

    /// What metrics say of the base as it is.
    pub(crate) fn base(&self) -> Result<Vec<f64>, CircuitError> {
        self.unpatched(&self.row.base, &self.examples)
    }

    /// What they say of the source, to the base's answers.
    pub(crate) fn source(&self) -> Result<Option<Vec<f64>>, CircuitError> {
        let Some(source) = &self.row.source else { return Ok(None) };
        let examples = [Example::new(source.clone()).of_row(self.row.index)].into();
        self.unpatched(source, &examples).map(Some)
    }

    fn unpatched(
        &self,
        prompt: &Prompt,
        examples: &Arc<[Example]>,
    ) -> Result<Vec<f64>, CircuitError> {
        let plan = self.plan(prompt, examples, Vec::new())?;
        let mut values = Vec::new();
        self.run(prompt, &[plan], "the run before any patch", &mut |_, of_run| {
            values = of_run;
            ControlFlow::Continue(())
        })?;
        Ok(values)
    }

    /// What metrics say where some patches are made at once, for each list of patches. `what` names the runs in messages.
    pub(crate) fn patched(
        &self,
        patches: &[Vec<&Patch>],
        what: &str,
        each: &mut dyn FnMut(usize, Vec<f64>) -> ControlFlow<()>,
    ) -> Result<(), CircuitError> {
        let plan = |patches: &Vec<&Patch>| {
            let edits = patches.iter().map(|patch| patch.edit()).collect();
            self.plan(&self.row.base, &self.examples, edits)
        };
        let plans = patches.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
        self.run(&self.row.base, &plans, what, each)
    }

    fn plan(
        &self,
        prompt: &Prompt,
        examples: &Arc<[Example]>,
        edits: Vec<Edit>,
    ) -> Result<ResolvedPlan, CircuitError> {
        let run = &self.row.answers.runs[0];
        let asked = Asked {
            run,
            single: self.row.answers.are_single(),
            first: true,
            unedited: self.unedited.clone(),
        };
        let plan = Plan::new()
            .read(Positions::Each(vec![run.positions_behind(prompt)]))
            .outputs(self.meter.outputs(vec![asked]));
        let plan = edits.into_iter().fold(plan, Plan::edit);
        Ok(plan.resolve_shared(self.outline, examples)?)
    }

    fn run(
        &self,
        prompt: &Prompt,
        plans: &[ResolvedPlan],
        what: &str,
        each: &mut dyn FnMut(usize, Vec<f64>) -> ControlFlow<()>,
    ) -> Result<(), CircuitError> {
        let mut failed = None;
        let ran = self.meter.run_all(&self.session, plans, &mut |index, outcome| {
            let of = RowRun {
                answers: &self.row.answers,
                prompt,
                positions: &[],
                unedited: self.unedited.as_deref(),
                showed: outcome.examples.iter().collect(),
            };
            let name = || self.row.name().to_string();
            match self.meter.values(&[of], |_| name(), || what.to_owned()) {
                Ok(mut values) => Ok(each(index, values.pop().unwrap_or_default())),
                Err(error) => {
                    failed = Some(error);
                    Ok(ControlFlow::Break(()))
                }
            }
        });
        match failed {
            Some(error) => Err(error.into()),
            None => ran.map_err(|error: RunError| error.into()),
        }
    }
}
