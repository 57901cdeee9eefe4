//! The one way from Python into a computation: without the interpreter's lock, stopped by Ctrl-C, and never ending in a panic.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use vene_files::{Panicked, guarded, interruptible};

use crate::error;

/// How often signals are looked for: soon enough for a person, and too seldom to be felt.
const EVERY: Duration = Duration::from_millis(50);

/// Whether threads were started, which do not outlive a fork.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Whether this process is a fork of one in which they were.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Computes something; other threads of Python run meanwhile. `failed` makes an exception of its error.
///
/// Signals are looked for at every step of the computation, and what Python's own functions raise in its middle
/// ([`Watch::tell`]) is raised here.
pub fn compute<T: Send, E: Send>(
    python: Python<'_>,
    work: impl FnOnce(&Watch) -> Result<T, E> + Send,
    failed: impl FnOnce(E) -> PyErr,
) -> PyResult<T> {
    if FORKED.load(Ordering::Relaxed) {
        return Err(error::run(
            "this process was forked from one in which vene had computed, and threads do not outlive a fork: start \
             processes by \"spawn\" or \"forkserver\" (multiprocessing.get_context), where a model goes by pickle, or load \
             the model in the new process alone",
        ));
    }
    STARTED.store(true, Ordering::Relaxed);
    let watch = Watch::default();
    let (signals, mut last) = (watch.clone(), Instant::now());
    let goes_on = move || {
        if last.elapsed() < EVERY {
            return true;
        }
        last = Instant::now();
        signals.tell(|_| Ok(())).is_continue()
    };
    let done = python.detach(|| guarded(|| interruptible(goes_on, || work(&watch))));
    if let Some(stopped) = watch.take() {
        return Err(stopped);
    }
    match done {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(failed(error)),
        Err(panic) => Err(of_panic(panic)),
    }
}

/// Does something short, whose panic, a defect, is an exception as well.
pub fn briefly<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    guarded(work).unwrap_or_else(|panic| Err(of_panic(panic)))
}

fn of_panic(Panicked { message }: Panicked) -> PyErr {
    error::run(format!("this is a defect of vene, please report it: {message}"))
}

/// What Python sees and says of a computation while it goes on.
#[derive(Clone, Default)]
pub struct Watch {
    stopped: Arc<Mutex<Option<PyErr>>>,
}

impl Watch {
    /// Takes the interpreter's lock for a moment: signals first, then `tell`. An exception of either stops the computation.
    pub fn tell(&self, tell: impl FnOnce(Python<'_>) -> PyResult<()>) -> ControlFlow<()> {
        let told = Python::attach(|python| {
            python.check_signals()?;
            tell(python)
        });
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    fn take(&self) -> Option<PyErr> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// To be called in a process that was forked.
#[pyfunction]
pub fn after_fork() {
    if STARTED.load(Ordering::Relaxed) {
        FORKED.store(true, Ordering::Relaxed);
    }
}

/// What becomes of a panic, for the tests: there is none that a caller could bring about.
#[pyfunction]
#[pyo3(name = "_panic")]
pub fn panic(python: Python<'_>) -> PyResult<()> {
    compute(python, |_| -> Result<(), PyErr> { panic!("of a test") }, |error| error)
}
