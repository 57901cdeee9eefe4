//! What a user should know about a model that loads all the same.
//!
//! Some files say two things, or something that is not followed. The model still runs, but not in
//! silence: whoever finds such a thing adds a sentence here. The command prints each once and writes
//! all of them into a run's record.

use std::sync::{Mutex, PoisonError};

/// Sentences about a model, in the order in which they were found, each once.
#[derive(Debug, Default)]
pub struct Notices(Mutex<Vec<String>>);

impl Notices {
    /// Adds a sentence, unless it is there already. Say what was found, what is done about it, and how
    /// to get the other thing.
    pub fn add(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        let mut sentences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }

    /// All sentences so far. Reading the weights may add some.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clone for Notices {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.all()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_kept_once_and_in_order() {
        let notices = Notices::default();
        ["b", "a", "b"].into_iter().for_each(|sentence| notices.add(sentence));
        assert_eq!(notices.all(), ["b", "a"]);
    }
}
