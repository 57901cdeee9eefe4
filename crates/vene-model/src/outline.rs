//! A model without its weights: enough to tokenize, to plan and to forecast.
//!
//! Whatever can be refused is refused here, before a single weight is read.

use std::sync::{Arc, OnceLock};

use vene_checkpoint::{
    BeginningOfSequence, Checkpoint, Message, ModelSource, Progress, Provenance, Tokenizer,
};
use vene_files::check_interrupt;

use crate::config::DecoderConfig;
use crate::decoder::Decoder;
use crate::error::{InputError, ModelError};
use crate::family::{self, Family, Names, Opened, Weights};
use crate::key::{AnotherModel, ModelKey};
use crate::matrix::bytes_kept;
use crate::opening::Opening;
use crate::operations::{OperationError, Operations};
use crate::prompt::{Conversation, Prompt, said_in};
use crate::prompt_form::{self, Chat, PromptForm};
use crate::tensors::{BlockTensors, HostTensor, OuterTensors};

/// The name of the model that ships inside vene.
pub const EMBEDDED: &str = vene_embedded::NAME;

/// A model's configuration, tokenizer and provenance, its weights still on disk.
pub struct Outline {
    checkpoint: Arc<Checkpoint>,
    key: ModelKey,
    family: Box<dyn Family>,
    names: Names,
    config: DecoderConfig,
    /// `[inputs, d_model]`, where they are other than the checkpoint's.
    inputs: Option<HostTensor>,
    /// The token that ends the model's turn in a conversation, once it was asked for.
    turn_end: OnceLock<Option<u32>>,
}

/// What loading reports while it takes its time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Loading<'a> {
    /// The files are being fetched and opened.
    Checkpoint(Progress<'a>),
    /// So many of the layers are in memory.
    Layers {
        /// Layers that are here.
        done: usize,
        /// Layers of the model.
        total: usize,
    },
}

