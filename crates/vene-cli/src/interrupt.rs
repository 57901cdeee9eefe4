//! Ctrl-C, SIGTERM and SIGHUP: the program ends at once, but never in the middle of its output.
//!
//! Files are written as a set ([`crate::folder`]), within [`vene_files::undisturbed`]. Whoever presses Ctrl-C during
//! that fraction of a second gets all of them; at any other time, none. Before the program ends, here or for lack of memory, what was
//! registered by [`when_stopped`] is done: folders are let go of.

use std::io::Write;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;

/// 128 + SIGINT, as shells have it.
const STOPPED: i32 = 130;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a signal.
    Stopped,
    /// There is no memory left. Any lock may be held by the thread that finds out, so that none may be waited for.
    NoMemory,
}

type Work = Box<dyn FnOnce(Ending) + Send>;

static WHEN_STOPPED: Mutex<Vec<(u64, Work)>> = Mutex::new(Vec::new());

/// What is said where the program was stopped.
static ADVICE: Mutex<Option<String>> = Mutex::new(None);

/// Says how to go on, where the program was stopped.
pub fn advise(advice: String) {
    *held(&ADVICE) = Some(advice);
}

/// Makes Ctrl-C, SIGTERM and SIGHUP end the program with exit code 130.
pub fn install() -> anyhow::Result<()> {
    ignore_file_size()?;
    keeping_hangup_ignored(|| {
        ctrlc::set_handler(|| {
            vene_files::end_writing();
            let work = std::mem::take(&mut *held(&WHEN_STOPPED));
            work.into_iter().for_each(|(_, work)| work(Ending::Stopped));
            // The terminal may be gone, which is no reason to stay.
            let advice = held(&ADVICE).take();
            let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
            let _ = writeln!(std::io::stderr(), "\nstopped{advice}");
            process::exit(STOPPED);
        })
        .context("no thread can be started that handles Ctrl-C; is there too little memory?")
    })
}

/// A file that grows past the limit of its size (`ulimit -f`) is an error of the write that grew it, not the program's
/// end by a signal.
#[cfg(unix)]
fn ignore_file_size() -> anyhow::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: where a signal is ignored, no handler runs that could be unsound.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.context("SIGXFSZ cannot be ignored")?;
    Ok(())
}

#[cfg(not(unix))]
fn ignore_file_size() -> anyhow::Result<()> {
    Ok(())
}

/// A run that was started by `nohup` outlives its terminal: where SIGHUP is ignored it stays so.
#[cfg(unix)]
fn keeping_hangup_ignored(install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: where a signal is ignored, no handler runs that could be unsound.
    let before = unsafe { sigaction(Signal::SIGHUP, &ignored) };
    install()?;
    if before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn)) {
        // SAFETY: as above.
        unsafe { sigaction(Signal::SIGHUP, &ignored) }.context("SIGHUP cannot be ignored")?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keeping_hangup_ignored(install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    install()
}

/// Does what was registered, if nobody is at it. The program ends then.
pub fn end_without_memory() {
    let Ok(mut registered) = WHEN_STOPPED.try_lock() else { return };
    let work = std::mem::take(&mut *registered);
    drop(registered);
    work.into_iter().for_each(|(_, work)| work(Ending::NoMemory));
}

/// Work that is to be done if the program is stopped; no longer once this is dropped.
pub struct WhenStopped(u64);

/// Registers such work.
pub fn when_stopped(work: impl FnOnce(Ending) + Send + 'static) -> WhenStopped {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    held(&WHEN_STOPPED).push((number, Box::new(work)));
    WhenStopped(number)
}

impl Drop for WhenStopped {
    fn drop(&mut self) {
        held(&WHEN_STOPPED).retain(|(number, _)| *number != self.0);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
