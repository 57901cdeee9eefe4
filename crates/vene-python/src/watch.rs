//! A long computation that Python watches: its callback is called, and Ctrl-C looked for, from where the interpreter's lock is
//! not held.

use std::ops::ControlFlow;

use pyo3::prelude::*;

/// What stopped the computation, if Python did.
#[derive(Default)]
pub struct Watch {
    stopped: Option<PyErr>,
}

impl Watch {
    /// Takes the lock for a moment: signals first, then `tell`. An exception of either stops the computation.
    pub fn tell(&mut self, tell: impl FnOnce(Python<'_>) -> PyResult<()>) -> ControlFlow<()> {
        let told = Python::attach(|python| {
            python.check_signals()?;
            tell(python)
        });
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.stopped = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// The exception that stopped it, to be raised before anything else that went wrong then.
    pub fn end(self) -> PyResult<()> {
        self.stopped.map_or(Ok(()), Err)
    }
}
