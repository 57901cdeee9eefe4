//! The fused kernels of a transformer decoder on a CPU: f32 slices in, slices out.
//!
//! A decoder on packed rows needs few operations: products with weight matrices, attention, norms,
//! rotary encodings, activation functions, sums, and the reduction of the vocabulary. General
//! tensor libraries do each with one thread, or with a copy, or by writing out what the next
//! operation reads only once. Here each is one pass over slices that belong to the caller, and runs
//! on the threads of rayon's current pool where there is enough to do.
//!
//! What all kernels promise:
//!
//! - **The same bits whatever the number of threads, and whatever other rows are in the batch.**
//!   Each output is computed by one thread in one order, which follows from the row itself and the
//!   sizes of the weights.
//! - Between processors bits may differ: with AVX-512, AVX2 or neither, sums are cut differently
//!   ([`InstructionSet`] says which it is and can be limited).
//! - Sizes are checked; slices that don't fit panic with what was expected.
//! - Infinities and NaN stay in the rows and columns that they are in.
//!
//! Matrices are row-major. Shapes are written `[rows, width]`.

mod activation;
mod attention;
mod buffer;
mod clamped;
mod elementwise;
mod exponential;
mod gradient;
mod instructions;
mod norm;
mod parallel;
mod product;
pub mod ranking;
mod rotary;
mod unembedding;
mod vector;

pub use activation::{Activation, activate, activate_gated};
pub use attention::{Path, Query, Shape, Slopes, attend};
pub use buffer::AlignedBuffer;
pub use clamped::activate_clamped;
pub use elementwise::{add, add_in_place, multiply_elements, scale, soft_cap, subtract};
pub use gradient::{
    AttentionGradient, CrossEntropy, activate_gated_gradient, activate_gradient, attend_gradient,
    cross_entropy, layer_norm_gradient, root_mean_square_norm_gradient,
};
pub use instructions::InstructionSet;
pub use norm::{layer_norm, root_mean_square_norm};
pub use product::{PackedMatrix, Quanta, QuantisedRow, multiply, multiply_transposed};
pub use rotary::{Pairing, RotaryTable, rotate};
pub use unembedding::{gather_logits, log_sum_exp_gather};
