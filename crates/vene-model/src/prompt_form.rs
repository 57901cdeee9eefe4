//! How what a user writes becomes a prompt.

use std::sync::Arc;

use vene_checkpoint::{BeginningOfSequence, Message};

use crate::error::InputError;

/// How what is written becomes a prompt: as the text that the model reads, as a turn of a conversation, or as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptForm {
    /// It is the text, with a beginning-of-sequence token as this says.
    Text(BeginningOfSequence),
    /// It is what a user says to the model: one turn, in the form of the model's chat template.
    Chat(Chat),
    /// It is token ids, with spaces or commas between them.
    Ids,
}

impl Default for PromptForm {
    fn default() -> Self {
        BeginningOfSequence::default().into()
    }
}

impl From<BeginningOfSequence> for PromptForm {
    fn from(bos: BeginningOfSequence) -> Self {
        Self::Text(bos)
    }
}

impl From<&PromptForm> for PromptForm {
    fn from(form: &PromptForm) -> Self {
        form.clone()
    }
}

impl From<Chat> for PromptForm {
    fn from(chat: Chat) -> Self {
        Self::Chat(chat)
    }
}

/// What a conversation has beside its turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chat {
    /// A system turn, which is put in front.
    pub system: Option<Arc<str>>,
    /// When a beginning-of-sequence token is put in front. [`BeginningOfSequence::Model`] leaves that to the template, as
    /// transformers does.
    pub bos: BeginningOfSequence,
}

impl Chat {
    /// With a system turn.
    pub fn with_system(system: impl Into<Arc<str>>) -> Self {
        Self { system: Some(system.into()), ..Self::default() }
    }

    /// The turns with the system's in front; how many that are.
    ///
    /// # Errors
    /// Two system turns.
    pub(crate) fn turns(&self, messages: &[Message]) -> Result<(Vec<Message>, usize), InputError> {
        let Some(system) = &self.system else { return Ok((messages.to_vec(), 0)) };
        if messages.first().is_some_and(|first| first.role == SYSTEM) {
            return Err(InputError::TwoSystemTurns);
        }
        let first = Message::new(SYSTEM, system.as_ref());
        Ok((std::iter::once(first).chain(messages.iter().cloned()).collect(), 1))
    }
}

const SYSTEM: &str = "system";

impl PromptForm {
    /// How conversations are made prompts of where this says how texts are.
    ///
    /// # Errors
    /// Token ids are expected.
    pub(crate) fn of_conversations(&self) -> Result<Chat, InputError> {
        match self {
            Self::Text(bos) => Ok(Chat { system: None, bos: *bos }),
            Self::Chat(chat) => Ok(chat.clone()),
            Self::Ids => Err(InputError::IdsAsMessages),
        }
    }
}

/// Token ids that are written as a text: numbers with spaces or commas between them, in brackets or not.
///
/// # Errors
/// What is not a number.
pub(crate) fn ids(text: &str) -> Result<Vec<u32>, InputError> {
    let within = text.trim();
    let within = within.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(within);
    let words = within.split(|character: char| character == ',' || character.is_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let id = |word: &str| {
        let shown: String = word.escape_debug().take(40).collect();
        word.parse().map_err(|_| InputError::NotAnId { word: shown })
    };
    words.map(id).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_numbers_however_they_are_separated() {
        for text in ["1 22 3", "1,22,3", "[1, 22, 3]", " 1\n22  3 "] {
            assert_eq!(ids(text).unwrap(), [1, 22, 3], "{text}");
        }
        assert!(ids("").unwrap().is_empty());
        for (text, word) in
            [("1 x", "`x`"), ("-1", "`-1`"), ("99999999999", "`99999999999`"), ("[1", "`[1`")]
        {
            assert!(ids(text).unwrap_err().to_string().contains(word), "{text}");
        }
    }
}
