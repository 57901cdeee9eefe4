//! Libraries that panic on what a hostile file says.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many guarded calls this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A guarded call panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// What it panicked with.
    pub message: String,
}

impl Panicked {
    fn with(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self { message: text.unwrap_or("a panic without a message").to_owned() }
    }
}

/// Calls a library that may panic. If it does, nothing is printed, and the caller says what the panic means.
///
/// Values that the call left half-changed must not be used afterwards. Panics of other threads, also of those that
/// the call starts, are printed as ever.
///
/// # Errors
/// [`Panicked`].
pub fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            // Where the thread is ending there is no call to be guarded.
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                print(panic);
            }
        }));
    });
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let called = catch_unwind(AssertUnwindSafe(call));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    called.map_err(|payload| Panicked::with(payload.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_panics_of_guarded_calls_are_silent() {
        let panicked = |message: &str| Panicked { message: message.to_owned() };
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        set_hook(Box::new(|_| {
            PRINTED.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| -> u8 { panic!("in a library") }), Err(panicked("in a library")));
        // Within another guarded call, and after one that ended within it.
        let nested = guarded(|| {
            assert_eq!(guarded(|| -> u8 { panic!("inner") }), Err(panicked("inner")));
            panic!("outer")
        });
        assert_eq!(nested, Err::<(), _>(panicked("outer")));
        assert_eq!(PRINTED.load(Ordering::Relaxed), 0);
        assert!(catch_unwind(|| panic!("of our own")).is_err());
        assert_eq!(PRINTED.load(Ordering::Relaxed), 1);
    }
}
