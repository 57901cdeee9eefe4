//! Positions at the ends of a prompt: its first tokens, its last tokens, or both.
//!
//! ReFT (Wu et al. 2024) edits a prefix and a suffix of each prompt. Where a prompt is too short for both, tokens that
//! belong to both are edited once; what pyreft does there instead is [`ShortPrompt::Halved`].

use vene_named::named;

use crate::error::PositionError;

/// The first and the last tokens of a prompt, each position once, in ascending order.
///
/// ```
/// use vene::plan::{Ends, ShortPrompt};
///
/// assert_eq!(Ends::first(2).in_tokens(5)?, [0, 1]);
/// assert_eq!(Ends::both(2, 2).in_tokens(3)?, [0, 1, 2]);
/// assert!(Ends::last(4).in_tokens(3).is_err());
/// // As pyreft cuts `l7` in a prompt of nine tokens, of which it does not count the last.
/// let pyreft = Ends::last(7).short(ShortPrompt::Halved).skip_last(1);
/// assert_eq!(pyreft.in_tokens(9)?, [4, 5, 6, 7]);
/// # Ok::<(), vene::PositionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    first: usize,
    last: usize,
    skip_last: usize,
    short: ShortPrompt,
}

named! {
    /// What is taken of a prompt that has fewer tokens than an end asks for.
    pub enum ShortPrompt as "rule for short prompts", default Refused {
        /// The prompt is refused; as a row of a data set it is left out.
        Refused = "refused",
        /// Each end has at most half of the tokens, rounded down, so that the two never overlap (pyreft).
        Halved = "halved",
    }
}

impl Ends {
    /// The first so many tokens, a beginning-of-sequence token included.
    pub fn first(tokens: usize) -> Self {
        Self::both(tokens, 0)
    }

    /// The last so many tokens.
    pub fn last(tokens: usize) -> Self {
        Self::both(0, tokens)
    }

    /// The first and the last so many tokens; those that are both are there once.
    pub fn both(first: usize, last: usize) -> Self {
        Self { first, last, skip_last: 0, short: ShortPrompt::default() }
    }

    /// With another rule for prompts that are too short.
    #[must_use]
    pub fn short(self, short: ShortPrompt) -> Self {
        Self { short, ..self }
    }

    /// So many tokens at the end of the prompt are not counted: it is as if they were not there.
    #[must_use]
    pub fn skip_last(self, skip_last: usize) -> Self {
        Self { skip_last, ..self }
    }

    /// How many tokens of the beginning, of the end, and how many after them are not counted.
    pub fn counts(self) -> [usize; 3] {
        [self.first, self.last, self.skip_last]
    }

    /// The rule for prompts that are too short.
    pub fn rule(self) -> ShortPrompt {
        self.short
    }

    /// How many positions it comes to in every prompt, where that is the same in all.
    pub(crate) fn number(self) -> Option<usize> {
        let is_same = self.short == ShortPrompt::Refused && (self.first == 0 || self.last == 0);
        is_same.then_some(self.first + self.last)
    }

    /// The positions in a prompt of so many tokens.
    ///
    /// # Errors
    /// [`PositionError::ShortPrompt`] where the prompt has too few, or none comes of it.
    pub fn in_tokens(self, tokens: usize) -> Result<Vec<usize>, PositionError> {
        let counted = tokens.saturating_sub(self.skip_last);
        let most = match self.short {
            ShortPrompt::Refused => counted,
            ShortPrompt::Halved => counted / 2,
        };
        let is_long_enough = match self.short {
            ShortPrompt::Refused => self.first.max(self.last) <= counted,
            ShortPrompt::Halved => true,
        };
        let (first, last) = (self.first.min(most), self.last.min(most));
        if !is_long_enough || first + last == 0 {
            return Err(PositionError::ShortPrompt { ends: self.to_string(), tokens });
        }
        Ok((0..first).chain((counted - last).max(first)..counted).collect())
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.first, self.last) {
            (first, 0) => write!(formatter, "the first {first} tokens")?,
            (0, last) => write!(formatter, "the last {last} tokens")?,
            (first, last) => write!(formatter, "the first {first} and the last {last} tokens")?,
        }
        if self.skip_last > 0 {
            write!(formatter, " before the last {}", self.skip_last)?;
        }
        match self.short {
            ShortPrompt::Refused => Ok(()),
            ShortPrompt::Halved => write!(formatter, ", at most half of them"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_overlaps_is_there_once() {
        for tokens in 1..12 {
            for (first, last) in [(3, 3), (1, 4), (5, 2)] {
                let ends = Ends::both(first, last);
                match ends.in_tokens(tokens) {
                    Ok(found) => {
                        assert!(tokens >= first.max(last));
                        let right: Vec<usize> = (0..tokens)
                            .filter(|&token| token < first || token + last >= tokens)
                            .collect();
                        assert_eq!(found, right, "{ends} of {tokens}");
                    }
                    Err(error) => {
                        assert!(tokens < first.max(last));
                        assert!(error.to_string().contains("has too few tokens"), "{error}");
                    }
                }
            }
        }
    }

    /// pyreft's `get_intervention_locations`: `min(last_position // 2, n)` of each end, before `last_position`.
    #[test]
    fn halves_are_as_pyreft_cuts_them() {
        let halved = |ends: Ends| ends.short(ShortPrompt::Halved);
        assert_eq!(halved(Ends::both(7, 7)).in_tokens(5).unwrap(), [0, 1, 3, 4]);
        assert_eq!(halved(Ends::both(2, 1)).in_tokens(9).unwrap(), [0, 1, 8]);
        assert_eq!(halved(Ends::first(7)).skip_last(1).in_tokens(5).unwrap(), [0, 1]);
        assert_eq!(halved(Ends::last(7)).skip_last(1).in_tokens(5).unwrap(), [2, 3]);
        assert!(halved(Ends::last(7)).in_tokens(1).is_err());
        assert!(Ends::first(1).skip_last(3).in_tokens(3).is_err());
    }
}
