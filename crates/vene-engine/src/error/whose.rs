//! Whose text something is wrong with.

use std::fmt::{self, Display, Formatter};

/// Whose text something is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// The base's.
    Base,
    /// A source's.
    Source {
        /// Which, counted from 0.
        index: usize,
        /// Of how many.
        sources: usize,
    },
    /// That of something else, in words for messages.
    Other(&'static str),
}

impl Whose {
    /// What names a source among several, behind words that do not: ` (source 1)`; else nothing.
    pub fn among_several(self) -> String {
        match self {
            Self::Source { sources: 2.., .. } => format!(" ({self})"),
            _ => String::new(),
        }
    }
}

impl Display for Whose {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => formatter.write_str("the base"),
            Self::Source { index, sources: 2.. } => write!(formatter, "source {index}"),
            Self::Source { .. } => formatter.write_str("the source"),
            Self::Other(words) => formatter.write_str(words),
        }
    }
}
