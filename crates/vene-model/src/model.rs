//! A model, ready to run: its outline, and its weights in memory.

use std::ops::Deref;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::config::DecoderConfig;
use crate::decoder::Decoder;
use crate::error::ModelError;
use crate::operations::{Counted, Fused, Operations, Plain, Precision};
use crate::outline::{Loading, Outline};
use crate::tensors::{BlockTensors, HostTensor, OuterTensors};

/// A language model, ready to run. It is its [`Outline`] (configuration, tokenizer, prompts)
/// with the weights in memory: packed for the fused operations in single precision, as plain
/// tensors in double. Whoever asks for the other form too gets it at the price of its memory.
pub struct Model {
    outline: Outline,
    precision: Precision,
    fused: OnceLock<Decoder<Fused>>,
    plain: OnceLock<Decoder<Plain>>,
    /// Held while weights are read, so that they are read once.
    reading: Mutex<()>,
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
        let model = Self::unread(outline, precision);
        match model.has_fused() {
            true => model.read(&model.fused, Fused::default(), progress).map(drop)?,
            false => model.read(&model.plain, Plain::cpu(precision), progress).map(drop)?,
        }
        Ok(model)
    }

    /// The same for whoever needs the plain operations alone, in any precision.
    ///
    /// # Errors
    /// As [`Model::from_outline`].
    pub fn plain_from_outline(
        outline: Outline,
        precision: Precision,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, ModelError> {
        let model = Self::unread(outline, precision);
        model.read(&model.plain, Plain::cpu(precision), progress)?;
        Ok(model)
    }

    fn unread(outline: Outline, precision: Precision) -> Self {
        let (fused, plain, reading) = (OnceLock::new(), OnceLock::new(), Mutex::new(()));
        Self { outline, precision, fused, plain, reading }
    }

    fn read<'m, O: Operations>(
        &self,
        decoder: &'m OnceLock<Decoder<O>>,
        operations: O,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<&'m Decoder<O>, ModelError> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoder) = decoder.get() {
            return Ok(decoder);
        }
        let read = self.outline.decoder(operations, progress)?;
        // Layers are read one after the other: all of the same files.
        self.outline.provenance().check_unchanged()?;
        Ok(decoder.get_or_init(|| read))
    }

    /// Whether fused operations are there for it: in single precision, and not for recurrent
    /// networks.
    fn has_fused(&self) -> bool {
        self.precision == Precision::Single && !self.outline.config().is_recurrent()
    }

    /// The same network with other inputs: row `i` of `vectors` `[inputs, d_model]` is what
    /// token `i` of a prompt stands for. For networks that read vectors, and whose checkpoint may
    /// have none; prompts that were made before may not fit.
    ///
    /// # Errors
    /// As [`Outline::with_inputs`].
    pub fn with_inputs(mut self, vectors: HostTensor) -> Result<Self, ModelError> {
        self.outline = self.outline.with_inputs(vectors.clone())?;
        if let Some(decoder) = self.fused.get_mut() {
            decoder.set_inputs(vectors.clone())?;
        }
        if let Some(decoder) = self.plain.get_mut() {
            decoder.set_inputs(vectors)?;
        }
        Ok(self)
    }

    /// The precision in which it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether the weights are in memory as plain tensors: where they are not, [`Model::plain`] reads them,
    /// at the price of their memory.
    pub fn has_plain(&self) -> bool {
        self.plain.get().is_some()
    }

    /// The decoder over plain operations, in the model's precision.
    ///
    /// # Errors
    /// Where its weights are read only now: as [`Model::from_outline`].
    pub fn plain(&self) -> Result<&Decoder<Plain>, Box<ModelError>> {
        match self.plain.get() {
            Some(decoder) => Ok(decoder),
            None => Ok(self.read(&self.plain, Plain::cpu(self.precision), &mut |_| ())?),
        }
    }

    /// The decoder over fused operations; `None` where there are none: in double precision, and for
    /// recurrent networks.
    ///
    /// # Errors
    /// As [`Model::plain`].
    pub fn fused(&self) -> Result<Option<&Decoder<Fused>>, Box<ModelError>> {
        match (self.has_fused(), self.fused.get()) {
            (false, _) => Ok(None),
            (_, Some(decoder)) => Ok(Some(decoder)),
            _ => Ok(Some(self.read(&self.fused, Fused::default(), &mut |_| ())?)),
        }
    }
}

impl Outline {
    /// A decoder of this model's shape that counts instead of computing. No weight is read.
    pub fn counted(&self) -> Decoder<Counted> {
        Decoder::counting(self.config())
    }
}

impl Decoder<Counted> {
    /// A decoder of this shape that counts instead of computing.
    pub fn counting(config: &DecoderConfig) -> Self {
        let config = config.clone();
        let outer = OuterTensors::outline(&config);
        let layers: Vec<BlockTensors> =
            (0..config.layers.len()).map(|layer| BlockTensors::outline(&config, layer)).collect();
        let layers = layers.into_iter().map(Ok::<_, ModelError>);
        match Decoder::new(Counted::default(), config, outer, layers) {
            Ok(decoder) => decoder,
            // Nothing is computed, so nothing fails.
            Err(error) => unreachable!("{error}"),
        }
    }
}

impl Deref for Model {
    type Target = Outline;

    fn deref(&self) -> &Outline {
        &self.outline
    }
}
