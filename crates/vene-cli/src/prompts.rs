//! How prompts are read: as texts, as turns of a conversation, or as token ids; and how they begin.

use clap::Args;
use serde_json::{Value, json};
use vene::{BeginningOfSequence, Chat, Outline, Prompt, PromptForm};

use crate::arguments::{Given, ReadBy, by_name, heading, read};
use crate::experiment::{Experiment, key, put};
use crate::terminal;

/// How prompts are read.
#[derive(Args)]
pub struct PromptArguments {
    /// Take prompts for a user's turns, in the form of the model's chat template
    ///
    /// The prompt becomes a user's turn, behind it begins the model's answer: as `apply_chat_template` of transformers
    /// writes it. Positions are those of the whole text; phrases (--span) are looked for in what was typed. A beginning-of-sequence token
    /// is the template's business.
    #[arg(help_heading = heading::MODEL, long)]
    chat: bool,

    /// A system turn in front of it, with --chat
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "TEXT")]
    system: Option<String>,

    /// Take each prompt for token ids, with spaces or commas between them: \"1 4093 12\"
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long)]
    ids: bool,

    /// Whether prompts begin with a beginning-of-sequence token [default: model]
    ///
    /// Leaving out one that the model was trained with, or adding one, changes what it predicts.
    /// It is never doubled. With --chat the template decides by default.
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "WHEN", value_parser = by_name::<BeginningOfSequence>())]
    bos: Option<BeginningOfSequence>,
}

/// What these options and keys are read by in all commands, where not all of them are.
pub const READ_BY: &ReadBy = &[
    ("system", "with --chat"),
    ("chat", "without --ids"),
    ("bos", "without --ids"),
    ("[model] system", "with --chat (`chat` in [model])"),
    ("[model] chat", "without --ids (`ids` in [model])"),
    ("[model] bos", "without --ids (`ids` in [model])"),
];

impl PromptArguments {
    /// Enters the options in the account, as far as they are read together, and gives what they say.
    pub fn read(&self, given: &Given) -> PromptForm {
        if *read!(given, self => ids) {
            return PromptForm::Ids;
        }
        let bos = read!(given, self => bos).unwrap_or_default();
        if !*read!(given, self => chat) {
            return PromptForm::Text(bos);
        }
        let system = read!(given, self => system).as_deref().map(Into::into);
        PromptForm::Chat(Chat { system, bos })
    }

    /// Puts what is said here in the place of what the experiment's file says.
    pub fn put(&self, experiment: &mut Experiment) {
        put!(experiment, self => chat => model.chat);
        put!(experiment, self => system => model.system);
        put!(experiment, self => ids => model.ids);
        put!(experiment, self => bos => model.bos);
    }
}

/// How an experiment's prompts are read; what does not go together is left to its account.
pub fn form(experiment: &Experiment) -> PromptForm {
    if key!(experiment, model.ids) == Some(true) {
        return PromptForm::Ids;
    }
    let bos = key!(experiment, model.bos).unwrap_or_default();
    if key!(experiment, model.chat) != Some(true) {
        return PromptForm::Text(bos);
    }
    let system = key!(experiment, model.system).as_deref().map(Into::into);
    PromptForm::Chat(Chat { system, bos })
}

/// What a record says of it.
pub fn record(form: &PromptForm) -> Value {
    match form {
        PromptForm::Text(bos) => json!({ "as": "text", "bos": bos.name() }),
        PromptForm::Chat(chat) => {
            json!({ "as": "chat", "system": chat.system.as_deref(), "bos": chat.bos.name() })
        }
        PromptForm::Ids => json!({ "as": "ids" }),
    }
}

/// A prompt for people to read: what was written, or of token ids the text that they stand for.
pub fn shown(outline: &Outline, prompt: &Prompt) -> String {
    match prompt.said() {
        Some(said) => said.to_owned(),
        None => outline.tokenizer().decode(prompt.tokens()).unwrap_or_default(),
    }
}

/// How a prompt begins, where that is otherwise than the model's own files say and the user did not write
/// it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusualBos {
    /// The files ask for a beginning-of-sequence token, and there is none.
    LeftOut,
    /// The files do not ask for it, and it was put in front.
    Added,
}

impl UnusualBos {
    /// Compares a prompt with the files.
    pub fn of(outline: &Outline, prompt: &Prompt) -> Option<Self> {
        match (outline.tokenizer().adds_bos(), prompt.has_bos()) {
            // The chat template says how a conversation begins.
            (true, false) if prompt.is_conversation() => None,
            (true, false) => Some(Self::LeftOut),
            (false, true) if prompt.text().is_some() && !prompt.has_written_bos() => {
                Some(Self::Added)
            }
            _ => None,
        }
    }
}

/// Warns where a prompt begins otherwise than the model's own files say.
pub fn warn_about_bos(outline: &Outline, prompt: &Prompt) {
    let shown = prompt
        .text()
        .map_or_else(|| "a prompt of token ids".to_owned(), |text| format!("`{text}`"));
    match UnusualBos::of(outline, prompt) {
        Some(UnusualBos::LeftOut) => terminal::warn(format!(
            "{shown} begins without the beginning-of-sequence token that this model expects: \
             its predictions may change{}",
            if prompt.text().is_some() { " (--bos model puts it there)" } else { "" }
        )),
        Some(UnusualBos::Added) => terminal::warn(format!(
            "{shown} begins with a beginning-of-sequence token, which this model does not \
             expect: its predictions may change (--bos model leaves it out)"
        )),
        None => {}
    }
}
