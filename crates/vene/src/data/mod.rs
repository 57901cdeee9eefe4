//! Data sets: rows of a base, a source, their answers, and the phrases that positions are named
//! after.
//!
//! One prompt pair is an anecdote. A data set holds many, alike in form: each row says what the
//! model should answer to its base (the *target*) and to its source (the *foil*), which phrases
//! play the same role in all rows (*spans*), and from which template it was made (its *group*).

mod answers;
mod batches;
mod jsonl_writer;
mod left_out;
mod prepare;
mod prompts;
pub mod read;
mod role;
mod row;
mod unspaced;

pub(crate) use answers::{Answers, Continuation, Numbers};
pub(crate) use batches::batches;
pub use jsonl_writer::{WriteError, write_jsonl};
pub use left_out::{LeftOut, Reason, RowName};
pub use prepare::PreparedRow;
pub(crate) use prepare::{FurtherSource, Requirements, answers, prepare};
pub use read::{
    DataError, DataFile, Layout, Place, ReadOptions, RowError, UnusedColumn, read, read_with,
};
pub use role::{Role, RoleError, SpanPart};
pub use row::{FoilIs, Phrase, Row, Span};
pub use unspaced::{Unspaced, unspaced};
