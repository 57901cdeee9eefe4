//! Prompts of a data set's texts: each text is tokenized once, and none that no prompt can be.
//!
//! A file of a kilobyte can name one long text in every row, and a tokenizer takes its time for each byte. So what
//! is longer than any text that the model can read is refused by its length alone.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use vene_model::{InputError, Message, Outline, Prompt, PromptForm};

/// No prompt has more bytes.
const LONGEST: usize = 1 << 20;

/// A text of so few bytes is tokenized, whatever the model: what is normalized away may be part of it.
const SHORT: usize = 1 << 12;

/// How many bytes of texts are kept in mind.
const REMEMBERED: usize = 1 << 22;

/// Ids past this have texts as those before.
const MOST_IDS: usize = 1 << 20;

/// Makes prompts.
pub(super) struct Prompts<'a> {
    outline: &'a Outline,
    form: &'a PromptForm,
    most_bytes: OnceCell<usize>,
    made: RefCell<Made>,
}

/// Those that were made, and the bytes of their texts.
#[derive(Default)]
struct Made {
    prompts: HashMap<String, Result<Prompt, String>>,
    bytes: usize,
}

impl<'a> Prompts<'a> {
    pub fn new(outline: &'a Outline, form: &'a PromptForm) -> Self {
        Self { outline, form, most_bytes: OnceCell::new(), made: RefCell::default() }
    }

    /// The prompt of a text, or what is wrong with it.
    pub fn of(&self, text: &str) -> Result<Prompt, String> {
        self.made("", text, || self.outline.prompt_with(text, self.form))
    }

    /// The prompt of a conversation, of which `text` is what is said.
    pub fn of_conversation(&self, text: &str, messages: &[Message]) -> Result<Prompt, String> {
        self.check_length(text)?;
        let made = self.outline.conversation(messages, self.form);
        made.map_err(|error| error.to_string())
    }

    /// A prompt's text with an answer behind it.
    pub fn continued(&self, prompt: &Prompt, answer: &str) -> Result<Prompt, String> {
        let before = prompt.text().unwrap_or_default();
        self.made(before, answer, || self.outline.continued(prompt, answer))
    }

    /// What is made of two texts, one behind the other, once.
    fn made(
        &self,
        before: &str,
        text: &str,
        make: impl Fn() -> Result<Prompt, InputError>,
    ) -> Result<Prompt, String> {
        self.check_length(before)?;
        self.check_length(text)?;
        let key = format!("{before}\u{0}{text}");
        if let Some(known) = self.made.borrow().prompts.get(&key) {
            return known.clone();
        }
        let made = make().map_err(|error| error.to_string());
        self.made.borrow_mut().keep(&key, &made);
        made
    }

    fn check_length(&self, text: &str) -> Result<(), String> {
        let (bytes, context) = (text.len(), self.outline.config().context);
        // A token has a byte at least.
        if bytes <= LONGEST && bytes <= context.max(SHORT) {
            return Ok(());
        }
        let most = *self.most_bytes.get_or_init(|| most_bytes(self.outline));
        match bytes <= most {
            true => Ok(()),
            false => Err(format!(
                "a text of {bytes} bytes, and the {context} tokens that the model reads at most have no more than \
                 {most}: shorten it"
            )),
        }
    }
}

impl Made {
    fn keep(&mut self, text: &str, made: &Result<Prompt, String>) {
        if self.bytes + text.len() > REMEMBERED {
            *self = Self::default();
        }
        self.bytes += text.len();
        self.prompts.insert(text.to_owned(), made.clone());
    }
}

/// How long a text may be for a model: as many of the longest tokens as it reads.
fn most_bytes(outline: &Outline) -> usize {
    let tokenizer = outline.tokenizer();
    let ids = 0..tokenizer.vocabulary_size().min(MOST_IDS) as u32;
    let longest = ids.filter_map(|id| Some(tokenizer.token_text(id).ok()?.len())).max();
    outline.config().context.saturating_mul(longest.unwrap_or(1)).clamp(SHORT, LONGEST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_that_no_context_holds_are_refused_unread_and_others_are_tokenized_once() {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        let form = PromptForm::default();
        let prompts = Prompts::new(&outline, &form);
        let text = "The capital of Spain is";
        assert_eq!(prompts.of(text).unwrap(), outline.prompt(text).unwrap());
        assert_eq!(prompts.of(text).unwrap(), outline.prompt(text).unwrap());
        assert_eq!(prompts.made.borrow().prompts.len(), 1);
        // What the model itself says of a text that is a little too long.
        let long = text.repeat(9);
        assert!(prompts.of(&long).unwrap_err().contains("tokens long, the model reads at most 32"));
        // Not kept in mind, since it was not tokenized.
        let error = prompts.of(&"z".repeat(40_000_000)).unwrap_err();
        assert!(error.starts_with("a text of 40000000 bytes, and the 32 tokens"), "{error}");
        assert_eq!(prompts.made.borrow().prompts.len(), 2);
        let mut made = Made::default();
        let wrong = Err("wrong".to_owned());
        for index in 0..6 {
            made.keep(&format!("{index}{}", "x".repeat(LONGEST)), &wrong);
        }
        assert!(made.bytes <= REMEMBERED && made.prompts.len() == 3, "{}", made.bytes);
    }
}
