//! Unedited runs that are kept, and plans that are run from them.

use std::sync::Arc;

use pyo3::prelude::*;
use vene::Prompt;

use crate::batch::Batch;
use crate::compute::{Watch, compute};
use crate::error;
use crate::model::{GivenPrompt, Model};
use crate::outcome::Outcome;
use crate::plan::{GivenExample, Plan};

/// Unedited runs of prompts.
#[pyclass(frozen, module = "vene._vene")]
pub struct Session {
    inner: vene::Session,
    model: Py<Model>,
}

#[pymethods]
impl Session {
    /// Runs the prompts once, and keeps what plans run from; in about `bytes`, where given.
    #[new]
    #[pyo3(signature = (model, prompts, bytes = None))]
    fn new(
        python: Python<'_>,
        model: Py<Model>,
        prompts: Vec<GivenPrompt>,
        bytes: Option<usize>,
    ) -> PyResult<Self> {
        let bound = model.get();
        let prompts = prompts.iter().map(|prompt| bound.prompt(prompt));
        let prompts: Vec<Prompt> = prompts.collect::<PyResult<_>>()?;
        let inner = Arc::clone(&bound.inner);
        let bytes = bytes.unwrap_or(usize::MAX);
        let session = |_: &Watch| vene::Session::within(&inner, &prompts, bytes);
        Ok(Self { inner: compute(python, session, error::of_run)?, model })
    }

    /// How many bytes what is kept takes.
    #[getter]
    fn bytes(&self) -> usize {
        self.inner.bytes()
    }

    /// How many tokens are kept: equal beginnings once.
    #[getter]
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    /// Runs a plan over a base and its sources, which are prompts of the session.
    fn run(
        &self,
        python: Python<'_>,
        plan: &Plan,
        base: GivenPrompt,
        sources: Vec<GivenPrompt>,
    ) -> PyResult<Outcome> {
        let resolved = plan.resolve(self.model.get(), &base, &sources)?;
        let outcome = compute(python, |_| self.inner.run(&resolved), error::of_run)?;
        Ok(Outcome::new(outcome, Arc::clone(&self.model.get().inner)))
    }

    /// Runs a plan over examples, each a base and its sources, all prompts of the session.
    fn run_all(
        &self,
        python: Python<'_>,
        plan: &Plan,
        examples: Vec<GivenExample>,
    ) -> PyResult<Batch> {
        let resolved = plan.resolve_all(self.model.get(), &examples)?;
        let outcome = compute(python, |_| self.inner.run(&resolved), error::of_run)?;
        Ok(Batch::new(outcome, Arc::clone(&self.model.get().inner)))
    }
}
