//! One row of a data set, in texts: nothing is tokenized yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use vene_model::{InputError, Message, Outline, Prompt, PromptForm, said_in};
use vene_named::named;

use super::read::Place;

/// A base, a source, their answers, and where in them what stands.
///
/// Two rows are equal where they say the same, wherever they were read.
///
/// ```
/// use vene::data::Row;
///
/// let row = Row::new("The capital of Spain is", "The capital of Italy is")
///     .target(" Madrid")
///     .foil(" Rome")
///     .span("subject", "Spain", "Italy")
///     .group("capital-1");
/// assert_eq!(row.target, [" Madrid"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The prompt whose run is edited.
    pub base: String,
    /// The prompt whose run is read; `None` for ablations that read none.
    pub source: Option<String>,
    /// The base's turns, where it is a conversation; `base` is then what is said in it ([`Row::conversation`]).
    pub base_messages: Vec<Message>,
    /// The source's, likewise.
    pub source_messages: Vec<Message>,
    /// What the base should be continued with, as it stands behind it (` Madrid`, with its space);
    /// where there are several, any of them is right.
    pub target: Vec<String>,
    /// What the source should be continued with, likewise; or a wrong answer, see
    /// [`Row::foil_is`].
    pub foil: Vec<String>,
    /// Whether the foil is the right answer to the source.
    pub foil_is: FoilIs,
    /// Phrases by the name of their role. Copies of a row share them, as a map takes a kilobyte.
    pub spans: Arc<BTreeMap<String, Span>>,
    /// The template that it was made from; rows of one group are no independent observations.
    pub group: Option<String>,
    /// Where in its file it stands, if it was read from one: so that it keeps its number when rows
    /// are left out, drawn or shuffled.
    pub place: Option<Place>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            base,
            source,
            base_messages,
            source_messages,
            target,
            foil,
            foil_is,
            spans,
            group,
            place: _,
        } = self;
        *base == other.base
            && *source == other.source
            && *base_messages == other.base_messages
            && *source_messages == other.source_messages
            && *target == other.target
            && *foil == other.foil
            && *foil_is == other.foil_is
            && *spans == other.spans
            && *group == other.group
    }
}

named! {
    /// What a row's foil is to its source.
    ///
    /// Training towards the foil, and what the model says to the source, are about the source's right
    /// answer. In some data sets the foil is a wrong answer to the base instead, and the source has
    /// none: in indirect object identification it is the base's other name.
    pub enum FoilIs as "kind of foil", default SourceAnswer {
        /// The source's right answer.
        SourceAnswer = "source_answer",
        /// A wrong answer to the base, and no answer to the source.
        WrongAnswer = "wrong_answer",
        /// A wrong answer to the base; the data set does not say whether it is the source's answer.
        Unknown = "unknown",
    }
}

/// Where a role's phrase stands in the base and in the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// In the base.
    pub base: Phrase,
    /// In the source; `None` where that is the same phrase as in the base.
    pub source: Option<Phrase>,
}

/// A stretch of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// A text that occurs in it.
    Text {
        /// The text.
        text: String,
        /// Which occurrence, counted from 0; needed where there are several.
        occurrence: Option<usize>,
    },
    /// These of its characters (Unicode scalar values), counted from 0.
    Characters(Range<usize>),
}

impl From<&str> for Phrase {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Phrase {
    fn from(text: String) -> Self {
        Self::Text { text, occurrence: None }
    }
}

impl Phrase {
    /// A text's occurrence with this index, counted from 0.
    pub fn occurrence(text: impl Into<String>, index: usize) -> Self {
        Self::Text { text: text.into(), occurrence: Some(index) }
    }
}

impl Row {
    /// A row without answers, spans and group.
    pub fn new(base: impl Into<String>, source: impl Into<String>) -> Self {
        Self { base: base.into(), source: Some(source.into()), ..Self::default() }
    }

    /// A row that has no source.
    pub fn of_base(base: impl Into<String>) -> Self {
        Self { base: base.into(), ..Self::default() }
    }

    /// A row of conversations in place of texts, each in the form of the model's chat template.
    pub fn conversation(base: Vec<Message>, source: Option<Vec<Message>>) -> Self {
        Self {
            base: said_in(&base),
            source: source.as_deref().map(said_in),
            base_messages: base,
            source_messages: source.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The base as a prompt.
    ///
    /// # Errors
    /// Whatever keeps it from being one.
    pub fn base_prompt(
        &self,
        outline: &Outline,
        form: impl Into<PromptForm>,
    ) -> Result<Prompt, InputError> {
        match self.base_messages.as_slice() {
            [] => outline.prompt_with(&self.base, form),
            messages => outline.conversation(messages, form),
        }
    }

    /// Adds an answer to the base, with its leading space.
    #[must_use]
    pub fn target(mut self, answer: impl Into<String>) -> Self {
        self.target.push(answer.into());
        self
    }

    /// Adds an answer to the source, with its leading space.
    #[must_use]
    pub fn foil(mut self, answer: impl Into<String>) -> Self {
        self.foil.push(answer.into());
        self
    }

    /// Says what the foil is to the source.
    #[must_use]
    pub fn foil_is(mut self, foil: FoilIs) -> Self {
        self.foil_is = foil;
        self
    }

    /// Names a phrase of the base and the one that replaces it in the source.
    #[must_use]
    pub fn span(
        mut self,
        name: impl Into<String>,
        base: impl Into<Phrase>,
        source: impl Into<Phrase>,
    ) -> Self {
        let span = Span { base: base.into(), source: Some(source.into()) };
        Arc::make_mut(&mut self.spans).insert(name.into(), span);
        self
    }

    /// Says from which template it was made.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }
}
