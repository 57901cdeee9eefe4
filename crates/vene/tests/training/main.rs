//! Training: gradients through the frozen model, and what is learned with them.
#![allow(clippy::unwrap_used, missing_docs)]

mod alignment;
mod gradients;
mod learning;
mod memory;
mod pyreft;
mod shift;
mod teacher_forced;
mod trajectories;
