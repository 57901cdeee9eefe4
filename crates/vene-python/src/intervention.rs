//! A Python callable as an intervention.
//!
//! The callable is handed numbers and gives numbers back (`python/vene/_function.py` makes arrays or torch's tensors of them); the
//! interpreter's lock is held for the call alone. What it raises is carried through the engine as it is, and raised again with
//! the site where it happened (`error.rs`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Tensor, Var};
use pyo3::prelude::*;
use vene::candle_core;
use vene::intervention::{
    Dependence, Granularity, Intervention as Intervenes, SourceCount, Traits, UnitContext,
};
use vene_model::with_backward;

use crate::error;
use crate::values::{Given, Values};

/// An intervention, whoever made it: what plans are given.
#[pyclass(frozen, module = "vene._vene")]
pub struct Intervention {
    pub inner: Arc<dyn Intervenes>,
}

#[pymethods]
impl Intervention {
    /// Of `call(base, sources, context, differentiated)`, which gives the edited values, or `None` where it changes nothing.
    /// `sources`: how many it reads, `none`, `one` or `several`. `rowwise`: rows of many examples may be handed over at once, and
    /// `context` is `None` then. `absolute`: the result does not depend on the base. `gradients`: `never`; `through` it, of what
    /// was trained before it; or `always`, as it has parameters of its own. Where they are wanted `differentiated` is true, and the
    /// call gives a pair, the edited values and a function from their gradient to that of the base.
    #[new]
    #[pyo3(signature = (call, name, sources, *, rowwise = false, absolute = false, gradients = "never"))]
    fn new(
        call: Py<PyAny>,
        name: &str,
        sources: &str,
        rowwise: bool,
        absolute: bool,
        gradients: &str,
    ) -> PyResult<Self> {
        let gradients = match gradients {
            "never" => Gradients::Never,
            "through" => Gradients::Through,
            "always" => Gradients::Always,
            other => {
                return Err(error::plan(format!(
                    "gradients is {other:?}; expected never, through or always"
                )));
            }
        };
        let sources = match sources {
            "none" => SourceCount::None,
            "one" => SourceCount::One,
            "several" => SourceCount::Several,
            other => {
                return Err(error::plan(format!(
                    "sources is {other:?}; expected none, one or several"
                )));
            }
        };
        let result = if absolute { Dependence::Absolute } else { Dependence::Relative };
        let granularity = if rowwise { Granularity::Row } else { Granularity::Whole };
        let traits = Traits::of(sources).result(result).granularity(granularity);
        let inner = Called { name: kept(name), traits, call, gradients };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its name in receipts and tables.
    #[getter]
    fn name(&self) -> &'static str {
        self.inner.name()
    }
}

/// Names live as long as the process, as those of the engine's own interventions do; equal ones are kept once.
fn kept(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

/// When a callable is asked for gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gradients {
    Never,
    /// Where its base has some.
    Through,
    Always,
}

/// The callable.
struct Called {
    name: &'static str,
    traits: Traits,
    call: Py<PyAny>,
    gradients: Gradients,
}

impl fmt::Debug for Called {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Called");
        shown.field("name", &self.name).field("traits", &self.traits).finish_non_exhaustive()
    }
}

impl Called {
    /// Calls it: the edited values, and where gradients are wanted what carries them back.
    fn called(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
        differentiated: bool,
    ) -> PyResult<(Tensor, Option<Py<PyAny>>)> {
        Python::attach(|python| {
            let sources = sources.iter().map(Values::of).collect::<PyResult<Vec<Values>>>()?;
            let context = (!self.traits.is_by_row()).then(|| {
                let UnitContext { example, positions, columns, keys, .. } = context;
                (example, positions.to_vec(), columns.to_vec(), keys.map(<[usize]>::to_vec))
            });
            let given =
                self.call.call1(python, (Values::of(base)?, sources, context, differentiated))?;
            let (given, backward) = if differentiated {
                given.extract::<(Py<PyAny>, Option<Py<PyAny>>)>(python)?
            } else {
                (given, None)
            };
            let after = if given.is_none(python) {
                base.detach()
            } else {
                tensor(python, &given)?.to_dtype(base.dtype()).map_err(error::of_candle)?
            };
            Ok((after, backward))
        })
    }
}

/// What Python gave.
fn tensor(python: Python<'_>, given: &Py<PyAny>) -> PyResult<Tensor> {
    given.extract::<Given>(python)?.tensor(python)
}

impl Intervenes for Called {
    fn name(&self) -> &'static str {
        self.name
    }

    fn traits(&self) -> Traits {
        self.traits
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let wants = base.track_op();
        if wants && self.gradients == Gradients::Never {
            candle_core::bail!(
                "a gradient is wanted through a function of NumPy arrays: one of torch's tensors has gradients (torch=True)"
            );
        }
        if sources.iter().any(Tensor::track_op) {
            candle_core::bail!(
                "a gradient is wanted of a function's source: functions have gradients of their base alone"
            );
        }
        if !wants && self.gradients != Gradients::Always {
            let called = self.called(base, sources, context, false);
            return called.map(|(after, _)| after).map_err(failed);
        }
        // Parameters of the callable get their gradients on the way back, wherever the base came from.
        let base = if base.track_op() {
            base.clone()
        } else {
            Var::from_tensor(&base.detach())?.as_tensor().clone()
        };
        let carried: Arc<Mutex<Option<Py<PyAny>>>> = Arc::default();
        let kept = Arc::clone(&carried);
        with_backward(
            &base,
            |base| {
                let called = self.called(base, sources, context, true);
                let (after, backward) = called.map_err(failed)?;
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = backward;
                Ok(after)
            },
            move |base, gradient| {
                let backward = carried.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(backward) = backward.as_ref() else { return Ok(gradient.clone()) };
                Python::attach(|python| {
                    let given = backward.call1(python, (Values::of(gradient)?,))?;
                    tensor(python, &given)?.to_dtype(base.dtype()).map_err(error::of_candle)
                })
                .map_err(failed)
            },
        )
    }
}

/// A Python exception on its way through the engine.
#[derive(Debug)]
pub struct Raised(pub PyErr);

impl fmt::Display for Raised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Raised {}

fn failed(raised: PyErr) -> candle_core::Error {
    let context = raised.to_string();
    candle_core::Error::WrappedContext { wrapped: Box::new(Raised(raised)), context }
}

/// The exception behind an error of a tensor operation, if Python raised one.
pub fn raised(error: &candle_core::Error) -> Option<&PyErr> {
    match error {
        candle_core::Error::WrappedContext { wrapped, .. } => {
            wrapped.downcast_ref::<Raised>().map(|raised| &raised.0)
        }
        candle_core::Error::WithBacktrace { inner, .. } => raised(inner),
        _ => None,
    }
}
