//! What can be wrong with positions, plans and runs, each told in one line.

use std::ops::Range;

use vene_model::{Component, OperationError, Site, SiteError};

/// A position that a prompt does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// Past the end.
    #[error("position {index}: the prompt has {tokens} tokens, 0 to {}", tokens - 1)]
    PastEnd {
        /// What was asked for.
        index: i64,
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
    /// The phrase, or that many of it, does not occur.
    #[error("`{phrase}` is {} in `{text}`", match found { 0 => "not".to_owned(), n => format!("only {n} times") })]
    NoPhrase {
        /// The phrase.
        phrase: String,
        /// The prompt.
        text: String,
        /// How often it occurs.
        found: usize,
    },
    /// The phrase occurs several times.
    #[error("`{phrase}` is {found} times in `{text}`: say which occurrence is meant, 0 to {}", found - 1)]
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
    /// Nothing follows.
    #[error("no token follows {what}: it ends the prompt")]
    NothingAfter {
        /// The span.
        what: String,
    },
}

/// A plan that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No such site.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// No example at all.
    #[error("there is no example to run the plan on")]
    NoExamples,
    /// Lists of tokens to be read for another number of examples.
    #[error(
        "{lists} lists of tokens are to be read in {examples} examples; give one for each, or one for all"
    )]
    TokenLists {
        /// Lists.
        lists: usize,
        /// Examples.
        examples: usize,
    },
    /// A token to be read that the model does not have.
    #[error("token {token} is to be read, and the model's vocabulary has {vocabulary} (0 to {})", vocabulary - 1)]
    UnknownToken {
        /// The token.
        token: u32,
        /// Rows of the unembedding.
        vocabulary: usize,
    },
    /// No such position.
    #[error("{whose} of example {example}: {error}")]
    Position {
        /// Base or source.
        whose: &'static str,
        /// The example.
        example: usize,
        /// What is wrong.
        error: PositionError,
    },
    /// An intervention with a parameter that cannot be.
    #[error("edit {edit}: {intervention} has {problem}")]
    Parameter {
        /// The edit.
        edit: usize,
        /// The intervention's name.
        intervention: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An edit of no position.
    #[error("edit {edit} ({site}) lands nowhere in example {example}: {reason}")]
    LandsNowhere {
        /// The edit.
        edit: usize,
        /// Where it was to write.
        site: Site,
        /// The example.
        example: usize,
        /// Why.
        reason: String,
    },
    /// Heads of a component that has none.
    #[error("{component} has no heads; components with heads are {with_heads}")]
    NoHeads {
        /// The component.
        component: Component,
        /// Those that have.
        with_heads: String,
    },
    /// A head past the end.
    #[error("head {head} of {component}: it has {heads} heads, 0 to {}{}", heads - 1, grouped(*heads, *query_heads))]
    HeadPastEnd {
        /// The component.
        component: Component,
        /// The head.
        head: usize,
        /// How many it has.
        heads: usize,
        /// How many query heads the model has.
        query_heads: usize,
    },
    /// A head named twice.
    #[error("head {head} of {component} is named twice")]
    HeadTwice {
        /// The component.
        component: Component,
        /// The head.
        head: usize,
    },
    /// Keys of something that is no attention pattern.
    #[error(
        "{component} has no keys: only attention_score and attention_weight are [head, query, key]"
    )]
    NoKeys {
        /// The component.
        component: Component,
    },
    /// A source that the example lacks.
    #[error("edit {edit} reads source {source_index} of example {example}, which has {sources}")]
    NoSource {
        /// The edit.
        edit: usize,
        /// The example.
        example: usize,
        /// The source that was asked for.
        source_index: usize,
        /// How many it has.
        sources: usize,
    },
    /// A source for an intervention that reads none, or none for one that does.
    #[error("edit {edit}: {intervention} reads {wanted}, and {given} is given")]
    SourceCount {
        /// The edit.
        edit: usize,
        /// Its intervention.
        intervention: &'static str,
        /// What it reads.
        wanted: &'static str,
        /// What the edit gives it.
        given: &'static str,
    },
    /// Base and source positions cannot be matched.
    #[error(
        "edit {edit}, example {example}: {base} {what} are written in the base ({base_tokens} tokens), \
         {read} are read in the source ({source_tokens} tokens): name as many on both sides, \
         e.g. the last token of a phrase"
    )]
    Unequal {
        /// The edit.
        edit: usize,
        /// The example.
        example: usize,
        /// Positions, heads or keys.
        what: &'static str,
        /// How many in the base.
        base: usize,
        /// How many in the source.
        read: usize,
        /// The base's length.
        base_tokens: usize,
        /// The source's length.
        source_tokens: usize,
    },
    /// Given values of another length.
    #[error(
        "edit {edit} ({site}): {given} values are given; expected {width} (one row for all positions) \
         or {all} (a row for each)"
    )]
    GivenLength {
        /// The edit.
        edit: usize,
        /// The site.
        site: Site,
        /// How many were given.
        given: usize,
        /// One row.
        width: usize,
        /// A row for each position.
        all: usize,
    },
    /// A given value or parameter that is no finite number.
    #[error("edit {edit} ({site}): the given values hold {value}; expected finite numbers")]
    NotFinite {
        /// The edit.
        edit: usize,
        /// The site.
        site: Site,
        /// The value.
        value: f64,
    },
    /// A read at a site that lies behind the written one in the same run.
    #[error(
        "edit {edit} reads {read} of its own run and writes {site}: within one run only what lies \
         before the written site can be read, of the same width"
    )]
    ReadBehindWrite {
        /// The edit.
        edit: usize,
        /// The written site.
        site: Site,
        /// The read component.
        read: Component,
    },
    /// Two absolute edits of the same values.
    #[error(
        "edits {first} and {second} both replace {site} in example {example} (position {position}{}): \
         the second would undo the first; leave one out or edit different positions or heads",
        head.map_or(String::new(), |head| format!(", head {head}"))
    )]
    Conflict {
        /// One edit.
        first: usize,
        /// The other.
        second: usize,
        /// Where.
        site: Site,
        /// The example.
        example: usize,
        /// A position that both write.
        position: usize,
        /// A head that both write, where the component has heads.
        head: Option<usize>,
    },
    /// Attention patterns are collected whole or not at all.
    #[error("{component} is collected for all positions at once: it is [head, query, key]")]
    PartOfPattern {
        /// The component.
        component: Component,
    },
}

