//! Python's own functions as metrics: they declare what they read, and are called with arrays of it.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use vene::candle_core::{DType, Tensor};
use vene::data::Role;
use vene::metric::{Metric, MetricProblem, Observed, Reads, Said};
use vene::{Component, UnknownName};

use crate::error;
use crate::values::Values;

/// A metric as Python gives it.
#[derive(FromPyObject)]
pub struct GivenMetric {
    /// Its name in tables.
    name: String,
    /// What it is called with, in order.
    reads: Vec<GivenRead>,
    /// Whether it is called once for all rows of a batch, with a first axis that numbers them.
    rowwise: bool,
    /// `call(arrays) -> list of floats`, one for each row.
    call: Py<PyAny>,
}

/// One of its arguments.
#[derive(FromPyObject)]
enum GivenRead {
    /// The component, its layer, the position's role.
    Activation(String, Option<usize>, String),
    Output(String),
}

/// What a metric is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    Output(Output),
    /// The activation that it declared as its so-manieth.
    Activation(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Logits,
    LogProbabilities,
    Probabilities,
    UneditedLogits,
    UneditedLogProbabilities,
    UneditedProbabilities,
    TargetLogits,
    FoilLogits,
    TargetLogProbabilities,
    FoilLogProbabilities,
}

const OUTPUTS: [(&str, Output); 10] = [
    ("logits", Output::Logits),
    ("log_probabilities", Output::LogProbabilities),
    ("probabilities", Output::Probabilities),
    ("unedited_logits", Output::UneditedLogits),
    ("unedited_log_probabilities", Output::UneditedLogProbabilities),
    ("unedited_probabilities", Output::UneditedProbabilities),
    ("target_logits", Output::TargetLogits),
    ("foil_logits", Output::FoilLogits),
    ("target_log_probabilities", Output::TargetLogProbabilities),
    ("foil_log_probabilities", Output::FoilLogProbabilities),
];

/// The names of what of a run's output a function can be called with.
#[pyfunction]
pub fn metric_outputs() -> Vec<&'static str> {
    OUTPUTS.map(|(name, _)| name).to_vec()
}

/// What the first of Python's functions that failed raised.
#[derive(Clone, Debug, Default)]
pub struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    fn keep(&self, error: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The exception of a computation that failed, with what a function raised as its cause. What is no error but a wish to
    /// end, such as `KeyboardInterrupt`, is raised itself.
    pub fn behind(&self, python: Python<'_>, error: PyErr) -> PyErr {
        let raised = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match raised {
            Some(raised) if !raised.is_instance_of::<PyException>(python) => raised,
            Some(raised) => {
                error.set_cause(python, Some(raised));
                error
            }
            None => error,
        }
    }
}

/// Metrics of Python's functions; `raised` gets what they raise.
pub fn metrics(given: Vec<GivenMetric>, raised: &Raised) -> PyResult<Vec<Arc<dyn Metric>>> {
    let metric = |given| Ok(Arc::new(Function::new(given, raised)?) as Arc<dyn Metric>);
    given.into_iter().map(metric).collect()
}

struct Function {
    name: String,
    reads: Reads,
    arguments: Vec<Argument>,
    rowwise: bool,
    call: Py<PyAny>,
    raised: Raised,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Function");
        shown.field("name", &self.name).field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl Function {
    fn new(given: GivenMetric, raised: &Raised) -> PyResult<Self> {
        let mut reads = Reads::nothing();
        let mut arguments = Vec::new();
        for read in given.reads {
            let (argument, of) = match read {
                GivenRead::Output(name) => {
                    let output = output(&name)?;
                    (Argument::Output(output), output.reads())
                }
                GivenRead::Activation(component, layer, position) => {
                    let component: Component = component.parse().map_err(error::of_plan)?;
                    let position: Role = position.parse().map_err(error::of_input)?;
                    let argument = Argument::Activation(reads.activations().len());
                    (argument, Reads::nothing().activation(component, layer, position))
                }
            };
            arguments.push(argument);
            reads = reads.and(of);
        }
        if given.rowwise {
            reads = reads.batched();
        }
        let GivenMetric { name, rowwise, call, .. } = given;
        Ok(Self { name, reads, arguments, rowwise, call, raised: raised.clone() })
    }

    /// Calls it with some runs together.
    fn called(&self, observed: &[Observed<'_>]) -> Result<Vec<f64>, (usize, MetricProblem)> {
        let failed = |message: String| (0, MetricProblem::Failed { message });
        let mut arrays = Vec::with_capacity(self.arguments.len());
        for &argument in &self.arguments {
            let mut shape: Option<Vec<usize>> = None;
            let mut all = Vec::new();
            for (run, observed) in observed.iter().enumerate() {
                let (own, values) = argument.of(observed).ok_or((run, MetricProblem::Unread))?;
                let first = shape.get_or_insert_with(|| own.clone());
                if *first != own {
                    let message = format!(
                        "what it reads has the shape {own:?} in this row, and {first:?} in others: rows of unequal shapes \
                         are read one by one (without rowwise)"
                    );
                    return Err((run, MetricProblem::Failed { message }));
                }
                all.extend(values);
            }
            let mut shape = shape.unwrap_or_default();
            if self.rowwise {
                shape.insert(0, observed.len());
            }
            arrays.push(Values::double(&shape, all));
        }
        let numbers = Python::attach(|python| -> PyResult<Vec<f64>> {
            let arrays = arrays.into_iter().map(|array| Py::new(python, array));
            let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
            self.call.call1(python, (arrays,))?.extract(python)
        });
        numbers.map_err(|error| {
            let message = error.to_string();
            self.raised.keep(error);
            failed(message)
        })
    }
}

impl Metric for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self) -> Reads {
        self.reads.clone()
    }

