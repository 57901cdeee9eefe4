//! Conversations, written as a model's own chat template writes them.
//!
//! A model that was trained on conversations reads them in one form of its own: signs around each turn, a
//! first sentence that nobody typed, spaces that are cut. A sign more or less changes what it says, so the form
//! is not described here once more: the template that the model's files hold is rendered, as transformers does it
//! (`apply_chat_template`).

mod environment;
mod json;
mod read;
mod segments;
mod strftime;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDateTime;
use minijinja::Value;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};

use crate::CheckpointError;
pub(crate) use read::{in_gguf, in_settings, most_bytes};
pub use segments::Segment;
use segments::locate;

/// A turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who says it: `system`, `user`, `assistant`, or whatever else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// The text of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the model reads.
    pub text: String,
    /// Where in it the contents of messages stand, in their order. A content that the template leaves out, writes
    /// twice or writes in other words is not among them.
    pub segments: Vec<Segment>,
}

/// A model's chat template. Cheap to clone.
#[derive(Clone)]
pub struct ChatTemplate {
    parts: Arc<Parts>,
}

struct Parts {
    /// Where it was found, for messages.
    file: String,
    source: String,
    /// `bos_token` and its like, as templates know them.
    tokens: Vec<(String, Value)>,
}

impl ChatTemplate {
    pub(crate) fn new(file: String, source: String, tokens: Vec<(String, Value)>) -> Self {
        Self { parts: Arc::new(Parts { file, source, tokens }) }
    }

    /// The template itself, in Jinja.
    pub fn source(&self) -> &str {
        &self.parts.source
    }

    /// Where it was found.
    pub fn file(&self) -> &str {
        &self.parts.file
    }

    /// Whether it writes today's date or time, so that its texts change from day to day.
    pub fn reads_clock(&self) -> bool {
        self.parts.source.contains("strftime_now")
    }

    /// The text of a conversation that the model is to continue. Where the last turn is the assistant's, the text
    /// ends within it; otherwise it ends where the assistant's answer begins.
    ///
    /// # Errors
    /// The template cannot be read, refuses the conversation, or takes more steps than any template needs.
    pub fn render(&self, messages: &[Message]) -> Result<Rendered, CheckpointError> {
        let now = chrono::Local::now().naive_local();
        let is_continued = messages.last().is_some_and(|last| last.role == "assistant");
        let write =
            |messages: &[Message]| self.write(&Value::from(Serde(messages)), !is_continued, now);
        let text = write(messages)?;
        let segments = locate(messages, &text, write);
        if !is_continued {
            return Ok(Rendered { text, segments });
        }
        let last = segments.last().filter(|last| last.message + 1 == messages.len());
        let Some(end) = last.map(|last| last.shown.end) else {
            return Err(self.refused(
                "the last turn is the assistant's, and is not found in what the template makes of it: it cannot be \
                 continued (end with the user's turn)",
            ));
        };
        Ok(Rendered { text: text[..end].to_owned(), segments })
    }

    /// What stands right after an assistant's turn: the sign that ends it, and whatever follows. `None` where the
    /// template does not tell.
    pub fn after_answer(&self) -> Option<String> {
        let messages = [Message::new("user", "a"), Message::new("assistant", "b")];
        let now = chrono::Local::now().naive_local();
        let write = |messages: &[Message]| self.write(&Value::from(Serde(messages)), false, now);
        let text = write(&messages).ok()?;
        let segments = locate(&messages, &text, write);
        let answer = segments.last().filter(|last| last.message == 1)?;
        Some(text[answer.shown.end..].to_owned())
    }

    /// Renders messages of any form at a time.
    fn write(
        &self,
        messages: &Value,
        add_generation_prompt: bool,
        now: NaiveDateTime,
    ) -> Result<String, CheckpointError> {
        let prompt = Value::from(add_generation_prompt);
        self.write_with([("messages", messages.clone()), ("add_generation_prompt", prompt)], now)
    }

    /// Renders with these values beside the special tokens.
    fn write_with<'a>(
        &'a self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
        now: NaiveDateTime,
    ) -> Result<String, CheckpointError> {
        // As transformers hands them over, so that `tools is defined` and `tools is none` both hold.
        let mut context =
            BTreeMap::from([("tools", Value::from(())), ("documents", Value::from(()))]);
        let tokens = self.parts.tokens.iter().map(|(name, value)| (name.as_str(), value.clone()));
        context.extend(tokens);
        context.extend(values);
        let context = Value::from_pairs(context);
        environment::render(&self.parts.source, &context, now)
            .map_err(|problem| self.refused(problem))
    }

    fn refused(&self, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::ChatTemplate { file: self.parts.file.clone(), problem: problem.into() }
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChatTemplate").field("file", &self.parts.file).finish()
    }
}

#[cfg(test)]
mod tests;
