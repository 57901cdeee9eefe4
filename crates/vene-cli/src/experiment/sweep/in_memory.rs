//! A sweep with a model that is loaded already, whose tables stay in memory: for a notebook.

use std::ops::ControlFlow;

use vene::plan_file::{ExperimentKind, Format};
use vene::sweep::Summary;
use vene::{ExecutorName, Forked, Model, Reference, Sweep, Table};

use super::super::{Experiment, key};
use super::{READ_BY, method, mode, over_data, pair};

/// What a sweep gave.
pub struct Swept {
    /// A row for each example, place and metric; of a pair without metrics none.
    pub examples: Table,
    /// Of a pair, the probabilities of the tokens that were followed.
    pub tokens: Option<Table>,
    /// Over a data set, means with intervals.
    pub summary: Option<Table>,
}

/// Runs the sweep that a JSON text describes, as a file would (`docs/experiments.md`), on this model.
///
/// `progress` is told how many of how many interventions are done, and may stop it.
///
/// # Errors
/// What is wrong with the experiment, with a key that is not read among it; failures of the computation; that it was
/// stopped.
pub fn sweep_in_memory(
    model: &Model,
    experiment: &str,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> anyhow::Result<Swept> {
    let experiment = Experiment::of_text(ExperimentKind::Sweep, experiment, Format::Json)?;
    let given = &experiment.given;
    given.read_of_plan(
        "model",
        &["id", "identity", "shape", "tokenizer", "ignored_keys", "another"],
    );
    let _precision: Option<vene::Precision> = key!(experiment, model.precision);
    let (name, memory) = experiment.executor();
    let over_rows = experiment.has_rows();
    let (sweep, summary): (Sweep, Option<Summary>) = if over_rows {
        let data = experiment.rows(model)?;
        let sweep = over_data::data_sweep(&experiment, model, &data)?;
        let summary = over_data::summary(&experiment, &sweep)?;
        (sweep, Some(summary))
    } else {
        (pair(&experiment, model, method(&experiment)?)?, None)
    };
    let over = if over_rows { "a data set" } else { "one pair of prompts" };
    given.check(mode(&experiment, over, sweep.unit()), READ_BY)?;
    let all = sweep.interventions_per_row() * sweep.rows().len();
    let mut told = |done: usize| progress(done, all);
    let outcome = match (name, memory) {
        (ExecutorName::Reference, _) => {
            sweep.run_with_progress(model, &Reference::new(model), &mut told)?
        }
        (ExecutorName::Forked, None) => {
            sweep.run_with_progress(model, &Forked::new(model), &mut told)?
        }
        (ExecutorName::Forked, Some(memory)) => {
            sweep.fits(model, memory)?;
            sweep.run_with_progress(model, &Forked::new(model).memory(memory), &mut told)?
        }
    };
    let tokens = outcome.tokens().cloned();
    let examples = outcome.into_examples();
    let summary = summary.map(|summary| summary.of(&examples)).transpose()?;
    Ok(Swept { examples, tokens, summary })
}
