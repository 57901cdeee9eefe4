//! A tokenized prompt.

use std::ops::Range;
use std::sync::Arc;

use vene_checkpoint::Message;

use crate::error::InputError;
use crate::key::ModelKey;
use crate::outline::Outline;

/// A prompt that its model can read: not empty, within the model's context and vocabulary.
/// Made by [`Outline::prompt`](crate::Outline::prompt) and its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub(crate) text: Option<String>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) spans: Vec<Range<usize>>,
    pub(crate) bos: bool,
    pub(crate) model: ModelKey,
    /// What was said, where the text is a conversation.
    pub(crate) conversation: Option<Arc<Conversation>>,
    /// Its length as [`DecoderConfig::rotary_length`](crate::DecoderConfig) has it.
    pub(crate) rotary_length: usize,
}

/// What was said in a conversation, in the words of those who typed it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// What was said, a turn after the other; without a system turn that was put in front.
    pub said: String,
    /// Bytes of that, and where they stand in the prompt's text.
    pub places: Vec<(Range<usize>, Range<usize>)>,
    /// The token that ends a turn of the model.
    pub turn_end: Option<u32>,
}

/// What is said in a conversation: the contents of its turns, with a line break between them.
pub fn said_in(messages: &[Message]) -> String {
    let contents: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
    contents.join("\n")
}

impl Prompt {
    /// The text that the model reads, where it was made from one: of a conversation all that the chat template writes.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What was written by whoever wrote the prompt: its text, or of a conversation what is said in it, with a line break
    /// between turns. Phrases are looked for in it.
    pub fn said(&self) -> Option<&str> {
        match &self.conversation {
            Some(conversation) => Some(&conversation.said),
            None => self.text(),
        }
    }

    /// Where some bytes of [`Self::said`] are in [`Self::text`]; `None` where the chat template leaves them out, or in
    /// several turns.
    pub fn place_of(&self, said: Range<usize>) -> Option<Range<usize>> {
        let Some(conversation) = &self.conversation else { return Some(said) };
        let holds = |(whole, _): &&(Range<usize>, Range<usize>)| {
            whole.start <= said.start && said.end <= whole.end
        };
        let (whole, shown) = conversation.places.iter().find(holds)?;
        let start = shown.start + (said.start - whole.start);
        Some(start..start + said.len())
    }

    /// Whether it is a conversation, in the form of the model's chat template.
    pub fn is_conversation(&self) -> bool {
        self.conversation.is_some()
    }

    /// The token that ends the model's turn, where this is a conversation and its template tells.
    pub fn turn_end(&self) -> Option<u32> {
        self.conversation.as_ref()?.turn_end
    }

    /// Token ids, beginning-of-sequence included.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many tokens it has; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes of the text that each token covers; empty for a beginning-of-sequence token and
    /// for prompts that were given as tokens.
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// Whether the first token is a beginning-of-sequence token.
    pub fn has_bos(&self) -> bool {
        self.bos
    }

    /// Whether that token is written out in the text, rather than put in front of it.
    pub fn has_written_bos(&self) -> bool {
        self.bos && self.spans.first().is_some_and(|span| !span.is_empty())
    }

    /// The model whose tokens these are.
    pub fn model(&self) -> &ModelKey {
        &self.model
    }

    /// The same tokens for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from this prompt's.
    ///
    /// # Errors
    /// Another shape or tokenizer; more tokens than the context holds.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, InputError> {
        self.model.expect_alike("the prompt", outline.key())?;
        let rotary_length = outline.config().rotary_length(self.len());
        outline.checked(Self { model: outline.key().clone(), rotary_length, ..self.clone() })
    }

    /// How many tokens both prompts begin with.
    pub fn shared_prefix(&self, other: &Prompt) -> usize {
        self.tokens.iter().zip(&other.tokens).take_while(|(a, b)| a == b).count()
    }

    /// Up to which position the runs of both prompts are the same: attention is causal, so that they are as
    /// far as the tokens are, unless the model turns texts of these two lengths at other frequencies.
    pub fn shared_run(&self, other: &Prompt) -> usize {
        if self.rotary_length == other.rotary_length { self.shared_prefix(other) } else { 0 }
    }
}
