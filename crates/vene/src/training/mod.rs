//! Training interventions: the model is frozen, and what is learned is where in it something is.
//!
//! A trainable intervention (a rotation, a mask) has parameters; [`Trainer`] moves them so that the
//! edited runs answer as they should: with the label that a causal model gives to the counterfactual
//! (distributed alignment search, Geiger et al. 2024), or with whatever a loss of one's own says. Only the
//! part of the model behind the first edit is run; all that no edit changes is kept from the first pass on
//! ([`TrainRun`]).

mod annealing;
mod batch;
mod checkpoint;
mod control;
mod error;
mod objective;
mod optimizer;
mod parametrization;
mod progress;
mod schedule;
mod trainer;

pub use annealing::Annealing;
pub use control::{random_directions, split, whole_activations, with_random_directions};
pub use error::TrainingError;
pub use objective::{
    BatchLoss, CrossEntropy, Divergence, FoilLead, FromLogits, Loss, Objective, Penalty, SumOf,
};
pub use optimizer::{AdamW, Rotations, State as OptimizerState};
pub use progress::{Epoch, Evaluation, Step, Trained, TrainingProgress};
pub use schedule::Schedule;
pub use trainer::{Examples, Trainer, TrainingFile};
pub use vene_engine::{TrainRun, unembedding_gradient};
