//! The compiled half of the Python package `vene`: the engine's types, one to one, over buffers and JSON.
//!
//! What a user meets is written in Python (`python/vene/`); this half only crosses the border. Every computation goes through
//! `compute.rs`, which releases the interpreter's lock. Tensors cross as buffers (`values.rs`), tables as Arrow streams, plans
//! and receipts as JSON.

mod batch;
mod circuit;
mod compute;
mod direction;
mod error;
mod experiment;
mod figure;
mod generation;
mod gradient;
mod inspect;
mod intervention;
mod lent;
mod metric;
mod model;
mod outcome;
mod plan;
mod session;
mod table;
mod training;
mod values;

use pyo3::prelude::*;

/// The command `vene`, as the package's console script runs it; its exit code.
#[pyfunction]
fn command(python: Python<'_>, line: Vec<String>) -> u8 {
    python.detach(|| vene_cli::main(&line))
}

#[pymodule]
fn _vene(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let python = module.py();
    module.add("VeneError", python.get_type::<error::VeneError>())?;
    module.add("ModelError", python.get_type::<error::ModelError>())?;
    module.add("InputError", python.get_type::<error::InputError>())?;
    module.add("PlanError", python.get_type::<error::PlanError>())?;
    module.add("RunError", python.get_type::<error::RunError>())?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<gradient::DifferentiableRun>()?;
    module.add_class::<gradient::Differentiated>()?;
    module.add_class::<inspect::Attention>()?;
    module.add_class::<intervention::Intervention>()?;
    module.add_class::<model::Model>()?;
    module.add_class::<circuit::Graph>()?;
    module.add_class::<experiment::Measured>()?;
    module.add_class::<experiment::PlanRan>()?;
    module.add_class::<experiment::Swept>()?;
    module.add_class::<experiment::Trained>()?;
    module.add_class::<figure::Figure>()?;
    module.add_class::<outcome::Outcome>()?;
    module.add_class::<plan::Plan>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<table::Table>()?;
    module.add_class::<values::Values>()?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(compute::after_fork, module)?)?;
    module.add_function(wrap_pyfunction!(compute::panic, module)?)?;
    module.add_function(wrap_pyfunction!(experiment::collect, module)?)?;
    module.add_function(wrap_pyfunction!(experiment::measure, module)?)?;
    module.add_function(wrap_pyfunction!(experiment::run_over_rows, module)?)?;
    module.add_function(wrap_pyfunction!(experiment::sweep, module)?)?;
    module.add_function(wrap_pyfunction!(experiment::train, module)?)?;
    module.add_function(wrap_pyfunction!(generation::generate, module)?)?;
    module.add_function(wrap_pyfunction!(generation::generate_all, module)?)?;
    module.add_function(wrap_pyfunction!(gradient::unembedding_gradients, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::compositions, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::copying, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::list_weights, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::look_attribution, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::look_head_scores, module)?)?;
    module.add_function(wrap_pyfunction!(direction::find_directions, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::look_lens, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::read_weight, module)?)?;
    module.add_function(wrap_pyfunction!(metric::metric_outputs, module)?)?;
    module.add_function(wrap_pyfunction!(plan::pyvene_parameters, module)?)?;
    module.add_function(wrap_pyfunction!(training::fit, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
