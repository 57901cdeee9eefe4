//! Errors that print their sentence, whoever prints them.
//!
//! `fn main() -> Result<(), Box<dyn Error>>` prints an error by `Debug`, and so does `unwrap`. A derived one shows fields and
//! variants of an enum; what a user needs is the sentence, which says what to do.

use std::error::Error;
use std::fmt::{Formatter, Result};

/// Writes what an error says, and behind it what those say that it comes from, each once.
///
/// # Errors
/// Failures of the formatter.
pub fn sentence(error: &dyn Error, formatter: &mut Formatter<'_>) -> Result {
    let mut said = error.to_string();
    formatter.write_str(&said)?;
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // Behind the first line some have a backtrace.
        let text = text.lines().next().unwrap_or_default();
        if !said.contains(text) {
            write!(formatter, ": {text}")?;
            said += text;
        }
        source = error.source();
    }
    Ok(())
}

/// Implements `Debug` of errors by their sentence.
///
/// ```
/// #[derive(thiserror::Error)]
/// #[error("the text of {path} cannot be read")]
/// struct Unreadable {
///     path: String,
///     source: std::fmt::Error,
/// }
///
/// vene_named::debug_as_sentence!(Unreadable);
///
/// let error = Unreadable { path: "notes".to_owned(), source: std::fmt::Error };
/// let said = "the text of notes cannot be read: an error occurred when formatting an argument";
/// assert_eq!(format!("{error:?}"), said);
/// ```
#[macro_export]
macro_rules! debug_as_sentence {
    ($error:ty) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::sentence(self, formatter)
            }
        }
    };
}
