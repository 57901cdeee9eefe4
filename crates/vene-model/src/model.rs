//! A model, ready to run: its outline, and its weights in memory.

use std::ops::Deref;

use crate::decoder::Decoder;
use crate::error::ModelError;
use crate::operations::{Plain, Precision};
use crate::outline::{Loading, Outline};

/// A language model, ready to run. It is its [`Outline`] (configuration, tokenizer, prompts)
/// with the weights in memory.
pub struct Model {
    outline: Outline,
    decoder: Decoder<Plain>,
}

impl Model {
    /// Loads a model: [`EMBEDDED`](crate::EMBEDDED), a folder, a `.gguf` file, or a Hugging Face
    /// id with an optional `@revision`.
    ///
    /// ```
    /// let model = vene_model::Model::load("embedded")?;
    /// assert_eq!(model.config().family, "gpt2");
    /// # Ok::<(), vene_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no such model, where its files are damaged, or where its configuration asks
    /// for something that is not implemented.
    pub fn load(name: &str) -> Result<Self, ModelError> {
        Self::load_with(name, Precision::Single, &mut |_| ())
    }

    /// [`Model::load`], in a given precision, telling `progress` how far it is.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(
        name: &str,
        precision: Precision,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, ModelError> {
        Self::from_outline(Outline::open(name, progress)?, precision, progress)
    }

    /// Reads the weights of an outlined model.
    ///
    /// # Errors
    /// Where weights are missing, misshapen, not finite or left over.
    pub fn from_outline(
        outline: Outline,
        precision: Precision,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, ModelError> {
        let decoder = outline.decoder(Plain::cpu(precision), progress)?;
        Ok(Self { outline, decoder })
    }

    /// The decoder over plain operations.
    ///
    /// # Errors
    /// Where its weights are read only now: as [`Model::from_outline`].
    pub fn plain(&self) -> Result<&Decoder<Plain>, Box<ModelError>> {
        Ok(&self.decoder)
    }
}

impl Deref for Model {
    type Target = Outline;

    fn deref(&self) -> &Outline {
        &self.outline
    }
}
