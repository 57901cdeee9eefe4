//! The way back through a decoder's operations: from the gradient of what they gave to that of what they
//! were given.
//!
//! Weights are frozen, so there is no gradient for them. What an operation needs of its way there it computes
//! again: its inputs are kept anyway, and all else would be memory. The same promises as everywhere here: a
//! row's gradient depends on that row alone, on no number of threads.

mod activation;
mod attention;
mod cross_entropy;
mod norm;

pub use activation::{activate_gated_gradient, activate_gradient};
pub use attention::{AttentionGradient, attend_gradient};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use norm::{layer_norm_gradient, root_mean_square_norm_gradient};
