//! A sweep in memory.

use pyo3::prelude::*;

use crate::error::VeneError;
use crate::model::Model;
use crate::table::Table;
use crate::watch::Watch;

/// Runs the sweep that a JSON text describes (`docs/experiments.md`): the tables `examples`, `tokens` and `summary`, as far
/// as there are such. `progress(done, all)` is called now and then. Ctrl-C stops it.
#[pyfunction]
#[pyo3(signature = (model, experiment, progress = None))]
pub fn sweep(
    python: Python<'_>,
    model: &Model,
    experiment: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Table, Option<Table>, Option<Table>)> {
    let mut watch = Watch::default();
    let swept = python.detach(|| {
        vene_cli::sweep_in_memory(&model.inner, experiment, &mut |done, all| {
            watch.tell(|python| {
                if let Some(progress) = &progress {
                    progress.call1(python, (done, all))?;
                }
                Ok(())
            })
        })
    });
    watch.end()?;
    let swept = swept.map_err(|error| VeneError::new_err(format!("{error:#}")))?;
    Ok((Table::new(swept.examples), swept.tokens.map(Table::new), swept.summary.map(Table::new)))
}
