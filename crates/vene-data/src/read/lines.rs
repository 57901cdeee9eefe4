//! In which line of a file something stands.

/// Counts lines as it goes through a file.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    at: usize,
    line: u64,
}

impl Lines {
    pub fn new() -> Self {
        Self { at: 0, line: 1 }
    }

    /// The line of a byte that does not lie before the last one that was asked for.
    pub fn of(&mut self, text: &[u8], byte: usize) -> u64 {
        let passed = text.get(self.at..byte).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = byte.max(self.at);
        self.line
    }
}
