//! A tokenized prompt.

use std::ops::Range;

/// A prompt that its model can read: not empty, within the model's context and vocabulary.
/// Made by [`Outline::prompt`](crate::Outline::prompt) and its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub(crate) text: Option<String>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) spans: Vec<Range<usize>>,
    pub(crate) bos: bool,
    /// Its length as [`DecoderConfig::rotary_length`](crate::DecoderConfig) has it.
    pub(crate) rotary_length: usize,
}

impl Prompt {
    /// The text, where it was made from one.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
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
