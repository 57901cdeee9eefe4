//! The fused kernels of a transformer decoder on a CPU: f32 slices in, slices out.

mod attention;
mod buffer;
mod elementwise;
mod exponential;
mod instructions;
mod parallel;
mod product;
mod unembedding;
mod vector;

pub use attention::{Path, Query, Shape, attend};
pub use buffer::AlignedBuffer;
pub use elementwise::soft_cap;
pub use instructions::InstructionSet;
pub use product::{PackedMatrix, multiply};
pub use unembedding::{gather_logits, log_sum_exp_gather};
