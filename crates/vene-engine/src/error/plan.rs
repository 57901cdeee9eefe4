//! A plan that cannot be run.

use vene_model::{AnotherModel, Component, InputError, Site, SiteError};

use super::{PositionError, Whose};

/// A plan that cannot be run.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No such site.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A prompt of another model, or a plan that was resolved for another one.
    #[error(transparent)]
    AnotherModel(#[from] AnotherModel),
    /// A prompt that another model of the same shape cannot take.
    #[error("{whose} of example {example}: {error}")]
    Input {
        /// Whose.
        whose: Whose,
        /// The example.
        example: usize,
        /// What is wrong.
        error: Box<InputError>,
    },
    /// No example at all.
    #[error("there is no example to run the plan on")]
    NoExamples,
    /// Answers that bases cannot go on with.
    #[error("the examples' bases cannot go on with their answers: {problem}")]
    TeacherForcing {
        /// What is wrong.
        problem: String,
    },
    /// No row of a data set can be used.
    #[error("none of the {rows} rows can be used; {reason}")]
    NoRows {
        /// How many there are.
        rows: usize,
        /// The first, and what is wrong with it.
        reason: String,
    },
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
        /// Whose.
        whose: Whose,
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
    /// Lists of heads for another number of examples.
    #[error(
        "{lists} lists of heads of {component} are given for {examples} examples: give one for each, empty where nothing is to be edited"
    )]
    HeadLists {
        /// The component.
        component: Component,
        /// Lists.
        lists: usize,
        /// Examples.
        examples: usize,
    },
    /// An attention pattern as one vector.
    #[error(
        "{component} cannot be concatenated: its values are [head, query, key]; edit a component of rows, or each query by itself"
    )]
    PatternConcatenated {
        /// The component.
        component: Component,
    },
    /// Several steps of a recurrent block as one vector.
    #[error(
        "{site} cannot be concatenated over positions: a recurrent block computes one from the other, so \
         that they are edited one after the other; edit one position, or block_input"
    )]
    StepsConcatenated {
        /// Where.
        site: Site,
    },
    /// An edit of a source that changes nothing that is read.
    #[error(
        "edit {edit} ({site}) is made in the run of source {run}, of which no edit of another run reads anything \
         there or after it: it would change nothing; leave it out, or let an edit read what it changes"
    )]
    EditUnread {
        /// The edit.
        edit: usize,
        /// Its site.
        site: Site,
        /// The source.
        run: usize,
    },
    /// Edited sources that read each other.
    #[error(
        "the edited runs of sources {sources:?} read each other in a circle: none of them can be run first; let one read a source that is not edited"
    )]
    Circle {
        /// The sources' indices.
        sources: Vec<usize>,
    },
    /// Given values for another number of examples.
    #[error(
        "edit {edit} ({site}): values are given for {lists} examples, and there are {examples}: give a list for each"
    )]
    GivenLists {
        /// The edit.
        edit: usize,
        /// The site.
        site: Site,
        /// Lists.
        lists: usize,
        /// Examples.
        examples: usize,
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
    #[error(
        "edit {edit} ({intervention}, {site}) needs source {source_index} of example {example}, counted from 0, \
         which has {sources}: give its prompts as sources"
    )]
    NoSource {
        /// The edit.
        edit: usize,
        /// What it does.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// The example.
        example: usize,
        /// The source that was asked for.
        source_index: usize,
        /// How many it has.
        sources: usize,
    },
    /// Positions for another number of sources.
    #[error(
        "edit {edit}: positions are given for {lists} sources, and example {example} has {sources}: give them \
         for each of its sources, or once for all"
    )]
    SourceLists {
        /// The edit.
        edit: usize,
        /// The example.
        example: usize,
        /// For how many sources there are positions.
        lists: usize,
        /// How many sources there are.
        sources: usize,
    },
    /// Positions for each source of an edit that reads the base.
    #[error(
        "edit {edit}: positions are given for each source, and the edit reads the base: give them once"
    )]
    BaseBySource {
        /// The edit.
        edit: usize,
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
        "edit {edit}, example {example}: {base} {what} are written in {written_in} ({base_tokens} tokens), \
         {read} are read in {read_in} ({source_tokens} tokens): name as many on both sides, \
         e.g. the last token of a phrase"
    )]
    Unequal {
        /// The edit.
        edit: usize,
        /// The example.
        example: usize,
        /// Positions, heads or keys.
        what: &'static str,
        /// The run that is edited.
        written_in: Whose,
        /// The run that is read.
        read_in: Whose,
        /// How many in the run that is edited.
        base: usize,
        /// How many in the run that is read.
        read: usize,
        /// The length of the prompt that is edited.
        base_tokens: usize,
        /// The length of the prompt that is read.
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
    /// An edit that cannot be made at generated tokens.
    #[error("edit {edit} ({site}) cannot be made at these steps: {problem}")]
    OnSteps {
        /// The edit.
        edit: usize,
        /// The site.
        site: Site,
        /// Why, and what to do.
        problem: String,
    },
    /// Attention patterns are collected whole or not at all.
    #[error("{component} is collected for all positions at once: it is [head, query, key]")]
    PartOfPattern {
        /// The component.
        component: Component,
    },
}

vene_named::debug_as_sentence!(PlanError);

impl PlanError {
    /// Whether it is about one of the examples, so that the plan may still fit others.
    pub fn is_of_an_example(&self) -> bool {
        matches!(
            self,
            Self::Input { .. }
                | Self::Position { .. }
                | Self::LandsNowhere { .. }
                | Self::NoSource { .. }
                | Self::SourceLists { .. }
                | Self::Unequal { .. }
                | Self::Conflict { .. }
        )
    }
}

fn grouped(heads: usize, query_heads: usize) -> String {
    match heads == query_heads {
        true => String::new(),
        false => {
            format!(" (key and value heads, each shared by {} query heads)", query_heads / heads)
        }
    }
}
