//! What a plan's run gave.

use std::sync::Arc;

use pyo3::prelude::*;
use vene::plan::Outcome as Came;
use vene::{PlanOutcome, Receipt, Site};

use crate::error;
use crate::values::Values;

/// The outcome of a plan over one example.
#[pyclass(frozen, module = "vene._vene")]
pub struct Outcome {
    inner: PlanOutcome,
    model: Arc<vene::Model>,
}

#[pymethods]
impl Outcome {
    /// The logits of the whole vocabulary at the position that the plan reads as its `read`-th.
    #[pyo3(signature = (read = 0))]
    fn logits(&self, read: usize) -> PyResult<Values> {
        let distribution = self.inner.distribution(0, read).map_err(error::of_run)?;
        let logits = distribution.logits();
        Ok(Values::double(&[logits.len()], logits.to_vec()))
    }

    /// What the edited run showed at a site: `[positions, width]`, or `[heads, queries, keys]` for attention patterns.
    #[pyo3(signature = (component, layer = None))]
    fn activation(&self, component: &str, layer: Option<usize>) -> PyResult<Values> {
        let component = component.parse().map_err(error::of_plan)?;
        let site = Site::new(component, layer, self.model.config()).map_err(error::of_plan)?;
        Values::of(self.inner.activation(0, site).map_err(error::of_run)?)
    }

    /// What each edit did, as JSON.
    #[getter]
    fn receipts(&self) -> String {
        let receipts: Vec<_> = self.inner.receipts.iter().map(receipt).collect();
        serde_json::Value::Array(receipts).to_string()
    }
}

impl Outcome {
    pub fn new(inner: PlanOutcome, model: Arc<vene::Model>) -> Self {
        Self { inner, model }
    }
}

fn receipt(receipt: &Receipt) -> serde_json::Value {
    let (changed, why) = match &receipt.outcome {
        Came::Changed(change) => (change.root_mean_square, None),
        Came::SharedPrefix => (0.0, Some("base and source are the same up to there")),
        Came::SameValues => (0.0, Some("the values are those that were there")),
        Came::NotEdited => (0.0, Some("the plan names no position of this example")),
    };
    serde_json::json!({
        "edit": receipt.edit,
        "intervention": receipt.intervention,
        "site": receipt.site.to_string(),
        "positions": receipt.positions,
        "heads": receipt.heads,
        "change": changed,
        "unchanged": why,
    })
}
