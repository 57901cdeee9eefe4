//! Text to tokens and back, as the model's own files say.
//!
//! A token more or less in front of a text, or a word split elsewhere, changes what a model does
//! and with it every conclusion drawn from an intervention. So the tokenizer is built from the
//! model's own data alone, and where these leave open how text is to be split, the model is refused.
//!
//! Signs such as `<|im_end|>` that are written out in a text are read as the tokens they name
//! (as Hugging Face's tokenizers do, and llama.cpp with `parse_special`). A token at the *end* of
//! a text is never added, whatever the files say: prompts here are to be continued.

mod budget;
mod byte_level;
mod ends;
mod from_gguf;
pub(crate) mod hugging_face;
mod library;
mod numbers;
mod parts;
mod piece;
mod post_processor;
mod sentence_piece;
mod signs;
mod vocabulary;
mod words;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::{ChatTemplate, CheckpointError};
use hugging_face::bos::Bos;
pub use hugging_face::generation::{Configured, GenerationSettings};
use library::Library;
use piece::readable;
use sentence_piece::SentencePiece;
use vocabulary::Kind;

vene_named::named! {
    /// Whether a beginning-of-sequence token is put before a text. It is never doubled: a text that
    /// starts with that token written out gets no second one.
    pub enum BeginningOfSequence as "rule for the beginning of texts", default Model {
        /// As the model's own files say.
        Model = "model",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

/// A text's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token the bytes of the text that it covers. A character that is several tokens
    /// is covered whole by each; a token put in front covers `0..0`.
    pub spans: Vec<Range<usize>>,
    /// Whether the tokens start with the beginning-of-sequence token (put in front, or written
    /// out in the text).
    pub bos: bool,
}

/// A model's tokenizer. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    algorithm: Arc<Algorithm>,
    bos: Option<u32>,
    adds_bos: bool,
    /// Who decided about that, in words.
    why: Arc<str>,
    ends: Vec<u32>,
    /// How conversations are written; why that is not known.
    chat: Result<ChatTemplate, Arc<str>>,
    generation: Arc<GenerationSettings>,
}

enum Algorithm {
    Library(Box<Library>),
    SentencePiece(SentencePiece),
    /// A text is a list of numbers.
    Numbers,
}

impl Tokenizer {
    /// That of a network which reads no text: the text `3 17 4` stands for the inputs 3, 17 and 4.
    pub fn numbers() -> Self {
        Self {
            algorithm: Arc::new(Algorithm::Numbers),
            bos: None,
            adds_bos: false,
            why: "the network reads no text".into(),
            ends: Vec::new(),
            chat: Err("the network reads no text".into()),
            generation: Arc::default(),
        }
    }

    fn new(file: &str, algorithm: Algorithm, rule: Bos) -> Result<Self, CheckpointError> {
        let Bos { id: bos, adds: adds_bos, why } = rule;
        let (algorithm, ends) = (Arc::new(algorithm), Vec::new());
        let chat = Err("the model's files hold no chat template".into());
        let tokenizer = Self {
            algorithm,
            bos,
            adds_bos,
            why: why.into(),
            ends,
            chat,
            generation: Arc::default(),
        };
        let size = tokenizer.vocabulary_size();
        match bos {
            Some(id) if id as usize >= size => Err(CheckpointError::malformed(
                file,
                format!("its beginning-of-sequence token {id} is outside of its {size} tokens"),
            )),
            None if adds_bos => Err(CheckpointError::malformed(
                file,
                "asks for a beginning-of-sequence token and names none",
            )),
            _ => Ok(tokenizer),
        }
    }

    /// The same, which writes conversations in this way.
    fn speaking(mut self, chat: Result<ChatTemplate, String>) -> Self {
        self.chat = chat.map_err(Into::into);
        self
    }

    /// The same, whose texts are to be written so.
    fn writing(mut self, generation: GenerationSettings) -> Self {
        self.generation = generation.into();
        self
    }

