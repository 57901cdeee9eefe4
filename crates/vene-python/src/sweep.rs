//! A sweep in memory.

use std::ops::ControlFlow;

use pyo3::prelude::*;

use crate::error::VeneError;
use crate::model::Model;
use crate::table::Table;

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
    let mut stopped = None;
    let swept = python.detach(|| {
        vene_cli::sweep_in_memory(&model.inner, experiment, &mut |done, all| {
            let told = Python::attach(|python| {
                python.check_signals()?;
                if let Some(progress) = &progress {
                    progress.call1(python, (done, all))?;
                }
                Ok(())
            });
            match told {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    stopped = Some(error);
                    ControlFlow::Break(())
                }
            }
        })
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let swept = swept.map_err(|error| VeneError::new_err(format!("{error:#}")))?;
    Ok((Table::new(swept.examples), swept.tokens.map(Table::new), swept.summary.map(Table::new)))
}
