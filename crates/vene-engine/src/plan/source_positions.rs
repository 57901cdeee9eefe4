//! Where sources are read: the same words for all of them, or for each source its own.
//!
//! The same words are looked up in each source anew, so that `last` is each one's last token. Where words
//! differ (another phrase in each), or where positions are numbers and sources differ in length, each
//! source is told its own.

use super::{Positions, Run};

/// The positions that an edit reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePositions {
    /// These, looked up in each run that is read.
    Same(Positions),
    /// For each of the example's sources, in their order, its own.
    BySource(Vec<Positions>),
}

impl SourcePositions {
    /// Those of one run; `None` where there are none for it.
    pub fn of(&self, run: Run) -> Option<&Positions> {
        match (self, run) {
            (Self::Same(positions), _) => Some(positions),
            (Self::BySource(each), Run::Source(source)) => each.get(source),
            (Self::BySource(_), Run::Base) => None,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Positions] {
        match self {
            Self::Same(positions) => std::slice::from_ref(positions),
            Self::BySource(each) => each,
        }
    }
}

impl From<Positions> for SourcePositions {
    fn from(positions: Positions) -> Self {
        Self::Same(positions)
    }
}

impl From<Vec<Positions>> for SourcePositions {
    fn from(each: Vec<Positions>) -> Self {
        Self::BySource(each)
    }
}

impl<const N: usize> From<[Positions; N]> for SourcePositions {
    fn from(each: [Positions; N]) -> Self {
        Self::BySource(each.into())
    }
}
