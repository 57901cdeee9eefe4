//! Whether a content comes at all.

use std::time::{Duration, Instant};

/// Bytes that must come within a time, so that a server that drips one at a time is a stalled one.
pub(super) struct Flow {
    started: Instant,
    window: Duration,
    bytes: u64,
}

impl Flow {
    /// Slower than this and nothing comes, as far as a user is concerned.
    const LEAST: u64 = 4096;

    pub fn new(stall: Duration) -> Self {
        Self { started: Instant::now(), window: stall.saturating_mul(3), bytes: 0 }
    }

    /// Notes bytes that came; false where too few came in the last window.
    pub fn note(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        if self.started.elapsed() < self.window {
            return true;
        }
        let enough = self.bytes >= Self::LEAST;
        self.started = Instant::now();
        self.bytes = 0;
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_is_nothing() {
        let mut flow = Flow::new(Duration::from_millis(10));
        assert!(flow.note(1));
        std::thread::sleep(Duration::from_millis(40));
        assert!(!flow.note(1));
        std::thread::sleep(Duration::from_millis(40));
        assert!(flow.note(5000));
        assert!(flow.note(1));
    }
}
