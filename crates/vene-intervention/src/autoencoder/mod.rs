//! Interventions on an autoencoder's latents: the values are encoded, some latents are edited, and
//! the result is decoded.
//!
//! What an autoencoder does not reconstruct is lost on the way, and may change the model's answer
//! more than the edit does. So each of these interventions is told what becomes of it
//! ([`ErrorTerm`]).

mod feature_edit;
pub mod gemma_scope;
mod interchange;
mod linear;
mod npz;
mod origin;
mod sae_config;
mod sae_keys;
pub mod sae_lens;
mod sparse;

use std::fmt::Debug;

use candle_core::{Result, Tensor};

pub use feature_edit::{FeatureChange, FeatureEdit};
pub use interchange::LatentInterchange;
pub use linear::LinearAutoencoder;
pub use origin::AutoencoderOrigin;
pub use sparse::SparseAutoencoder;

use super::{Parameter, Settings};

/// A pair of maps between values and latents; a user's own is another implementation.
pub trait Autoencoder: Debug + Send + Sync {
    /// How wide the values are.
    fn width(&self) -> usize;

    /// How many latents there are.
    fn latents(&self) -> usize;

    /// Latents `[positions, latents]` of values `[positions, width]`, in the values' precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    fn encode(&self, values: &Tensor) -> Result<Tensor>;

    /// Values `[positions, width]` of latents `[positions, latents]`, in the latents' precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    fn decode(&self, latents: &Tensor) -> Result<Tensor>;

    /// Its parameters.
    fn parameters(&self) -> Vec<Parameter>;

    /// What it was made with besides their values; `None` for one that no file can describe.
    fn settings(&self) -> Option<Settings> {
        None
    }
}

/// What becomes of the part of the base's values that the autoencoder, or the principal components,
/// do not reconstruct: `base − decode(encode(base))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorTerm {
    /// It is put back: only what the edited latents stand for changes, and an edit that changes no
    /// latent changes nothing (Marks et al. 2024, "Sparse Feature Circuits").
    Kept,
    /// It is lost: the result is the edited latents decoded, nothing else. pyvene's interventions
    /// do this.
    Dropped,
}

impl ErrorTerm {
    /// Its name in a plan's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Dropped => "dropped",
        }
    }

    /// The edited values, from the base's latents and the edited ones.
    fn decode(
        self,
        autoencoder: &dyn Autoencoder,
        base: &Tensor,
        latents: &Tensor,
        edited: &Tensor,
    ) -> Result<Tensor> {
        let decoded = autoencoder.decode(edited)?;
        match self {
            Self::Dropped => Ok(decoded),
            Self::Kept => base + (decoded - autoencoder.decode(latents)?)?,
        }
    }
}
