//! Runs that are differentiated: what an optimiser in Python asks of a plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Tensor;
use pyo3::prelude::*;
use vene::Positions;
use vene::candle_core;
use vene::intervention::Parameter;
use vene::training::{TrainRun, unembedding_gradient};

use crate::compute::{Watch, compute};
use crate::error;
use crate::model::Model;
use crate::plan::{GivenExample, Plan};
use crate::values::{Given, Values};

/// A plan over examples whose unedited runs are kept, run again and again with other parameters.
#[pyclass(frozen, module = "vene._vene")]
pub struct DifferentiableRun {
    run: TrainRun,
    /// Each with the entry of the configuration that it is of.
    parameters: Vec<(usize, Parameter)>,
    /// How often it was run: what an earlier run gave cannot be differentiated any more, since parameters were set since.
    runs: Arc<AtomicU64>,
}

#[pymethods]
impl DifferentiableRun {
    /// Of examples, each a base and its sources, which may be of several lengths; all positions of the bases are read.
    #[new]
    fn new(
        python: Python<'_>,
        model: &Model,
        plan: &Plan,
        examples: Vec<GivenExample>,
    ) -> PyResult<Self> {
        let reading = Plan {
            inner: plan.inner.clone().without_collects().read(Positions::All),
            places: plan.places.clone(),
        };
        let resolved = reading.resolve_all(model, &examples)?;
        let run = compute(python, |_| TrainRun::new(&model.inner, resolved), error::of_run)?;
        let parameters = plan.parameters().collect();
        Ok(Self { run, parameters, runs: Arc::default() })
    }

    /// The parameters: the entry of the configuration that each is of, and its name.
    #[getter]
    fn parameters(&self) -> Vec<(usize, String)> {
        let named = self.parameters.iter();
        named.map(|(place, parameter)| (*place, parameter.name.clone())).collect()
    }

    /// Whether what a run gave is still held by somebody, who may want its gradients.
    #[getter]
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.runs) > 1
    }

    /// Runs the examples with these values of the parameters.
    fn run(&self, python: Python<'_>, values: Vec<Given>) -> PyResult<Differentiated> {
        if values.len() != self.parameters.len() {
            let (given, count) = (values.len(), self.parameters.len());
            return Err(error::plan(format!("{given} values for {count} parameters")));
        }
        for ((_, parameter), values) in self.parameters.iter().zip(values) {
            let variable = &parameter.variable;
            let values =
                values.tensor(python)?.to_dtype(variable.dtype()).map_err(error::of_candle)?;
            let values = values.reshape(variable.shape()).map_err(error::of_candle)?;
            variable.set(&values).map_err(error::of_candle)?;
        }
        let this = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let examples: Vec<usize> = (0..self.run.examples()).collect();
        let normed = compute(python, |_| self.run.normed(&examples), error::of_run)?;
        let parameters = self.parameters.iter().map(|(_, parameter)| parameter.clone()).collect();
        Ok(Differentiated { normed, parameters, this, runs: Arc::clone(&self.runs) })
    }
}

/// What a run gave, with the way back to the parameters.
#[pyclass(frozen, module = "vene._vene")]
pub struct Differentiated {
    normed: Tensor,
    parameters: Vec<Parameter>,
    this: u64,
    runs: Arc<AtomicU64>,
}

#[pymethods]
impl Differentiated {
    /// What the unembedding reads at every position, one example after the other, `[positions, d_model]`.
    fn values(&self) -> PyResult<Values> {
        Values::of(&self.normed)
    }

    /// The gradients of the parameters, from that of the values; `None` of one that they do not depend on.
    fn gradients(&self, python: Python<'_>, gradient: Given) -> PyResult<Vec<Option<Values>>> {
        if self.runs.load(Ordering::Relaxed) != self.this {
            return Err(error::plan(
                "the parameters were set anew since this was run: differentiate it before the next run",
            ));
        }
        let gradient = gradient.tensor(python)?;
        let backward = |_: &Watch| {
            // The gradient of this sum is that of the result, carried on.
            let gradient = gradient.to_dtype(self.normed.dtype())?.reshape(self.normed.shape())?;
            (&self.normed * gradient)?.sum_all()?.backward()
        };
        let found = compute(python, backward, error::of_candle)?;
        let of = |parameter: &Parameter| found.get(&parameter.variable);
        let values = |gradient: Option<&Tensor>| gradient.map(Values::of).transpose();
        self.parameters.iter().map(of).map(values).collect()
    }
}

/// The gradient of what the unembedding reads, `[rows, d_model]`, from that of the logits `[rows, vocabulary]`.
#[pyfunction]
pub fn unembedding_gradients(
    python: Python<'_>,
    model: &Model,
    normed: Given,
    gradient: Given,
) -> PyResult<Values> {
    let (normed, gradient) = (normed.tensor(python)?, gradient.tensor(python)?);
    let found = |_: &Watch| unembedding_gradient(&model.inner, &normed, &gradient);
    Values::of(&compute(python, found, error::of_run)?)
}
