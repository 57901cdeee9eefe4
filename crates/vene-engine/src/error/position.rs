//! A position that a prompt does not have.

use std::ops::Range;

use vene_named::shown;

/// A position that a prompt does not have.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// Something that was said, and that the model does not read as it was said.
    #[error(
        "the model's chat template leaves the phrase out, writes it twice or in other words: name the position by its \
         number"
    )]
    NotInConversation,
    /// Past the end.
    #[error("position {index}: the prompt has {tokens} tokens, 0 to {}", tokens - 1)]
    PastEnd {
        /// What was asked for.
        index: i64,
        /// The prompt's length.
        tokens: usize,
    },
    /// A column of a padded row that is padding, or past its end.
    #[error(
        "column {column} of {columns} is padding or past the end: the prompt stands in columns {first} to {last}"
    )]
    Padding {
        /// What was asked for.
        column: i64,
        /// The row's length.
        columns: usize,
        /// The prompt's first column.
        first: usize,
        /// The prompt's last column.
        last: usize,
    },
    /// Too few tokens at the prompt's ends.
    #[error("{ends}: the prompt has too few tokens, {tokens}")]
    ShortPrompt {
        /// What was asked for.
        ends: String,
        /// The prompt's length.
        tokens: usize,
    },
    /// The same position twice.
    #[error("position {position} is named twice")]
    Twice {
        /// The position.
        position: usize,
    },
    /// Positions are given for each example, and there are too few.
    #[error("positions are given for {given} examples, there is none for example {example}")]
    TooFewExamples {
        /// The example.
        example: usize,
        /// How many were given.
        given: usize,
    },
    /// Positions are given for more examples than there are.
    #[error(
        "positions are given for {given} examples, and there are {examples}: give a list for each"
    )]
    NoExample {
        /// How many were given.
        given: usize,
        /// How many there are.
        examples: usize,
    },
    /// The phrase, or that many of it, does not occur.
    #[error("`{}` is {} in `{}`", shown(phrase), match found { 0 => "not".to_owned(), n => format!("only {n} times") }, shown(text))]
    NoPhrase {
        /// The phrase.
        phrase: String,
        /// The prompt.
        text: String,
        /// How often it occurs.
        found: usize,
    },
    /// The phrase occurs several times.
    #[error(
        "`{}` is {found} times in `{}`: say which occurrence is meant, 0 to {}",
        shown(phrase), shown(text), found - 1
    )]
    SeveralPhrases {
        /// The phrase.
        phrase: String,
        /// The prompt.
        text: String,
        /// How often it occurs.
        found: usize,
    },
    /// A phrase without a character.
    #[error("an empty phrase is nowhere")]
    EmptyPhrase,
    /// Characters that end before they start.
    #[error("characters {} to before {}: the end must lie after the start", range.start, range.end)]
    NoCharacters {
        /// What was asked for.
        range: Range<usize>,
    },
    /// Characters past the end.
    #[error("characters {}..{}: the prompt has {characters} characters", range.start, range.end)]
    CharactersPastEnd {
        /// What was asked for.
        range: Range<usize>,
        /// How many there are.
        characters: usize,
    },
    /// The prompt was given as tokens.
    #[error("the prompt was given as token ids: name positions by number")]
    NoText,
    /// The row of a data set does not say where the span is.
    #[error("the row has no span `{name}`")]
    NoSpan {
        /// The span's name.
        name: String,
    },
    /// A role where there are no rows.
    #[error(
        "`{role}` is a position that each row of a data set has, and a prompt alone has none: name the tokens \
         there, by a phrase or by number"
    )]
    NoRow {
        /// The role.
        role: String,
    },
    /// Nothing follows.
    #[error("no token follows {what}: it ends the prompt")]
    NothingAfter {
        /// The span.
        what: String,
    },
}

vene_named::debug_as_sentence!(PositionError);
