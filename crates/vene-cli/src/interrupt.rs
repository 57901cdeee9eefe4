//! Ctrl-C: the program ends at once, but never in the middle of its output.
//!
//! Files are written as a set ([`crate::folder`]), within [`undisturbed`]. Whoever presses
//! Ctrl-C during that fraction of a second gets all of them; at any other time, none.

use std::process;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

/// 128 + SIGINT, as shells have it.
const STOPPED: i32 = 130;

static WRITING: Mutex<()> = Mutex::new(());

/// Makes Ctrl-C end the program with exit code 130.
pub fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        let _finished = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("\nstopped");
        process::exit(STOPPED);
    })
    .context("Ctrl-C cannot be handled")
}

/// Runs something to its end even if Ctrl-C is pressed meanwhile.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}
