//! Data sets: rows of a base, a source, their answers, and the phrases that positions are named
//! after.
//!
//! One prompt pair is an anecdote. A data set holds many, alike in form: each row says what the
//! model should answer to its base (the *target*) and to its source (the *foil*), which phrases
//! play the same role in all rows (*spans*), and from which template it was made (its *group*).
//!
//! [`task`] makes such data sets of words that a model knows; [`causal`] says, of a model of the task, which answer a
//! counterfactual must give.

mod answers;
mod batches;
pub mod causal;
mod jsonl_writer;
mod left_out;
mod over_rows;
mod prepare;
mod prompts;
pub mod read;
mod role;
mod row;
mod split;
pub mod task;
mod unspaced;

pub use answers::{AnswerTokens, Answers, Continuation, PositionNumbers, Said};
pub use batches::batches;
pub use jsonl_writer::{WriteError, write_jsonl};
pub use left_out::{LeftOut, Reason, RowName};
pub use over_rows::{OverRows, PlanRows, at_rows};
pub use prepare::{FurtherSource, PreparedRow, Requirements, answers, prepare};
pub use read::{
    DataError, DataFile, Layout, Place, ReadOptions, RowError, UnusedColumn, read, read_with,
};
pub use row::{FoilIs, Phrase, Row, Span};
pub use split::{Split, SplitError, SplitRows, Together, shared_prompts};
pub use unspaced::{Unspaced, lacks_space, unspaced};
pub use vene_engine::plan::{Role, RoleError};