    fn value(&self, observed: &Observed<'_>) -> Option<f64> {
        self.called(std::slice::from_ref(observed)).ok()?.first().copied()
    }

    fn values(&self, observed: &[Observed<'_>]) -> Result<Vec<f64>, (usize, MetricProblem)> {
        if self.rowwise {
            return self.called(observed);
        }
        let one = |(run, observed)| {
            let number = self.called(std::slice::from_ref(observed));
            number.map(|values| values[0]).map_err(|(_, problem)| (run, problem))
        };
        observed.iter().enumerate().map(one).collect()
    }
}

fn output(name: &str) -> PyResult<Output> {
    let found = OUTPUTS.iter().find(|(known, _)| *known == name);
    let known: Vec<&str> = OUTPUTS.iter().map(|(name, _)| *name).collect();
    found
        .map(|(_, output)| *output)
        .ok_or_else(|| error::input(UnknownName::new("argument of a metric", name, &known)))
}

impl Output {
    fn reads(self) -> Reads {
        match self {
            Self::Logits | Self::LogProbabilities | Self::Probabilities => Reads::distribution(),
            Self::UneditedLogits | Self::UneditedLogProbabilities | Self::UneditedProbabilities => {
                Reads::distribution().with_unedited()
            }
            Self::TargetLogits => Reads::logits(),
            Self::FoilLogits => Reads::logits().with_foil(),
            Self::TargetLogProbabilities => Reads::log_probabilities(),
            Self::FoilLogProbabilities => Reads::log_probabilities().with_foil(),
        }
    }
}

impl Argument {
    /// Its shape and values in a run.
    fn of(self, observed: &Observed<'_>) -> Option<(Vec<usize>, Vec<f64>)> {
        let output = match self {
            Self::Activation(index) => {
                let values = observed.activations.get(index)?;
                return Some((values.dims().to_vec(), doubles(values)?));
            }
            Self::Output(output) => output,
        };
        let scores = |said: &[Said]| Some(said.iter().map(|said| said.score).collect());
        let logs = |said: &[Said]| -> Option<Vec<f64>> {
            said.iter().map(|said| said.log_probability).collect()
        };
        let exp = |values: Vec<f64>| values.into_iter().map(f64::exp).collect();
        let values: Vec<f64> = match output {
            Output::Logits => observed.distribution?.logits().to_vec(),
            Output::LogProbabilities => observed.distribution?.log_probabilities(),
            Output::Probabilities => exp(observed.distribution?.log_probabilities()),
            Output::UneditedLogits => observed.unedited?.logits().to_vec(),
            Output::UneditedLogProbabilities => observed.unedited?.log_probabilities(),
            Output::UneditedProbabilities => exp(observed.unedited?.log_probabilities()),
            Output::TargetLogits => scores(&observed.target)?,
            Output::FoilLogits => scores(&observed.foil)?,
            Output::TargetLogProbabilities => logs(&observed.target)?,
            Output::FoilLogProbabilities => logs(&observed.foil)?,
        };
        Some((vec![values.len()], values))
    }
}

fn doubles(values: &Tensor) -> Option<Vec<f64>> {
    values.to_dtype(DType::F64).ok()?.flatten_all().ok()?.to_vec1().ok()
}
