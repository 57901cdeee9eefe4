//! The engine's own trainer, for interventions that Python holds.

use pyo3::prelude::*;
use vene::intervention::Parameter;
use vene::training::{AdamW, Annealing, Examples, Objective, Trainer};

use crate::compute::{Watch, compute};
use crate::error;
use crate::model::Model;
use crate::plan::{GivenExample, Plan};
use crate::values::Values;

/// A parameter that was learned: the entry of the configuration that it is of, its name, its values.
type Learned = (usize, String, Values);

/// Trains a plan's interventions so that after each example the token of `labels` comes next: the loss of each step, and what
/// was learned. `annealing` has the temperatures of masks at the first and the last step. Ctrl-C stops it.
#[pyfunction]
#[expect(clippy::too_many_arguments)]
pub fn fit(
    python: Python<'_>,
    model: &Model,
    plan: &Plan,
    examples: Vec<GivenExample>,
    labels: Vec<u32>,
    epochs: usize,
    batch: usize,
    learning_rate: f64,
    weight_decay: f64,
    seed: u64,
    annealing: Option<(f64, f64)>,
) -> PyResult<(Vec<f64>, Vec<Learned>)> {
    let resolved = plan.resolve_all(model, &examples)?;
    let trainer = Trainer {
        epochs,
        batch,
        optimizer: AdamW { learning_rate, weight_decay, ..AdamW::default() },
        annealing: annealing.map(|(from, to)| Annealing { from, to }),
        seed: Some(seed),
        ..Trainer::default()
    };
    let objective = Objective::labels(&labels);
    let train = |watch: &Watch| {
        let examples = Examples { plan: &resolved, objective: &objective };
        trainer.train(&model.inner, examples, None, &mut |_| watch.tell(|_| Ok(())))
    };
    let trained = compute(python, train, error::of_run)?;
    let losses = trained.steps.iter().map(|step| step.loss).collect();
    let learned = plan
        .parameters()
        .map(|(place, Parameter { name, variable, .. })| Ok((place, name, Values::of(&variable)?)));
    Ok((losses, learned.collect::<PyResult<_>>()?))
}
