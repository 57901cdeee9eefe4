//! Computations that can be stopped from within, by whoever started them.
//!
//! A command is stopped by ending its process. A library within another program, such as a Python interpreter, has to
//! give the thread back instead. So a long computation calls [`check_interrupt`] at each of its steps (a block of a
//! model, a layer that is read), and the program that started it says by [`interruptible`] whether it should go on.
//! Where nobody does a check costs a few nanoseconds.

use std::cell::RefCell;

type Check = Box<dyn FnMut() -> bool>;

thread_local! {
    static CHECK: RefCell<Option<Check>> = const { RefCell::new(None) };
}

/// The computation was stopped by whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the computation was stopped")
    }
}

impl std::error::Error for Interrupted {}

/// Computes on this thread; whenever the computation looks whether it should go on, `goes_on` says so.
pub fn interruptible<T>(goes_on: impl FnMut() -> bool + 'static, compute: impl FnOnce() -> T) -> T {
    // What was asked before is asked again afterwards, also where the computation panics.
    let _restored = Restored(CHECK.replace(Some(Box::new(goes_on))));
    compute()
}

/// Looks whether the computation on this thread should go on.
///
/// # Errors
/// Where it should not.
pub fn check_interrupt() -> Result<(), Interrupted> {
    // Taken out while it is asked: what it calls may compute by itself.
    let Some(mut check) = CHECK.take() else { return Ok(()) };
    let goes_on = check();
    CHECK.replace(Some(check));
    if goes_on { Ok(()) } else { Err(Interrupted) }
}

struct Restored(Option<Check>);

impl Drop for Restored {
    fn drop(&mut self) {
        CHECK.replace(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computation_is_asked_for_and_nested_ones_by_themselves() {
        assert_eq!(check_interrupt(), Ok(()));
        let mut left = 2;
        let steps = move || {
            left -= 1;
            left >= 0
        };
        interruptible(steps, || {
            assert_eq!(check_interrupt(), Ok(()));
            interruptible(|| false, || assert_eq!(check_interrupt(), Err(Interrupted)));
            assert_eq!(check_interrupt(), Ok(()));
            assert_eq!(check_interrupt(), Err(Interrupted));
        });
        assert_eq!(check_interrupt(), Ok(()));
    }

    #[test]
    fn what_is_asked_may_compute() {
        let nested = || interruptible(|| true, || check_interrupt().is_ok());
        interruptible(nested, || assert_eq!(check_interrupt(), Ok(())));
    }
}
