//! From a stretch of text to the tokens that cover it.

use std::ops::Range;

use vene_model::Prompt;

use crate::error::PositionError;

/// Where something that was said stands in the text that the model reads, in bytes.
pub(super) struct Occurrence(Range<usize>);

impl Occurrence {
    /// A phrase's occurrence: the only one, or the one with this index.
    pub(super) fn of(
        prompt: &Prompt,
        phrase: &str,
        index: Option<usize>,
    ) -> Result<Self, PositionError> {
        let text = prompt.said().ok_or(PositionError::NoText)?;
        let phrase = phrase.trim();
        if phrase.is_empty() {
            return Err(PositionError::EmptyPhrase);
        }
        let found: Vec<usize> = text.match_indices(phrase).map(|(start, _)| start).collect();
        let missing = |found| PositionError::NoPhrase {
            phrase: phrase.to_owned(),
            text: text.to_owned(),
            found,
        };
        let start = match (index, found.as_slice()) {
            (_, []) => return Err(missing(0)),
            (None, [only]) => *only,
            (None, several) => {
                return Err(PositionError::SeveralPhrases {
                    phrase: phrase.to_owned(),
                    text: text.to_owned(),
                    found: several.len(),
                });
            }
            (Some(index), found) => *found.get(index).ok_or_else(|| missing(found.len()))?,
        };
        Self::shown(prompt, start..start + phrase.len())
    }

    /// A stretch of characters.
    pub(super) fn characters(prompt: &Prompt, range: Range<usize>) -> Result<Self, PositionError> {
        let text = prompt.said().ok_or(PositionError::NoText)?;
        let characters = text.chars().count();
        if range.is_empty() {
            return Err(PositionError::NoCharacters { range });
        }
        if range.end > characters {
            return Err(PositionError::CharactersPastEnd { range, characters });
        }
        let byte = |character: usize| {
            text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
        };
        Self::shown(prompt, byte(range.start)..byte(range.end))
    }

    /// Bytes of what was said, where the model reads them.
    fn shown(prompt: &Prompt, said: Range<usize>) -> Result<Self, PositionError> {
        prompt.place_of(said).map(Self).ok_or(PositionError::NotInConversation)
    }
}

/// The tokens that cover an occurrence; a token that reaches over its edge counts, as a leading
/// space does in ` Spain`.
pub(super) fn tokens_of(
    prompt: &Prompt,
    occurrence: Occurrence,
) -> Result<Range<usize>, PositionError> {
    let Occurrence(bytes) = occurrence;
    let overlaps = |span: &Range<usize>| span.start < bytes.end && bytes.start < span.end;
    let first = prompt.spans().iter().position(overlaps);
    let last = prompt.spans().iter().rposition(overlaps);
    match (first, last) {
        (Some(first), Some(last)) => Ok(first..last + 1),
        _ => Err(PositionError::NoText),
    }
}
