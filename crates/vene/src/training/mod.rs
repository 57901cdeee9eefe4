//! Training interventions: the model is frozen, and what is learned is where in it something is.
//!
//! A trainable intervention (a rotation, a mask) has parameters; [`Trainer`] moves them so that the
//! edited runs answer as they should: with the label that a causal model gives to the counterfactual
//! (distributed alignment search, Geiger et al. 2024), or with whatever a loss of one's own says. Only the
//! part of the model behind the first edit is run; what lies before it is kept from the first pass on
//! ([`Suffix`]).

mod optimizer;
mod schedule;
mod trainer;

pub use crate::engine::Suffix;
pub use optimizer::{AdamW, State as OptimizerState};
pub use schedule::Schedule;
pub use trainer::{Step, Trained, Trainer, TrainingError};
