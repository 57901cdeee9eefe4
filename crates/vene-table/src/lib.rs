//! Tidy tables: what a sweep measured, one row an observation, one column a variable.
//!
//! A result that lives only inside the program that made it cannot be checked, joined or drawn
//! again. So everything vene measures ends as a [`Table`]: named, typed columns of equal length,
//! with a few key-value notes on where the numbers come from. Its columns are Arrow arrays, and
//! [`Table::batch`] hands them out as a record batch. A table is written as CSV (for
//! eyes, spreadsheets and R) and as Parquet (typed, small, with its notes), and is read back
//! from either. It knows nothing of models: the figures in `vene-report` need no more than this.
//!
//! What is too long for the memory is a [`TableSource`]: files of Parquet ([`TableFile`]), [`Joined`] where they are
//! several, which are read chunk by chunk.
//!
//! A file appears whole or not at all ([`vene_files::write_atomically`]): an interrupted run leaves no
//! half-written table to be mistaken for a finished one. A file that is read may be damaged, or made
//! to do harm: [`GuardedParquet`] looks at its counts first, and ends in a sentence.
//!
//! ```
//! use vene_table::Table;
//!
//! let table = Table::builder()
//!     .column("component", vec!["mlp_output", "mlp_output"])
//!     .column("layer", vec![Some(0_usize), Some(1)])
//!     .column("head", vec![None::<usize>, None])
//!     .column("probability", vec![0.105, 0.157])
//!     .metadata("model", "gpt2")
//!     .build()?;
//! assert_eq!(table.floats("probability")?, [0.105, 0.157]);
//!
//! let error = table.floats("logit").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "the table has no column `logit`; it has `component`, `layer`, `head`, `probability`"
//! );
//! # Ok::<(), vene_table::TableError>(())
//! ```

mod alike;
mod column;
mod csv;
mod display;
mod distinct;
mod error;
mod guarded;
mod join;
mod memory;
mod parquet;
mod place;
mod source;
mod table;
mod value;
mod words;

pub use column::{Column, Kind};
pub use distinct::Distinct;
pub use error::TableError;
pub use guarded::{GuardedBatches, GuardedParquet, ParquetFault};
pub use join::Joined;
pub use memory::available_memory;
pub use parquet::TableFile;
pub use place::Place;
pub use source::{Chunks, TableSource};
pub use table::{Table, TableBuilder};
pub use value::Value;
pub use words::Words;
