//! How far something is, on standard error, where a person is looking.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::duration;
use crate::memory::room_for_threads;

/// A bar with the time that has passed and about the time that is left; a spinner until anything is done.
pub struct Bar {
    bar: ProgressBar,
    /// What was done before, by another process: it says nothing of this one's speed.
    before: Arc<AtomicU64>,
}

impl Bar {
    /// Of so many things; 0 where their number is not known yet.
    pub fn new(length: usize, what: impl Into<Cow<'static, str>>) -> Self {
        let before = Arc::new(AtomicU64::new(0));
        let start = Arc::clone(&before);
        let left = move |state: &ProgressState, out: &mut dyn Write| {
            let seconds =
                left(state.elapsed(), start.load(Ordering::Relaxed), state.pos(), state.len());
            let _ = match seconds {
                Some(seconds) => write!(out, ", about {} left", duration(seconds)),
                None => Ok(()),
            };
        };
        let passed = |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&duration(state.elapsed().as_secs_f64()));
        };
        let style = "{spinner} {msg} {wide_bar} {pos}/{len} {passed}{left}";
        let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
        let bar = super::shown(ProgressBar::new(length as u64))
            .with_style(style.with_key("left", left).with_key("passed", passed))
            .with_message(what);
        // It moves before anything is done, too. That takes a thread, and nobody looks where it is hidden.
        if !bar.is_hidden() && room_for_threads(1).is_ok() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, before }
    }

    /// Says what was done before, by another process.
    pub fn begin_at(&self, done: u64) {
        self.before.store(done, Ordering::Relaxed);
        self.bar.set_position(done);
    }

    /// How many there are.
    pub fn set_length(&self, length: usize) {
        self.bar.set_length(length as u64);
    }

    /// How many are done.
    pub fn set(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// What is said beside it.
    pub fn say(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Removes it.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The seconds that are left at the speed so far; none before anything is done.
fn left(passed: Duration, before: u64, done: u64, all: Option<u64>) -> Option<f64> {
    let here = done.checked_sub(before).filter(|&here| here > 0)?;
    let left = all?.saturating_sub(done);
    Some(passed.as_secs_f64() * left as f64 / here as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_what_this_process_did() {
        let second = Duration::from_secs(1);
        assert_eq!(left(second, 0, 0, Some(10)), None);
        assert_eq!(left(second, 0, 2, Some(10)), Some(4.0));
        // Half was done by another process.
        assert_eq!(left(second, 5, 5, Some(10)), None);
        assert_eq!(left(second, 5, 6, Some(10)), Some(4.0));
        assert_eq!(left(second, 0, 10, Some(10)), Some(0.0));
        assert_eq!(left(second, 0, 3, None), None);
    }
}
