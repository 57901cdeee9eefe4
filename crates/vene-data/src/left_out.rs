//! Rows that cannot be used, and why.

use std::fmt::{self, Display, Formatter};

use vene_engine::PositionError;
use vene_engine::plan::Role;
use vene_named::shown;

use super::read::Place;

/// How messages name a row: by its place in its file, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowName {
    pub(super) index: usize,
    pub(super) place: Option<Place>,
}

impl Display for RowName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => place.fmt(formatter),
            None => write!(formatter, "row {} (counted from 0)", self.index),
        }
    }
}

/// A row that cannot be used.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Which row it is, counted as [`PreparedRow::index`](super::PreparedRow::index).
    pub index: usize,
    /// Where it stands in its file.
    pub place: Option<Place>,
    /// Why.
    pub reason: Reason,
}

impl LeftOut {
    /// Where it stands, for messages.
    pub fn name(&self) -> RowName {
        RowName { index: self.index, place: self.place }
    }
}

/// Why a row cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The model cannot take a prompt.
    Prompt {
        /// Base or source.
        whose: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A prompt or an answer is an empty text, or the base is missing.
    Empty {
        /// Base, source, target or foil.
        what: &'static str,
    },
    /// It has no source, and one is read.
    NoSource,
    /// It has no target.
    NoTarget,
    /// It has no foil, and a metric needs one.
    NoFoil,
    /// An answer is right for both base and source, as far as it is looked at.
    SameAnswer {
        /// The answer.
        answer: String,
    },
    /// Answers to base and source begin with the same token, and no more of them is looked at.
    SameFirstToken {
        /// The answer that is right for the base.
        target: String,
        /// The one that is right for the source.
        foil: String,
    },
    /// An answer begins with one to the other prompt, so that whoever says it says both.
    Overlap {
        /// The answer that is right for the base.
        target: String,
        /// The one that is right for the source.
        foil: String,
    },
    /// An answer that no token stands for alone.
    Answer {
        /// The answer.
        answer: String,
        /// What is wrong.
        problem: String,
    },
    /// An answer has several tokens, and a metric is about single ones.
    SeveralTokens {
        /// The answer.
        answer: String,
        /// How many.
        tokens: usize,
    },
    /// A role that is nowhere.
    Position {
        /// Base or source.
        whose: &'static str,
        /// The role.
        role: Role,
        /// What is wrong.
        error: PositionError,
    },
    /// A role that is in the base and nowhere in the source, for which the row names no phrase of its own.
    Counterpart {
        /// The role.
        role: Role,
        /// The span.
        span: String,
        /// What is wrong.
        error: PositionError,
    },
    /// Two positions that must differ are the same token.
    SamePosition {
        /// One role.
        role: Role,
        /// The other.
        other: Role,
    },
    /// A span that has more tokens on one side than on the other.
    UnequalSpans {
        /// The role.
        role: Role,
        /// Tokens in the base.
        base: usize,
        /// Tokens in the source.
        source: usize,
    },
    /// All positions are edited at once, and base and source differ in length.
    UnequalLengths {
        /// Tokens of the base.
        base: usize,
        /// Tokens of the source.
        source: usize,
    },
    /// Too few other rows to draw from.
    FewPartners {
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A knockout of what does not exist, or of everything.
    Blind {
        /// The layer.
        layer: usize,
        /// The role, or all positions.
        position: String,
        /// How much the last position sees there.
        sees: &'static str,
        /// What a knockout there would do.
        would: &'static str,
    },
    /// A plan cannot be run on it.
    Plan {
        /// What is wrong.
        problem: String,
    },
    /// Its foil is to be learned, and is no answer to its source.
    FoilNotOfSource,
}

impl Reason {
    /// What rows that are left out for a like reason have in common.
    pub fn kind(&self) -> String {
        match self {
            Self::Prompt { whose, .. } => format!("the model cannot take the {whose}"),
            Self::Empty { what: "base" } => "the base is missing, or an empty text".to_owned(),
            Self::Empty { what } => format!("the {what} is an empty text"),
            Self::NoSource => "no source".to_owned(),
            Self::NoTarget => "no target".to_owned(),
            Self::NoFoil => "no foil".to_owned(),
            Self::SameAnswer { .. } => "target and foil share an answer".to_owned(),
            Self::SameFirstToken { .. } => {
                "target and foil begin with the same token, and only first tokens are compared"
                    .to_owned()
            }
            Self::Overlap { .. } => "target and foil begin alike to the end of one".to_owned(),
            Self::Answer { .. } => "an answer is no continuation in tokens".to_owned(),
            Self::SeveralTokens { .. } => "an answer has several tokens".to_owned(),
            Self::Position { whose, role, .. } => format!("{role} is not found in the {whose}"),
            Self::Counterpart { role, .. } => format!("{role} is not found in the source"),
            Self::SamePosition { role, other } => format!("{role} and {other} are the same token"),
            Self::UnequalSpans { role, .. } => {
                format!("{role} has more tokens on one side than on the other")
            }
            Self::UnequalLengths { .. } => "base and source differ in length".to_owned(),
            Self::FewPartners { .. } => "too few other rows fit it".to_owned(),
            Self::Blind { .. } => "a knockout has nothing to hide, or hides everything".to_owned(),
            Self::Plan { .. } => "the plan does not fit the row".to_owned(),
            Self::FoilNotOfSource => "the foil is not the source's answer".to_owned(),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt { whose, problem } => write!(formatter, "{whose}: {problem}"),
            Self::SameAnswer { answer } => {
                write!(formatter, "`{}` is right for both base and source", shown(answer))
            }
            Self::SameFirstToken { target, foil } => write!(
                formatter,
                "`{}` and `{}` begin with the same token, and only first tokens are compared: give answers that \
                 differ in their first token",
                shown(target),
                shown(foil)
            ),
            Self::Overlap { target, foil } => write!(
                formatter,
                "in tokens one of `{}` and `{}` begins the other, so that who says the longer has said both",
                shown(target),
                shown(foil)
            ),
            Self::Answer { answer, problem } => write!(formatter, "`{}`: {problem}", shown(answer)),
            Self::SeveralTokens { answer, tokens } => {
                write!(
                    formatter,
                    "`{}` has {tokens} tokens; a metric is about single ones",
                    shown(answer)
                )
            }
            Self::Position { whose, role, error } => write!(formatter, "{role}, {whose}: {error}"),
            Self::Counterpart { role, span, error } => write!(
                formatter,
                "{role}, source: {error} (say in `source_{span}` what stands there in its place)"
            ),
            Self::UnequalSpans { role, base, source } => {
                write!(formatter, "{role} has {base} tokens in the base and {source} in the source")
            }
            Self::UnequalLengths { base, source } => {
                write!(formatter, "the base has {base} tokens and the source {source}")
            }
            Self::FewPartners { needed, found } => write!(
                formatter,
                "it needs {needed} other rows to draw from that fit it in length, and there are {found}"
            ),
            Self::Blind { layer, position, sees, would } => write!(
                formatter,
                "in layer {layer} the last position sees {sees} at {position}; a knockout there would {would}"
            ),
            Self::Plan { problem } => write!(formatter, "{problem}"),
            Self::FoilNotOfSource => write!(
                formatter,
                "the foil is not the source's answer (the row says so in `foil_is`), so that the edited run \
                 should not say it"
            ),
            Self::Empty { what } if *what != "base" => {
                write!(formatter, "{}; leave it out (or null) if there is none", self.kind())
            }
            Self::Empty { .. }
            | Self::NoSource
            | Self::NoTarget
            | Self::NoFoil
            | Self::SamePosition { .. } => {
                write!(formatter, "{}", self.kind())
            }
        }
    }
}
