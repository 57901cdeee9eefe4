//! What the conformance tests of several crates share: the fixtures, opened; runs, recorded;
//! errors, measured.
//!
//! Nothing here knows of interventions, so that `vene-model` can be tested with it too. Whatever
//! goes wrong here is a broken fixture or a bug in a test, and panics with its reason.

#![allow(clippy::unwrap_used)]

mod agreement;
mod command_lines;
mod configuration;
mod fixture;
pub mod formula;
pub mod gguf;
mod real;
mod recorder;
mod tokenizer;

pub use agreement::{Agreement, relative_error, values};
pub use command_lines::command_lines;
pub use configuration::{Configured, Expected, Patch};
pub use fixture::{Fixture, fixture_folder, json, model_names, tensors};
pub use real::RealModel;
pub use recorder::{Recording, record};
