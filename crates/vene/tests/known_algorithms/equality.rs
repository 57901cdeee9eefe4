//! The modules of the example `hierarchical_equality`.

#[path = "../../examples/hierarchical_equality/alignment.rs"]
pub mod alignment;
#[path = "../../examples/hierarchical_equality/experiment.rs"]
pub mod experiment;
#[path = "../../examples/hierarchical_equality/perceptron.rs"]
pub mod perceptron;

use super::{accuracy, learner};
