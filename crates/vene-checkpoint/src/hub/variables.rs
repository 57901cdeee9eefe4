//! Values of the environment, and what of them cannot be followed.
//!
//! A variable whose value means nothing here is not ignored in silence: somebody set it for a reason.

use std::cell::RefCell;
use std::time::Duration;

/// Longer than anybody waits. More would be more than a clock can count.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Values longer than this are cut in messages.
const SHOWN: usize = 80;

/// The variables of an environment.
pub(super) struct Variables<F> {
    find: F,
    doubts: RefCell<Vec<String>>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// `find` gives a variable's value.
    pub fn new(find: F) -> Self {
        Self { find, doubts: RefCell::default() }
    }

    /// The value of a variable that is there and not empty.
    pub fn set(&self, name: &str) -> Option<String> {
        (self.find)(name).filter(|value| !value.trim().is_empty())
    }

    /// The first of these variables that is set, with its value.
    pub fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.set(name)?)))
    }

    /// Whether the first of these variables that is set says so. What is neither yes nor no is no, as to
    /// Python's client.
    pub fn is_on(&self, names: &[&'static str]) -> bool {
        let Some((name, value)) = self.first(names) else { return false };
        match value.trim().to_ascii_uppercase().as_str() {
            "1" | "ON" | "YES" | "TRUE" => true,
            "0" | "OFF" | "NO" | "FALSE" => false,
            _ => {
                self.doubt(
                    name,
                    &value,
                    "is neither 1 (yes, on, true) nor 0 (no, off, false): it is taken for 0",
                );
                false
            }
        }
    }

    /// A time in whole seconds.
    pub fn seconds(&self, name: &str, default: Duration) -> Duration {
        let Some(value) = self.set(name) else { return default };
        let digits = value.trim();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.doubt(
                name,
                &value,
                &format!("is not a whole number of seconds: {} s are used", default.as_secs()),
            );
            return default;
        }
        // One with too many digits is longer than any.
        let seconds = digits.parse().unwrap_or(u64::MAX);
        if seconds == 0 {
            self.doubt(name, &value, &format!("is no time: {} s are used", default.as_secs()));
            return default;
        }
        let wanted = Duration::from_secs(seconds);
        if wanted > LONGEST {
            let longest = LONGEST.as_secs();
            self.doubt(name, &value, &format!("is longer than a day: {longest} s are used"));
        }
        wanted.min(LONGEST)
    }

    /// Notes a value that is not followed: `what` follows `NAME=value`.
    pub fn doubt(&self, name: &str, value: &str, what: &str) {
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        self.doubts.borrow_mut().push(format!("{name}={} {what}", shown.escape_debug()));
    }

    /// All that was noted.
    pub fn doubts(self) -> Vec<String> {
        self.doubts.into_inner()
    }
}
