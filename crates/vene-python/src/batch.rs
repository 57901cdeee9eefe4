//! What a plan's run over several examples gave.

use std::sync::Arc;

use pyo3::prelude::*;
use vene::{PlanOutcome, Site};

use crate::error;
use crate::values::Values;

/// The outcome of a plan over examples.
#[pyclass(frozen, module = "vene._vene")]
pub struct Batch {
    inner: PlanOutcome,
    model: Arc<vene::Model>,
}

#[pymethods]
impl Batch {
    /// What the edited run of an example showed at a site that the plan collects: `[positions, width]`, or
    /// `[heads, queries, keys]` of attention patterns.
    #[pyo3(signature = (example, component, layer = None))]
    fn activation(
        &self,
        example: usize,
        component: &str,
        layer: Option<usize>,
    ) -> PyResult<Values> {
        let component = component.parse().map_err(error::of_plan)?;
        let site = Site::new(component, layer, self.model.config()).map_err(error::of_plan)?;
        Values::of(self.inner.activation(example, site).map_err(error::of_run)?)
    }
}

impl Batch {
    pub fn new(inner: PlanOutcome, model: Arc<vene::Model>) -> Self {
        Self { inner, model }
    }
}