    /// What the model's files ask of generated texts, beside their ends.
    pub fn generation(&self) -> &GenerationSettings {
        &self.generation
    }

    /// The model's chat template.
    ///
    /// # Errors
    /// It has none, with the places where one was looked for.
    pub fn chat_template(&self) -> Result<&ChatTemplate, CheckpointError> {
        let none =
            |problem: &Arc<str>| CheckpointError::NoChatTemplate { problem: problem.to_string() };
        self.chat.as_ref().map_err(none)
    }

    /// The token that ends the assistant's turn, as the chat template writes it; `None` where the template does not tell,
    /// or ends turns by plain text.
    pub fn turn_end(&self) -> Option<u32> {
        let after = self.chat.as_ref().ok()?.after_answer()?;
        let first = self.bare_tokens(after.trim_start()).ok()?.first().copied()?;
        self.is_special(first).then_some(first)
    }

    /// Tokenizes, with a beginning-of-sequence token if the model's own files ask for it.
    ///
    /// # Errors
    /// The vocabulary cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Encoding, CheckpointError> {
        self.encode_with(text, BeginningOfSequence::Model)
    }

    /// Tokenizes.
    ///
    /// # Errors
    /// The vocabulary cannot express the text, or a beginning-of-sequence token is asked for
    /// of a model that has none.
    pub fn encode_with(
        &self,
        text: &str,
        bos: BeginningOfSequence,
    ) -> Result<Encoding, CheckpointError> {
        let tokens = match self.algorithm.as_ref() {
            Algorithm::Library(library) => library.encode(text)?,
            Algorithm::SentencePiece(pieces) => pieces.encode(text, true)?,
            Algorithm::Numbers => numbers::encode(text)?,
        };
        let (mut ids, mut spans): (Vec<u32>, Vec<Range<usize>>) = tokens.into_iter().unzip();
        let written_out = self.bos.is_some() && ids.first().copied() == self.bos;
        let wanted = match bos {
            BeginningOfSequence::Model => self.adds_bos,
            BeginningOfSequence::Always => true,
            BeginningOfSequence::Never => false,
        };
        if wanted && !written_out {
            ids.insert(0, self.bos.ok_or(CheckpointError::NoBeginningOfSequence)?);
            spans.insert(0, 0..0);
        }
        Ok(Encoding { bos: written_out || wanted, ids, spans })
    }

    /// The one token that a text is in the middle of running text, such as `" Madrid"`.
    ///
    /// # Errors
    /// It is none or several, which are shown; a missing space in front is pointed out.
    pub fn single_token(&self, text: &str) -> Result<u32, CheckpointError> {
        let refuse = |problem: String| Err(CheckpointError::NotOneToken(problem));
        let ids = self.bare_tokens(text)?;
        if let [id] = ids.as_slice() {
            let stands_for = self.token_bytes(*id).unwrap_or_default();
            if stands_for != text.as_bytes() && self.is_special(*id) {
                return refuse(format!(
                    "{text:?} is not in the vocabulary; it becomes {:?}",
                    readable(&stands_for)
                ));
            }
            return Ok(*id);
        }
        if text.is_empty() {
            return refuse("an empty text is no token; a target must be one token".to_owned());
        }
        let pieces: Vec<String> = ids
            .iter()
            .map(|&id| format!("{:?}", readable(&self.token_bytes(id).unwrap_or_default())))
            .collect();
        let spaced = format!(" {text}");
        let hint = match self.bare_tokens(&spaced)?.len() {
            1 if !text.starts_with(' ') => format!("; {spaced:?}, with a space in front, is one"),
            _ => String::new(),
        };
        refuse(format!(
            "{text:?} is {} tokens here ({}); a target must be one token{hint}",
            ids.len(),
            pieces.join(" ")
        ))
    }

    /// Tokens of a text as if it stood in the middle of another: nothing is put in front.
    fn bare_tokens(&self, text: &str) -> Result<Vec<u32>, CheckpointError> {
        let tokens = match self.algorithm.as_ref() {
            Algorithm::Library(library) => match library.whole_entry(text) {
                Some(id) => return Ok(vec![id]),
                None => library.encode(text)?,
            },
            Algorithm::SentencePiece(pieces) => pieces.encode(text, false)?,
            Algorithm::Numbers => numbers::encode(text)?,
        };
        Ok(tokens.into_iter().map(|(id, _)| id).collect())
    }

    /// One token's text as it appears in running text, such as `" Madrid"`. Bytes that are no
    /// UTF-8 (parts of a character) are written `<0xNN>`.
    ///
    /// # Errors
    /// There is no such token.
    pub fn token_text(&self, id: u32) -> Result<String, CheckpointError> {
        self.token_bytes(id)
            .map(|bytes| readable(&bytes))
            .ok_or(CheckpointError::UnknownToken { id, size: self.vocabulary_size() })
    }

    fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        match self.algorithm.as_ref() {
            Algorithm::Library(library) => library.token_bytes(id),
            Algorithm::SentencePiece(pieces) => pieces.token_bytes(id),
            Algorithm::Numbers => Some(id.to_string().into_bytes()),
        }
    }

    /// Whether a token is a sign, which stands for no text of its own.
    pub fn is_special(&self, id: u32) -> bool {
        match self.algorithm.as_ref() {
            Algorithm::Library(library) => library.is_special(id),
            Algorithm::SentencePiece(pieces) => pieces.vocabulary().kind(id) == Kind::Special,
            Algorithm::Numbers => false,
        }
    }

    /// One token for people to read, as pyvene prints it: spaces as `_`, newlines as `\n`.
    /// Other control characters are escaped too.
    pub fn display(&self, id: u32) -> String {
        let Ok(text) = self.token_text(id) else {
            return format!("<{id}>");
        };
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                ' ' => shown.push('_'),
                control if control.is_control() => shown.extend(control.escape_default()),
                other => shown.push(other),
            }
        }
        shown
    }

    /// The text of a sequence of tokens; control signs are written out, and bytes that are no
    /// UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// A token is outside of the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, CheckpointError> {
        let size = self.vocabulary_size();
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= size) {
            return Err(CheckpointError::UnknownToken { id, size });
        }
        let pieces = match self.algorithm.as_ref() {
            Algorithm::Library(library) => return library.decode(ids),
            Algorithm::SentencePiece(pieces) => pieces,
            Algorithm::Numbers => return Ok(numbers::decode(ids)),
        };
        let mut bytes = Vec::new();
        let mut after_special = true;
        for &id in ids {
            let mut piece = pieces.token_bytes(id).unwrap_or_default();
            let special = pieces.vocabulary().kind(id) != Kind::Normal;
            if pieces.space_prefix() && after_special && !special && piece.first() == Some(&b' ') {
                piece.remove(0);
            }
            bytes.append(&mut piece);
            after_special = special;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How many token ids there are (one more than the largest). A model's unembedding may have
    /// more rows. A tokenizer of numbers knows all of them, however few its network has.
    pub fn vocabulary_size(&self) -> usize {
        match self.algorithm.as_ref() {
            Algorithm::Library(library) => library.size(),
            Algorithm::SentencePiece(pieces) => pieces.vocabulary().len(),
            Algorithm::Numbers => u32::MAX as usize,
        }
    }

    /// The beginning-of-sequence token, where the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether the model's own files ask for the beginning-of-sequence token.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Which file or rule decided that ([`Self::adds_bos`]), in words.
    pub fn bos_decided_by(&self) -> &str {
        &self.why
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocabulary_size", &self.vocabulary_size())
            .field("bos", &self.bos)
            .field("adds_bos", &self.adds_bos)
            .finish()
    }
}
