//! A sweep that cannot be run.

use vene_model::Component;

use super::{PlanError, PositionError, RunError, Whose};

/// A sweep that cannot be run.
#[derive(thiserror::Error)]
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
    /// A metric that is named twice.
    #[error("the metric {metric} is named twice: it would stand in the table twice")]
    MetricTwice {
        /// Its name.
        metric: String,
    },
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
    /// A cell's plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

vene_named::debug_as_sentence!(SweepError);
