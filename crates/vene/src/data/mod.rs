//! Data sets: rows of a base, a source, their answers, and the phrases that positions are named
//! after.
//!
//! One prompt pair is an anecdote. A data set holds many, alike in form: each row says what the
//! model should answer to its base (the *target*) and to its source (the *foil*), which phrases
//! play the same role in all rows (*spans*), and from which template it was made (its *group*).

mod jsonl_writer;
mod row;

pub use jsonl_writer::{WriteError, write_jsonl};
pub use row::{Phrase, Row, Span};
