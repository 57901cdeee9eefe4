//! Errors as Python exceptions: a small tree, each with the sentence that the library and the command say.

use std::error::Error;
use std::fmt::Display;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::types::PyTypeMethods;
use pyo3::{PyErr, Python};
use vene::SweepError;
use vene::candle_core;
use vene::generation::GenerationError;
use vene::plan_sweep::PlanSweepError;
use vene::training::TrainingError;

use crate::intervention::raised;

create_exception!(vene, VeneError, PyException, "What went wrong, in a sentence.");
create_exception!(
    vene,
    ModelError,
    VeneError,
    "A model that cannot be read, or is not what was expected."
);
create_exception!(
    vene,
    InputError,
    VeneError,
    "A prompt, a token or a data set that the model cannot take."
);
create_exception!(
    vene,
    PlanError,
    VeneError,
    "An intervention or a plan that is not possible, or a file of one that is wrong."
);
create_exception!(vene, RunError, VeneError, "A computation that failed.");

/// A sentence with its causes, none of which it says itself.
fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !sentence.contains(&said) {
            sentence = format!("{sentence}: {said}");
        }
        cause = error.source();
    }
    sentence
}

pub fn of_model(error: impl Error) -> PyErr {
    ModelError::new_err(chain(&error))
}

pub fn of_input(error: impl Error) -> PyErr {
    InputError::new_err(chain(&error))
}

pub fn of_plan(error: impl Error) -> PyErr {
    PlanError::new_err(chain(&error))
}

/// An error of a run; where a Python function raised an exception, that is its cause, with its traceback.
pub fn of_run(error: impl Error + 'static) -> PyErr {
    by_python(&error).unwrap_or_else(|| RunError::new_err(chain(&error)))
}

pub fn of_candle(error: candle_core::Error) -> PyErr {
    of_run(error)
}

/// The exception for an error that is a Python exception's doing.
fn by_python(error: &(dyn Error + 'static)) -> Option<PyErr> {
    // These say what a run's error says, and are not told apart from it by `source`.
    let of_run = match (
        error.downcast_ref(),
        error.downcast_ref(),
        error.downcast_ref(),
        error.downcast_ref(),
    ) {
        (Some(GenerationError::Run(error)), ..)
        | (_, Some(SweepError::Run(error)), ..)
        | (_, _, Some(PlanSweepError::Run(error)), _)
        | (.., Some(TrainingError::Run(error))) => Some(error),
        _ => None,
    };
    if let Some(error) = of_run {
        return by_python(error);
    }
    if let Some(error) = error.downcast_ref::<candle_core::Error>() {
        return raised(error).map(|cause| caused("the gradient of an intervention", cause));
    }
    match error.downcast_ref() {
        Some(vene::RunError::Intervention { intervention, site, error }) => {
            let place = format!("{intervention} at {site}");
            raised(error).map(|cause| caused(&place, cause))
        }
        _ => by_python(error.source()?),
    }
}

fn caused(place: &str, cause: &PyErr) -> PyErr {
    Python::attach(|python| {
        // Ctrl-C is not a failure of the function.
        if cause.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(python) {
            return cause.clone_ref(python);
        }
        let kind =
            cause.get_type(python).name().map_or_else(|_| String::new(), |name| name.to_string());
        let error = RunError::new_err(format!("{place}: {kind}: {}", cause.value(python)));
        error.set_cause(python, Some(cause.clone_ref(python)));
        error
    })
}

pub fn plan(sentence: impl Display) -> PyErr {
    PlanError::new_err(sentence.to_string())
}

pub fn input(sentence: impl Display) -> PyErr {
    InputError::new_err(sentence.to_string())
}

pub fn run(sentence: impl Display) -> PyErr {
    RunError::new_err(sentence.to_string())
}

/// That of an experiment, with the command's sentence; its kind is that of the first cause that has one.
pub fn of_experiment(error: anyhow::Error) -> PyErr {
    if let Some(raised) = error.chain().find_map(by_python) {
        return raised;
    }
    let sentence = vene_cli::sentence(&error);
    for cause in error.chain() {
        if is_of_run(cause) {
            return RunError::new_err(sentence);
        }
        if is_of_plan(cause) {
            return PlanError::new_err(sentence);
        }
        if cause.is::<vene_model::InputError>() || cause.is::<vene::data::DataError>() {
            return InputError::new_err(sentence);
        }
        if cause.is::<vene_model::ModelError>() {
            return ModelError::new_err(sentence);
        }
    }
    VeneError::new_err(sentence)
}

fn is_of_run(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<vene::RunError>()
        || cause.is::<TrainingError>()
        || matches!(cause.downcast_ref(), Some(SweepError::Run(_)))
        || matches!(cause.downcast_ref(), Some(PlanSweepError::Run(_)))
}

fn is_of_plan(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<vene::PlanError>()
        || cause.is::<vene::plan_file::PlanFileError>()
        || matches!(cause.downcast_ref(), Some(SweepError::Plan(_)))
        || matches!(cause.downcast_ref(), Some(PlanSweepError::Plan(_)))
}
