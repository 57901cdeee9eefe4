//! Gemma Scope's autoencoders (Lieberum et al. 2024): `params.npz`.

use std::path::Path;

use super::{SparseAutoencoder, npz};
use crate::intervention::ParameterError;

/// Loads a `params.npz`: `W_enc`, `W_dec`, `b_enc`, `b_dec` and `threshold`; the decoder's bias is
/// not taken off the input.
///
/// # Errors
/// Another file, shapes that do not go together, or what is no number.
pub fn load(path: &Path) -> Result<SparseAutoencoder, ParameterError> {
    SparseAutoencoder::from_tensors(path, npz::read(path)?, true)
}
