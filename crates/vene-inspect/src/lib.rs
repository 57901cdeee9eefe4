//! A look inside a language model: what it thinks of at each depth, which of its parts write the answer, what its heads
//! attend to.
//!
//! On the first day with a model one looks before one edits. The engine has every number that this takes; what is here are
//! reductions over activations that it collects and over the model's weights, one idea a file:
//!
//! * [`lens`](mod@lens): the logit lens (nostalgebraist 2020), the distribution that the last norm and the unembedding would
//!   read off the residual stream after each layer;
//! * [`attribution`]: direct logit attribution (Elhage et al. 2021), the share of each part of the model in a logit, or in
//!   the difference of two;
//! * [`attention`]: attention patterns, and how much heads look at the previous token, at earlier copies of the token, and
//!   behind them;
//! * [`composition`]: what heads do by their weights alone;
//! * [`direction`](mod@direction): steering vectors and probes, and how well they tell held-out texts apart;
//! * [`weights`]: any weight by name, in one layout for all families.
//!
//! What is looked at is a [`Subject`]: a prompt, or a row of a data set, with its edits if there are any. Each function takes
//! subjects and gives a table with a row for each number; over the rows of a data set a [`Summary`] takes the tables chunk by
//! chunk ([`chunks`]) and gives means with bootstrap intervals. Nothing here edits a run.

pub mod attention;
pub mod attribution;
mod collected;
pub mod composition;
pub mod direction;
mod eigenvalues;
mod error;
mod frozen;
pub mod lens;
mod subject;
mod summary;
pub mod weights;

pub use error::InspectError;
pub use subject::{Asked, OfRows, RowsAsked, Seen, Subject, chunks};
pub use summary::Summary;
