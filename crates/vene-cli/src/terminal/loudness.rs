//! How much is said beside what was asked for: `--quiet` and `--verbose`.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// Errors, and what was asked for.
    Quiet,
    /// Warnings, progress, and which files were written too.
    Usual,
    /// What is loaded, memory, threads and times too.
    Verbose,
}

const ALL: [Loudness; 3] = [Loudness::Quiet, Loudness::Usual, Loudness::Verbose];

static CHOSEN: AtomicU8 = AtomicU8::new(1);

impl Loudness {
    /// From now on so much is said.
    pub fn choose(self) {
        let number = ALL.iter().position(|&loudness| loudness == self).unwrap_or(1);
        CHOSEN.store(number as u8, Ordering::Relaxed);
    }

    /// How much is said.
    pub fn now() -> Self {
        ALL.get(usize::from(CHOSEN.load(Ordering::Relaxed))).copied().unwrap_or(Self::Usual)
    }
}

/// Whether only errors and what was asked for are said.
pub fn is_quiet() -> bool {
    Loudness::now() == Loudness::Quiet
}

/// Says something that only who asks for it wants to know.
pub fn detail(message: impl FnOnce() -> String) {
    if Loudness::now() == Loudness::Verbose {
        super::inform(message());
    }
}

/// Says what the process took.
pub fn detail_end(passed: Duration) {
    detail(|| {
        let memory = peak().map_or_else(String::new, |bytes| {
            format!(", at most {:.0} MB of memory", bytes as f64 / 1e6)
        });
        format!("took {}{memory}", super::duration(passed.as_secs_f64()))
    });
}

/// The most memory that the process had at once, in bytes.
fn peak() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        let kilobytes = getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss();
        u64::try_from(kilobytes).ok().map(|kilobytes| kilobytes << 10)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
