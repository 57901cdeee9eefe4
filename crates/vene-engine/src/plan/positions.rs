//! Token positions, by number or by name.

use std::ops::Range;

use vene_model::Prompt;

use super::Role;
use super::ends::Ends;
use super::span::{Occurrence, tokens_of};
use crate::error::PositionError;

/// Which positions of a prompt are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Positions {
    /// The last one.
    #[default]
    Last,
    /// Every one, a beginning-of-sequence token included.
    All,
    /// These, counted from 0; negative ones from the end, -1 being the last.
    At(Vec<i64>),
    /// For each example its own, as [`Positions::At`].
    Each(Vec<Vec<i64>>),
    /// Those that play a role in each row of a data set: `PlanRows::over_rows` finds them.
    Role(Role),
    /// The first and the last tokens.
    Ends(Ends),
    /// The tokens of a phrase in the prompt's text.
    Phrase {
        /// The phrase, as it stands in the text.
        text: String,
        /// Which of its tokens.
        part: Part,
        /// Which occurrence, counted from 0; needed where it occurs more than once.
        occurrence: Option<usize>,
    },
    /// The tokens that cover these characters (Unicode scalar values) of the prompt's text.
    Characters {
        /// The characters, counted from 0.
        range: Range<usize>,
        /// Which of the tokens.
        part: Part,
    },
}

/// Which tokens of a span, in an order for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The first.
    First,
    /// The last.
    Last,
    /// The one after the last.
    After,
    /// All of them.
    All,
}

impl Positions {
    /// One position, counted from 0, or from the end if negative.
    pub fn index(position: i64) -> Self {
        Self::At(vec![position])
    }

    /// The last token of a phrase that occurs once.
    pub fn last_of(phrase: impl Into<String>) -> Self {
        Self::phrase(phrase, Part::Last)
    }

    /// Tokens of a phrase that occurs once.
    pub fn phrase(phrase: impl Into<String>, part: Part) -> Self {
        Self::Phrase { text: phrase.into(), part, occurrence: None }
    }

    /// The same phrase, at its occurrence with this index (counted from 0).
    #[must_use]
    pub fn occurrence(mut self, index: usize) -> Self {
        if let Self::Phrase { occurrence, .. } = &mut self {
            *occurrence = Some(index);
        }
        self
    }

    /// The positions in a prompt, ascending for spans and as listed for numbers.
    ///
    /// `example` is the prompt's index, for [`Positions::Each`].
    ///
    /// # Errors
    /// Where a position lies past the end, a prompt is too short, or a phrase does not occur or occurs several times.
    pub fn resolve(&self, prompt: &Prompt, example: usize) -> Result<Vec<usize>, PositionError> {
        match self {
            Self::Last => Ok(vec![prompt.len() - 1]),
            Self::All => Ok((0..prompt.len()).collect()),
            Self::At(indices) => numbered(indices, prompt),
            Self::Each(indices) => match indices.get(example) {
                Some(indices) => numbered(indices, prompt),
                None => Err(PositionError::TooFewExamples { example, given: indices.len() }),
            },
            Self::Ends(ends) => ends.in_tokens(prompt.len()),
            Self::Role(Role::Last) => Self::Last.resolve(prompt, example),
            Self::Role(Role::Index(index)) => numbered(&[*index], prompt),
            Self::Role(Role::Ends { first, last }) => {
                Ends::both(*first, *last).in_tokens(prompt.len())
            }
            Self::Role(role) => Err(PositionError::NoRow { role: role.to_string() }),
            Self::Phrase { text, part, occurrence } => {
                let tokens = tokens_of(prompt, Occurrence::of(prompt, text, *occurrence)?)?;
                part.of(tokens, prompt, text)
            }
            Self::Characters { range, part } => {
                let tokens = tokens_of(prompt, Occurrence::characters(prompt, range.clone())?)?;
                part.of(tokens, prompt, &format!("characters {}..{}", range.start, range.end))
            }
        }
    }
}

impl Part {
    fn of(
        self,
        tokens: Range<usize>,
        prompt: &Prompt,
        what: &str,
    ) -> Result<Vec<usize>, PositionError> {
        Ok(match self {
            Self::All => tokens.collect(),
            Self::First => vec![tokens.start],
            Self::Last => vec![tokens.end - 1],
            Self::After if tokens.end < prompt.len() => vec![tokens.end],
            Self::After => return Err(PositionError::NothingAfter { what: what.to_owned() }),
        })
    }
}

fn numbered(indices: &[i64], prompt: &Prompt) -> Result<Vec<usize>, PositionError> {
    let tokens = prompt.len();
    let mut positions = Vec::with_capacity(indices.len());
    for &index in indices {
        let position = if index < 0 { index + tokens as i64 } else { index };
        if position < 0 || position >= tokens as i64 {
            return Err(PositionError::PastEnd { index, tokens });
        }
        if positions.contains(&(position as usize)) {
            return Err(PositionError::Twice { position: position as usize });
        }
        positions.push(position as usize);
    }
    Ok(positions)
}
