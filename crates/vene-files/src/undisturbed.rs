//! Writing that is done to its end although the process was asked to stop.
//!
//! Where a signal ends the process, a file that is half-written stays behind under its temporary name. Whoever handles
//! the signal calls [`end_writing`] before the process ends: it waits for what is being written, and lets nothing new
//! begin. Every function of this crate that writes does so within [`undisturbed`], whichever crate calls it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

static GATE: Gate = Gate::new();

/// Does something to its end, even if [`end_writing`] is called meanwhile. Calls may stand within each other.
///
/// After the end of writing it does not return, but on the thread that ended it.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _inside = GATE.enter();
    work()
}

/// Waits until nothing is within [`undisturbed`], and lets none but this thread into it from then on.
///
/// For a process that is about to end.
pub fn end_writing() {
    GATE.close();
}

struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// How many are inside, those within each other counted each.
    inside: usize,
    closed_by: Option<ThreadId>,
}

impl Gate {
    const fn new() -> Self {
        let state = Mutex::new(State { inside: 0, closed_by: None });
        Self { state, changed: Condvar::new() }
    }

    fn enter(&self) -> Inside<'_> {
        let own = thread::current().id();
        let mut state = self.state();
        while state.closed_by.is_some_and(|thread| thread != own) {
            state = self.wait(state);
        }
        state.inside += 1;
        Inside(self)
    }

    fn close(&self) {
        let mut state = self.state();
        while state.inside > 0 {
            state = self.wait(state);
        }
        state.closed_by = Some(thread::current().id());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inside<'g>(&'g Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.state().inside -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[test]
    fn what_is_being_written_is_waited_for_and_nothing_begins_after_it() {
        let gate: &'static Gate = Box::leak(Box::new(Gate::new()));
        let outer = gate.enter();
        let (say, hear) = mpsc::channel();
        let closing = say.clone();
        thread::spawn(move || {
            gate.close();
            // Whoever ended it may still write: that the run was stopped.
            drop(gate.enter());
            closing.send("closed").unwrap();
        });
        assert!(hear.recv_timeout(SOON).is_err());
        // What is inside may go further in.
        drop(gate.enter());
        assert!(hear.recv_timeout(SOON).is_err());
        drop(outer);
        assert_eq!(hear.recv().unwrap(), "closed");
        thread::spawn(move || {
            drop(gate.enter());
            say.send("entered").unwrap();
        });
        assert!(hear.recv_timeout(SOON).is_err());
    }

    #[test]
    fn a_panic_inside_leaves_the_gate_open_to_be_closed() {
        let gate = Gate::new();
        let entered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _inside = gate.enter();
            panic!("a writer's");
        }));
        assert!(entered.is_err());
        gate.close();
    }
}
