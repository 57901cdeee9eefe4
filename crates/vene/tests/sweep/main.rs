//! Sweeps over data sets, held to what a loop over rows with one plan for each would find.
//!
//! Nothing here knows how a sweep is made: prompts are tokenized again, positions counted by hand,
//! sequences read token by token, each in a run of its own.

#![allow(clippy::unwrap_used)]

mod batches;
mod causal_tracing;
mod controls;
mod direct;
mod draws;
mod hand;
mod lines;
mod mean;
mod metrics;
mod own;
mod pair;
mod random;
mod refused;
mod restore;
mod rows_left_out;
mod subject;
mod summary;
mod total;
mod treatments;
mod window;
