//! Figures, drawn by the code that draws the command's.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::compute::briefly;
use crate::error;

/// A figure.
#[pyclass(frozen, module = "vene._vene")]
pub struct Figure {
    inner: vene_report::Figure,
}

#[pymethods]
impl Figure {
    #[getter]
    fn svg(&self) -> &str {
        self.inner.svg()
    }

    fn png<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let png = briefly(|| python.detach(|| self.inner.png()).map_err(error::of_run))?;
        Ok(PyBytes::new(python, &png))
    }
}

/// Figures by name.
pub fn figures(figures: Vec<(String, vene_report::Figure)>) -> Vec<(String, Figure)> {
    figures.into_iter().map(|(name, inner)| (name, Figure { inner })).collect()
}

impl From<vene_report::Figure> for Figure {
    fn from(inner: vene_report::Figure) -> Self {
        Self { inner }
    }
}
