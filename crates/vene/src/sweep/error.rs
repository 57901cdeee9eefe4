//! A sweep that cannot be run.

use vene_data::{Reason, Role, RowName};
use vene_engine::{PlanError, PositionError, RunError, Whose};
use vene_model::{Component, InputError};

/// A sweep that cannot be run.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// No base.
    #[error("a sweep needs a base prompt, or rows of a data set")]
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
    #[error(
        "a sweep needs at least one target token, such as ` Madrid` with its leading space, or a metric"
    )]
    NoTokens,
    /// A metric that reads answers, and no target.
    #[error(
        "the metric {metric} reads answers: give a target, such as ` Madrid` with its leading space, or take a metric \
         that reads none, such as kl"
    )]
    NoTarget {
        /// The metric.
        metric: String,
    },
    /// A metric that compares answers, and no foil.
    #[error(
        "the metric {metric} compares answers: give a target and a foil, such as ` Madrid` and ` Rome` with their \
         leading spaces, or take a metric that needs none, such as log_probability (a target alone) or kl (no answer)"
    )]
    NoFoil {
        /// The metric.
        metric: String,
    },
    /// Answers that no metric reads.
    #[error(
        "a target or a foil is given, and no metric reads answers: name one that does, such as logit_difference"
    )]
    AnswersUnread,
    /// Answers that cannot be read.
    #[error("the answers: {reason}")]
    Answers {
        /// What is wrong with them.
        reason: String,
    },
    /// A prompt that the model cannot take.
    #[error("{whose}: {error}")]
    Input {
        /// Whose.
        whose: Whose,
        /// What is wrong.
        error: Box<vene_model::InputError>,
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
        "the base has {base} tokens and the source {source_tokens}{}, so positions do not match one to one: \
         name the positions (last, aligned, or the tokens of a phrase)", whose.among_several()
    )]
    DifferentLengths {
        /// The base's length.
        base: usize,
        /// The source's length.
        source_tokens: usize,
        /// Which source it is.
        whose: Whose,
    },
    /// Base and sources have nothing in common by which positions could be paired.
    #[error("no position of the base corresponds to one in each source: name the positions")]
    NoPositions,
    /// Positions for another number of sources.
    #[error(
        "positions are given for {lists} sources, and {sources} are read: give them for each, or once for all"
    )]
    SourceLists {
        /// For how many sources there are positions.
        lists: usize,
        /// How many are read.
        sources: usize,
    },
    /// Spans of different lengths.
    #[error(
        "a span of {base} tokens in the base cannot take the values of {source_tokens} tokens of the \
         source{}: name one token on each side, e.g. the last of a phrase", whose.among_several()
    )]
    UnequalSpans {
        /// In the base.
        base: usize,
        /// In the source.
        source_tokens: usize,
        /// Which source it is.
        whose: Whose,
    },
    /// No such position.
    #[error("{whose}: {error}")]
    Position {
        /// Whose.
        whose: Whose,
        /// What is wrong.
        error: PositionError,
    },
    /// A position that is named twice.
    #[error("position {position} is named twice")]
    PositionTwice {
        /// The position.
        position: usize,
    },
    /// Positions of different names that are one position of the base, where the sources' differ.
    #[error(
        "two of the named positions are position {position} of the base, and read position {one} and {other} of \
         the source{}: what comes of them could not be told apart; sweep one of them at a time",
        whose.among_several()
    )]
    PositionShared {
        /// The position in the base.
        position: usize,
        /// What the first of them reads.
        one: usize,
        /// What the second reads.
        other: usize,
        /// Which source that is.
        whose: Whose,
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
    /// Positions are chosen, and the unit edits all at once.
    #[error(
        "positions are chosen, but the unit h edits all of them at once: take unit pos or h.pos"
    )]
    PositionsWithoutUnit,
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
    /// A pair and rows.
    #[error("{what} is of a pair of prompts, and rows are given: give one of the two")]
    PairAndRows {
        /// What is given of a pair.
        what: &'static str,
    },
    /// What is for rows of a data set.
    #[error("{what} {of} other rows, and a pair of prompts has none: give the rows of a data set")]
    OneRow {
        /// What is made of other rows.
        what: &'static str,
        /// What it does with them.
        of: &'static str,
    },
    /// What is for one pair.
    #[error(
        "positions that are {what} are for one pair of prompts: rows are visited by role, such as subject_last or last"
    )]
    PositionsOfRows {
        /// Which positions.
        what: &'static str,
    },
    /// The mean over sources, of which a row has one.
    #[error(
        "mean is over several sources of one pair, and a row has one source: over rows there is mean ablation, over their bases"
    )]
    MeanOfRows,
    /// Denoising several sources.
    #[error("denoising edits the source's run, and there are {sources} sources: give one")]
    DenoisingSeveral {
        /// How many there are.
        sources: usize,
    },
    /// No row at all.
    #[error("a sweep over a data set needs rows")]
    NoRows,
    /// No row can be used.
    #[error("none of the {rows} rows can be used; {first}: {reason}")]
    NoneUsable {
        /// How many there are.
        rows: usize,
        /// The first.
        first: RowName,
        /// What is wrong with it.
        reason: Box<Reason>,
    },
    /// A list without anything in it.
    #[error("a sweep over a data set needs {what}, and the list is empty")]
    Empty {
        /// What is needed.
        what: &'static str,
    },
    /// Something that is named twice.
    #[error("the {what} {name} is named twice: it would stand in the table twice")]
    Twice {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// No role.
    #[error("a sweep over a data set needs positions by role, such as subject_last or last")]
    NoRoles,
    /// A role that is named twice.
    #[error("the position {role} is named twice")]
    RoleTwice {
        /// The role.
        role: Role,
    },
    /// No metric.
    #[error("a sweep over a data set needs a metric, such as logit_difference")]
    NoMetrics,
    /// A window without a layer.
    #[error("a window of 0 layers edits nothing; expected 1 or more")]
    EmptyWindow,
    /// No draw.
    #[error("{method} with 0 draws edits nothing; expected 1 or more")]
    NoDraws {
        /// What was to be done.
        method: &'static str,
    },
    /// More draws than a row is run for.
    #[error("{method} with {draws} draws for each row and place; expected at most {most}")]
    ManyDraws {
        /// What was to be done.
        method: &'static str,
        /// How many draws were asked for.
        draws: usize,
        /// The most there may be.
        most: usize,
    },
    /// Denoising by something that reads no other run.
    #[error(
        "{method} has one direction only, noising: it reads no other prompt that could bring an answer back"
    )]
    NoDenoising {
        /// What was to be done.
        method: &'static str,
    },
    /// A control of something that reads no other run.
    #[error(
        "the control `{control}` is for methods that read another prompt, such as interchange, not for {method}"
    )]
    NoControl {
        /// The control.
        control: &'static str,
        /// What was to be done.
        method: &'static str,
    },
    /// Self-swaps of runs that have noise in them.
    #[error(
        "the control `self` is not for restore: putting back the values of the run without noise is what \
         restore does"
    )]
    NoSelfSwap,
    /// A change of an attention pattern in a random direction.
    #[error(
        "the control `random` is not for {component}: an attention pattern changed in a random direction is \
         no pattern"
    )]
    NoRandom {
        /// The component.
        component: Component,
    },
    /// Direct effects in runs that have noise in them.
    #[error(
        "restore has a total effect only: attention outputs held at what they are without noise would \
         bring the answer back by themselves"
    )]
    NoDirect,
    /// Direct effects of several layers' attention.
    #[error(
        "the direct effect of {component} has no window: the outputs of attention behind the first layer \
         are held, and {component} of the next ones would have no effect; use a window of 1, or a \
         component that is no part of attention"
    )]
    DirectWindow {
        /// The component.
        component: Component,
    },
    /// A batch that is none.
    #[error("rows {start}..{end} are no batch of a sweep over {rows} rows", start = range.start, end = range.end)]
    NoBatch {
        /// The rows asked for.
        range: std::ops::Range<usize>,
        /// The rows that are used.
        rows: usize,
    },
    /// Too few rows to draw from.
    #[error(
        "{row} needs {draws} other rows to draw from that fit it in length, and there are {found}"
    )]
    TooFewPartners {
        /// The row.
        row: RowName,
        /// How many are needed.
        draws: usize,
        /// How many there are.
        found: usize,
    },
    /// A mean of attention patterns.
    #[error("attention patterns have no mean over a data set: their width is the prompt's length")]
    NoMean,
    /// Tables of unlike sweeps.
    #[error(
        "`{column}` is {first} in table 0 and {other} in table {table}: these are about different things, and \
         cannot be joined"
    )]
    Unlike {
        /// The column.
        column: &'static str,
        /// What it holds in the first table.
        first: String,
        /// Which other table, counted from 0.
        table: usize,
        /// What it holds there.
        other: String,
    },
    /// An example that a table has more than once in a cell.
    #[error("example {example} is there twice ({place}): a summary takes each once")]
    Repeated {
        /// The example.
        example: i64,
        /// The cell.
        place: String,
    },
    /// A table that was changed while it was read.
    #[error("the table was changed while it was read: example {example} was not there before")]
    Changed {
        /// The example.
        example: i64,
    },
    /// A cell's plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A summary that cannot be made.
    #[error(transparent)]
    Statistics(#[from] vene_statistics::StatisticsError),
    /// Parts that do not belong together.
    #[error(transparent)]
    Table(Box<vene_table::TableError>),
}

impl From<vene_table::TableError> for SweepError {
    fn from(error: vene_table::TableError) -> Self {
        Self::Table(Box::new(error))
    }
}

vene_named::debug_as_sentence!(SweepError);

impl SweepError {
    /// What the model cannot take of a prompt that goes on with an answer.
    pub(crate) fn of_answer(error: InputError) -> Self {
        Self::Input { whose: Whose::Other("an answer"), error: Box::new(error) }
    }
}