impl Outline {
    /// Opens a model: [`EMBEDDED`], a folder, a `.gguf` file, or a Hugging Face id with an
    /// optional `@revision`.
    ///
    /// # Errors
    /// Where there is no such model, where its files are damaged, or where its configuration asks
    /// for something that is not implemented.
    pub fn open(name: &str, progress: &mut dyn FnMut(Loading<'_>)) -> Result<Self, ModelError> {
        Self::open_with(name, &Opening::default(), progress)
    }

    /// [`Outline::open`], with what the user says about the model's description.
    ///
    /// # Errors
    /// As [`Outline::open`]; and where what is said is of no use.
    pub fn open_with(
        name: &str,
        opening: &Opening,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Self, ModelError> {
        let checkpoint = if name == EMBEDDED {
            Checkpoint::from_bytes(
                EMBEDDED,
                vene_embedded::CONFIG,
                vene_embedded::WEIGHTS,
                vene_embedded::TOKENIZER,
            )?
        } else {
            let source = ModelSource::parse(name)?;
            Checkpoint::open(&source, &mut |step| progress(Loading::Checkpoint(step)))?
        };
        Self::from_checkpoint_with(checkpoint, opening)
    }

    /// Reads the description of a checkpoint that is open already.
    ///
    /// # Errors
    /// As [`Outline::open`].
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, ModelError> {
        Self::from_checkpoint_with(checkpoint, &Opening::default())
    }

    /// [`Outline::from_checkpoint`], with what the user says about the model's description.
    ///
    /// # Errors
    /// As [`Outline::open_with`].
    pub fn from_checkpoint_with(
        checkpoint: Checkpoint,
        opening: &Opening,
    ) -> Result<Self, ModelError> {
        let Checkpoint { description, tensors, notices, .. } = &checkpoint;
        let Opened { family, names } = family::open(description, tensors, notices, opening)?;
        let config = family.config().clone();
        let checkpoint = Arc::new(checkpoint);
        let key = ModelKey::new(&checkpoint, &config, None);
        if checkpoint.provenance.is_lent() {
            // Later the tensors may be others.
            key.weights();
        }
        let turn_end = OnceLock::new();
        Ok(Self { checkpoint, key, family, names, config, inputs: None, turn_end })
    }

    /// The same network with other inputs: row `i` of `vectors` `[inputs, d_model]` is what token
    /// `i` of a prompt stands for. For networks that read vectors, and whose checkpoint may have
    /// none.
    ///
    /// # Errors
    /// Vectors of another width than the network's, none at all, or one that holds no number; a
    /// transformer, which reads the tokens of its own embedding.
    pub fn with_inputs(mut self, vectors: HostTensor) -> Result<Self, ModelError> {
        let DecoderConfig { family, d_model, .. } = self.config;
        if self.config.is_transformer() {
            return Err(ModelError::InputsOfItsOwn { family });
        }
        match *vectors.shape {
            [inputs, width] if inputs > 0 && width == d_model => self.config.inputs = inputs,
            _ => return Err(ModelError::InputShape { found: vectors.shape, width: d_model }),
        }
        if let Some(index) = vectors.data.iter().position(|value| !value.is_finite()) {
            let (input, value) = (index / d_model, vectors.data[index]);
            return Err(ModelError::InputNotFinite { input, value });
        }
        self.key = ModelKey::new(&self.checkpoint, &self.config, Some(&vectors));
        self.inputs = Some(vectors);
        Ok(self)
    }

    /// What the decoder is made of.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.checkpoint.tokenizer
    }

    /// Where the model came from.
    pub fn provenance(&self) -> &Provenance {
        &self.checkpoint.provenance
    }

    /// What a user should know about the model's files, though it loads: a sentence each. Reading the
    /// weights may add some.
    pub fn notices(&self) -> Vec<String> {
        self.checkpoint.notices.all()
    }

    /// Adds something that a user should know, about the model or about what is done with it.
    pub fn add_notice(&self, sentence: impl Into<String>) {
        self.checkpoint.notices.add(sentence);
    }

    /// How many bytes the weights take in memory where they are kept as they are stored: those of half precision and quantised
    /// ones in about the room of the file, others as `f32`.
    pub fn weight_bytes(&self) -> usize {
        let inputs = self.inputs.as_ref().map_or(0, |inputs| inputs.data.len() * size_of::<f32>());
        inputs + self.names.shapes().map(|(shape, stored)| bytes_kept(shape, stored)).sum::<usize>()
    }

    /// What tells this model from others, as `vene1-` and 64 hexadecimal digits: a hash of what its
    /// description says of the computation, and of names, formats, shapes and samples of its weights.
    ///
    /// Two copies of a model have the same, wherever they lie and however the weights are spread over
    /// files; a fine-tuned or quantised one has another, and so has the same model in another file
    /// format. It is computed at the first call, in milliseconds: of large tensors 4 KiB each are read,
    /// so that an edit of single weights may go unseen.
    /// [`Provenance::sha256`](vene_checkpoint::Provenance::sha256) covers every byte.
    pub fn identity(&self) -> String {
        self.key.weights().to_owned()
    }

    /// Which model this is: what prompts and plans that are made here carry with them.
    pub fn key(&self) -> &ModelKey {
        &self.key
    }

    /// Refuses what was resolved for another model.
    ///
    /// # Errors
    /// How the two differ.
    pub fn expect(&self, what: &'static str, made_for: &ModelKey) -> Result<(), AnotherModel> {
        made_for.expect(what, &self.key)
    }

    /// Reads the weights into a decoder over any set of operations.
    ///
    /// # Errors
    /// Where weights are missing, of another shape than the configuration asks for, not finite,
    /// or left over; that reading was stopped ([`vene_files::interruptible`]).
    pub fn decoder<O: Operations>(
        &self,
        operations: O,
        progress: &mut dyn FnMut(Loading<'_>),
    ) -> Result<Decoder<O>, ModelError> {
        let weights = Weights::new(&self.names, &self.checkpoint.notices);
        let total = self.config().layers.len();
        let mut outer = self.family.outer(&weights)?;
        if let Some(inputs) = &self.inputs {
            outer.embedding = inputs.clone().into();
        }
        let layers = (0..total).map(|layer| {
            check_interrupt().map_err(OperationError::interrupted)?;
            let tensors = self.family.layer(&weights, layer);
            // The decoder has weights of its own; those of the file need not stay beside them.
            self.checkpoint.tensors.release();
            progress(Loading::Layers { done: layer + 1, total });
            tensors
        });
        let decoder = Decoder::new(operations, self.config().clone(), outer, layers)?;
        weights.refuse_leftovers(self.family.as_ref())?;
        Ok(decoder)
    }

    /// The weights outside of the blocks, read from the model's files.
    ///
    /// # Errors
    /// As [`Outline::decoder`]; files that were changed since they were opened.
    pub fn outer_weights(&self) -> Result<OuterTensors, ModelError> {
        self.read_weights(|weights| self.family.outer(weights))
    }

    /// The weights of a block, read from the model's files, in the layout of [`tensors`](crate::tensors) whatever the
    /// family's own is.
    ///
    /// # Errors
    /// As [`Outline::outer_weights`].
    ///
    /// # Panics
    /// Where the model has no such layer.
    pub fn layer_weights(&self, layer: usize) -> Result<BlockTensors, ModelError> {
        assert!(layer < self.config.layers.len(), "the model has no layer {layer}");
        check_interrupt().map_err(OperationError::interrupted)?;
        self.read_weights(|weights| self.family.layer(weights, layer))
    }

    /// The shapes of the weights outside of the blocks; no value is read.
    ///
    /// # Errors
    /// None of a model that could be opened.
    pub fn outer_shapes(&self) -> Result<OuterTensors, ModelError> {
        self.family.outer(&Weights::of_shapes(&self.names, &self.checkpoint.notices))
    }

    /// The shapes of a block's weights; no value is read.
    ///
    /// # Errors
    /// None of a model that could be opened.
    ///
    /// # Panics
    /// Where the model has no such layer.
    pub fn layer_shapes(&self, layer: usize) -> Result<BlockTensors, ModelError> {
        assert!(layer < self.config.layers.len(), "the model has no layer {layer}");
        self.family.layer(&Weights::of_shapes(&self.names, &self.checkpoint.notices), layer)
    }

    fn read_weights<T>(
        &self,
        read: impl FnOnce(&Weights<'_>) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let tensors = read(&Weights::new(&self.names, &self.checkpoint.notices))?;
        self.checkpoint.tensors.release();
        self.provenance().check_unchanged()?;
        Ok(tensors)
    }

    /// Tokenizes a text with the model's own beginning-of-sequence rule.
    ///
    /// # Errors
    /// Where the text is empty or longer than the model's context.
    pub fn prompt(&self, text: &str) -> Result<Prompt, InputError> {
        self.prompt_with(text, BeginningOfSequence::Model)
    }

    /// Makes a prompt of what is written, in one of the forms that a prompt has.
    ///
    /// # Errors
    /// As [`Outline::prompt`]; a beginning-of-sequence token that the tokenizer lacks; a conversation where the model has no
    /// chat template, or one that it refuses; what is not a token id.
    pub fn prompt_with(
        &self,
        text: &str,
        form: impl Into<PromptForm>,
    ) -> Result<Prompt, InputError> {
        match form.into() {
            PromptForm::Text(bos) => self.tokenized(text.to_owned(), bos, None),
            PromptForm::Chat(chat) => self.in_template(&[Message::new("user", text)], &chat),
            PromptForm::Ids => self.prompt_from_tokens(&prompt_form::ids(text)?),
        }
    }

    /// A conversation that the model is to continue: with its own turn, or where the last turn is the assistant's, within
    /// it. Of `form` the system turn and the beginning-of-sequence token are read.
    ///
    /// # Errors
    /// As [`Outline::prompt_with`].
    pub fn conversation(
        &self,
        messages: &[Message],
        form: impl Into<PromptForm>,
    ) -> Result<Prompt, InputError> {
        self.in_template(messages, &form.into().of_conversations()?)
    }

    /// A prompt's text with more behind it.
    ///
    /// # Errors
    /// As [`Outline::prompt`]; a prompt of token ids, which has no text.
    pub fn continued(&self, prompt: &Prompt, more: &str) -> Result<Prompt, InputError> {
        let text = prompt.text().ok_or(InputError::NoText)?;
        // Never doubled.
        let bos =
            if prompt.has_bos() { BeginningOfSequence::Always } else { BeginningOfSequence::Never };
        self.tokenized(format!("{text}{more}"), bos, None)
    }

    fn in_template(&self, messages: &[Message], chat: &Chat) -> Result<Prompt, InputError> {
        let template = self.tokenizer().chat_template()?;
        if template.reads_clock() {
            self.checkpoint.notices.add(format!(
                "the chat template of {} writes today's date into each prompt: on another day the numbers may differ",
                template.file()
            ));
        }
        let (turns, added) = chat.turns(messages)?;
        let rendered = template.render(&turns)?;
        let bos = match chat.bos {
            // The template writes it.
            BeginningOfSequence::Model | BeginningOfSequence::Never => BeginningOfSequence::Never,
            BeginningOfSequence::Always => BeginningOfSequence::Always,
        };
        let places = rendered.segments.into_iter().filter_map(|segment| {
            let before = messages.get(..segment.message.checked_sub(added)?)?;
            let start: usize = before.iter().map(|message| message.content.len() + 1).sum();
            Some((start + segment.typed.start..start + segment.typed.end, segment.shown))
        });
        let turn_end = *self.turn_end.get_or_init(|| self.tokenizer().turn_end());
        let (said, places) = (said_in(messages), places.collect());
        let conversation = Conversation { said, places, turn_end };
        self.tokenized(rendered.text, bos, Some(conversation))
    }

    fn tokenized(
        &self,
        text: String,
        bos: BeginningOfSequence,
        conversation: Option<Conversation>,
    ) -> Result<Prompt, InputError> {
        let encoding = self.tokenizer().encode_with(&text, bos)?;
        self.checked(Prompt {
            rotary_length: self.config.rotary_length(encoding.ids.len()),
            text: Some(text),
            tokens: encoding.ids,
            spans: encoding.spans,
            bos: encoding.bos,
            conversation: conversation.map(Arc::new),
            model: self.key.clone(),
        })
    }

    /// A prompt given as token ids, taken as they are.
    ///
    /// # Errors
    /// Where there are none, more than the context holds, or one outside of the vocabulary.
    pub fn prompt_from_tokens(&self, tokens: &[u32]) -> Result<Prompt, InputError> {
        let bos = tokens.first().is_some_and(|&first| Some(first) == self.tokenizer().bos());
        self.checked(Prompt {
            rotary_length: self.config.rotary_length(tokens.len()),
            text: None,
            tokens: tokens.to_vec(),
            spans: vec![0..0; tokens.len()],
            bos,
            conversation: None,
            model: self.key.clone(),
        })
    }

    pub(crate) fn checked(&self, prompt: Prompt) -> Result<Prompt, InputError> {
        let DecoderConfig { inputs, context, .. } = *self.config();
        if inputs == 0 {
            return Err(InputError::NoInputs);
        }
        if prompt.tokens.is_empty() {
            return Err(InputError::Empty);
        }
        if prompt.tokens.len() > context {
            return Err(InputError::TooLong { tokens: prompt.tokens.len(), context });
        }
        match prompt.tokens.iter().find(|&&token| token as usize >= inputs) {
            Some(&token) => {
                let shown = self.tokenizer().display(token);
                Err(InputError::UnknownToken { token, shown, vocabulary: inputs })
            }
            None => Ok(prompt),
        }
    }
}