fn grouped(heads: usize, query_heads: usize) -> String {
    match heads == query_heads {
        true => String::new(),
        false => {
            format!(" (key and value heads, each shared by {} query heads)", query_heads / heads)
        }
    }
}

/// A run that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The computation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The weights could not be read in the form that this executor needs.
    #[error(transparent)]
    Model(#[from] Box<vene_model::ModelError>),
    /// An intervention failed.
    #[error("{intervention} at {site}: {}", first_line(error))]
    Intervention {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// What candle said.
        error: Box<candle_core::Error>,
    },
    /// An intervention returned values of another shape.
    #[error(
        "{intervention} at {site} returned values of shape {returned:?}; expected the base's, {expected:?}"
    )]
    InterventionShape {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// What it returned.
        returned: Vec<usize>,
        /// What it was given.
        expected: Vec<usize>,
    },
    /// An edit produced something that is no number.
    #[error(
        "{intervention} at {site} produced {value} in example {example}: it is no number to go on with"
    )]
    NotFinite {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// NaN or infinite.
        value: f64,
        /// The example.
        example: usize,
    },
    /// The run ended in something that is no number.
    #[error(
        "the run of example {example} ended in logits of {value}: its edits drive it out of the range \
         of its floats; make them smaller, or load the model in double precision"
    )]
    LogitsNotFinite {
        /// NaN or infinite.
        value: f64,
        /// The example.
        example: usize,
    },
    /// All keys of a query were knocked out.
    #[error(
        "attention of layer {layer}, head {head}: the query at position {query} of example {example} \
         has no key left to attend to; leave it at least one"
    )]
    NothingToAttend {
        /// The layer.
        layer: usize,
        /// The head.
        head: usize,
        /// The query's position.
        query: usize,
        /// The example.
        example: usize,
    },
    /// A source's site that was not traced.
    #[error("{site} of the sources was not traced: trace the sources for this very plan")]
    NotTraced {
        /// The site.
        site: Site,
    },
    /// The run was stopped.
    #[error("stopped")]
    Stopped,
}

/// What candle says behind its first line is a backtrace.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl From<candle_core::Error> for RunError {
    fn from(error: candle_core::Error) -> Self {
        Self::Operation(error.into())
    }
}

/// A sweep that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// No base.
    #[error("a sweep needs a base prompt")]
    NoBase,
    /// No source.
    #[error("{method} reads a source: give a source prompt")]
    NoSource {
        /// The intervention.
        method: &'static str,
    },
    /// No component.
    #[error("a sweep needs at least one component, such as mlp_output")]
    NoComponents,
    /// No target token.
    #[error("a sweep needs at least one target token, such as ` Madrid` with its leading space")]
    NoTokens,
    /// A prompt that the model cannot take.
    #[error("{whose}: {error}")]
    Input {
        /// Base or source.
        whose: &'static str,
        /// What is wrong.
        error: vene_model::InputError,
    },
    /// A target that is not one token.
    #[error(transparent)]
    Token(vene_model::CheckpointError),
    /// A target that is named twice.
    #[error("the target `{token}` is named twice")]
    TokenTwice {
        /// The target.
        token: String,
    },
    /// All positions of prompts that are not equally long.
    #[error(
        "the base has {base} tokens and the source {source_tokens}, so positions do not match one to one: \
         name the positions (last, aligned, or the tokens of a phrase)"
    )]
    DifferentLengths {
        /// The base's length.
        base: usize,
        /// The source's length.
        source_tokens: usize,
    },
    /// Spans of different lengths.
    #[error(
        "a span of {base} tokens in the base cannot take the values of {source_tokens} tokens of the source: \
         name one token on each side, e.g. the last of a phrase"
    )]
    UnequalSpans {
        /// In the base.
        base: usize,
        /// In the source.
        source_tokens: usize,
    },
    /// No such position.
    #[error("{whose}: {error}")]
    Position {
        /// Base or source.
        whose: &'static str,
        /// What is wrong.
        error: PositionError,
    },
    /// A position that is named twice.
    #[error("position {position} is named twice")]
    PositionTwice {
        /// The position.
        position: usize,
    },
    /// A head sweep over a component without heads.
    #[error("{component} has no heads: sweep it by position (unit pos)")]
    NoHeads {
        /// The component.
        component: Component,
    },
    /// Heads are chosen, and the unit is not one of heads.
    #[error("heads are chosen, but the unit is a position: take unit h or h.pos")]
    HeadsWithoutUnit,
    /// A component that is no module's output.
    #[error(
        "{component} cannot be skipped: skip is for attention_output, mlp_output and block_output"
    )]
    NoSkip {
        /// The component.
        component: Component,
    },
    /// A component that is no attention score.
    #[error("{component} cannot be knocked out: knockout is for attention_score")]
    NoKnockout {
        /// The component.
        component: Component,
    },
    /// A cell's plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}
