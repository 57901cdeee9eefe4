//! What can be wrong with one row of a data set.

/// What is wrong with one row.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Something needed is not there.
    #[error("`{key}` is missing; expected {expected}")]
    Missing {
        /// Its key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Something is of another kind.
    #[error("`{key}` is {found}; expected {expected}")]
    Kind {
        /// Its key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A text and a conversation where one prompt is wanted.
    #[error("`{key}` and `{other}` are two prompts in place of one: leave one of them out")]
    TwoPrompts {
        /// The text's key.
        key: &'static str,
        /// The conversation's.
        other: &'static str,
    },
    /// More in a turn than its role and its content.
    #[error(
        "a turn of `{key}` has the key `{other}`, which is not read: a turn has a role and a content, both texts"
    )]
    KeyOfTurn {
        /// The conversation's key.
        key: String,
        /// The other key.
        other: String,
    },
    /// An empty text.
    #[error("`{key}` is an empty text; leave it out (or null) if there is none")]
    EmptyText {
        /// Its key.
        key: String,
    },
    /// A text that begins like a list and is none.
    #[error(
        "`{key}` is `{cell}`, which looks like a list and is none; expected a list of texts as JSON \
         writes it, [\" Rome\", \" Roma\"] (a text that begins with a bracket is a list of one: \
         [\"[MASK]\"])"
    )]
    NoList {
        /// Its key.
        key: String,
        /// The cell, shortened.
        cell: String,
    },
    /// A list that is written as a text in JSON.
    #[error(
        "`{key}` is the text `{text}`, which looks like a list; write the list itself, without the \
         quotes around it (a text that looks like one goes into a list: [\"[1]\"])"
    )]
    ListAsText {
        /// Its key.
        key: String,
        /// The text, shortened.
        text: String,
    },
    /// A cell that begins like a pair of characters and is neither that nor a phrase.
    #[error(
        "`{key}` is `{cell}`, which looks like a list; expected characters of the {whose} as \
         [start, end], counted from 0, or a phrase that occurs in it"
    )]
    NoPair {
        /// Its key.
        key: String,
        /// The cell, shortened.
        cell: String,
        /// Base or source.
        whose: &'static str,
    },
    /// A foil that is none of what foils can be.
    #[error("`{key}`: {error}")]
    FoilIs {
        /// Its key.
        key: String,
        /// What is wrong with what it says.
        error: vene_named::UnknownName,
    },
    /// Tokens instead of a text.
    #[error(
        "`{key}` holds numbers, not texts: token ids mean something to one tokenizer only; decode \
         them to texts first"
    )]
    TokenIds {
        /// Its key.
        key: String,
    },
    /// A key that is neither ours nor a span.
    #[error(
        "`{key}` is {found}; expected a phrase of the {whose} (a text) or its characters \
         [start, end]; if it is no phrase, rename it `meta_{key}`, which is ignored"
    )]
    NoSpan {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// Base or source.
        whose: &'static str,
    },
    /// A name that means something else.
    #[error(
        "`{key}`: no span can be named `{name}`, {reason}; rename it, or `meta_{key}` to have it ignored"
    )]
    SpanName {
        /// The key.
        key: String,
        /// The span's name.
        name: String,
        /// What the name means.
        reason: &'static str,
    },
    /// A phrase that is not there.
    #[error(
        "`{key}` is `{phrase}`, which does not occur in the {whose} `{prompt}`; a text column names \
         a phrase of its prompt: correct it, or rename it `meta_{key}` if it is none"
    )]
    NoPhrase {
        /// The key.
        key: String,
        /// The phrase.
        phrase: String,
        /// Base or source.
        whose: &'static str,
        /// That prompt, shortened.
        prompt: String,
    },
    /// A phrase of the base that is not in the source, and nothing stands in for it.
    #[error(
        "`{phrase}` (`{key}`) does not occur in the source `{prompt}`; say in `source_{key}` which \
         phrase stands in for it there"
    )]
    NoCounterpart {
        /// The span's name.
        key: String,
        /// The phrase.
        phrase: String,
        /// The source, shortened.
        prompt: String,
    },
    /// A phrase that is there several times.
    #[error(
        "`{phrase}` (`{key}`) occurs {found} times in the {whose} `{prompt}`; say in \
         `{occurrence_key}` which is meant, 0 to {}", found - 1
    )]
    SeveralPhrases {
        /// The key.
        key: String,
        /// The phrase.
        phrase: String,
        /// Base or source.
        whose: &'static str,
        /// That prompt, shortened.
        prompt: String,
        /// How often.
        found: usize,
        /// Where to say which.
        occurrence_key: String,
    },
    /// An occurrence past the last.
    #[error(
        "`{key}`: occurrence {index} of `{phrase}` is asked for, counted from 0, but the {whose} \
         `{prompt}` has {found}"
    )]
    NoOccurrence {
        /// The key.
        key: String,
        /// The phrase.
        phrase: String,
        /// The occurrence.
        index: usize,
        /// Base or source.
        whose: &'static str,
        /// That prompt, shortened.
        prompt: String,
        /// How many there are.
        found: usize,
    },
    /// Characters that are not there.
    #[error(
        "`{key}`: characters {start} to before {end} of the {whose}, which has {characters}; \
         expected [start, end] with start < end"
    )]
    Characters {
        /// The key.
        key: String,
        /// The first.
        start: usize,
        /// Behind the last.
        end: usize,
        /// Base or source.
        whose: &'static str,
        /// How many that prompt has.
        characters: usize,
    },
    /// A key that belongs to another which is missing.
    #[error(
        "`{key}` belongs to `{missing}`, which the row lacks; if it is no part of a span, rename it `meta_{key}`"
    )]
    Alone {
        /// The key.
        key: String,
        /// What it belongs to.
        missing: String,
    },
    /// An occurrence of characters.
    #[error(
        "`{key}` says which occurrence of a text, but `{of}` is a range of characters; leave it out"
    )]
    OccurrenceOfCharacters {
        /// The key.
        key: String,
        /// The range's key.
        of: String,
    },
    /// A MIB row without its counterfactual.
    #[error(
        "the row has no `{counterfactual}`; have such rows left out, or name another counterfactual"
    )]
    NoCounterfactual {
        /// Its column.
        counterfactual: String,
    },
    /// An answer that is not among the choices.
    #[error("`{key}` is {index}, but there are {choices} choices, counted from 0")]
    NoChoice {
        /// The key of the right choice.
        key: String,
        /// What it says.
        index: usize,
        /// How many there are.
        choices: usize,
    },
}

vene_named::debug_as_sentence!(RowError);

impl RowError {
    /// Whether it is about a phrase of this one row, so that other rows may still be used.
    pub(super) fn is_of_one_phrase(&self) -> bool {
        matches!(
            self,
            Self::NoPhrase { .. }
                | Self::NoCounterpart { .. }
                | Self::SeveralPhrases { .. }
                | Self::NoOccurrence { .. }
                | Self::Characters { .. }
                | Self::EmptyText { .. }
        )
    }
}
