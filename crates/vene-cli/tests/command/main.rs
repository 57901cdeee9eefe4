//! The command, through its binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod advised;
mod bad_input;
mod chat;
mod circuit;
mod collect;
mod demo;
mod direction;
mod folders;
mod generate;
mod help;
mod hub;
mod ignored_keys;
mod interrupted;
#[cfg(target_os = "linux")]
mod join;
mod look;
mod memory;
mod options;
mod over_data;
mod owner;
mod pipes;
mod real_model;
mod run;
mod schema;
mod sites;
mod support;
mod sweep;
mod task;
mod terminal;
mod tokenizers;
mod top;
mod train;
mod train_answers;
mod train_grid;
