//! What rows are said to agree on.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use vene_data::{PreparedRow, Role};

/// What a row says at a position.
type ValueOf = dyn Fn(&PreparedRow, usize) -> Vec<u8> + Send + Sync;

/// Something of a row, or of a position in it, by which rows are told apart.
#[derive(Clone)]
pub struct Feature {
    name: String,
    is_by_position: bool,
    value: Arc<ValueOf>,
}

impl Debug for Feature {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// Of what a name is a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The token so many positions earlier.
    Token(usize),
    /// All tokens up to the position.
    Prefix,
    /// All tokens.
    Tokens,
    Target,
    Foil,
    Group,
    /// The tokens that play a role, wherever they stand.
    Role(Role),
}

impl Known {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "token" => Self::Token(0),
            "prefix" => Self::Prefix,
            "tokens" => Self::Tokens,
            "target" => Self::Target,
            "foil" => Self::Foil,
            "group" => Self::Group,
            name => match name.strip_prefix("token-") {
                Some(earlier) => Self::Token(earlier.parse().ok().filter(|&count| count > 0)?),
                None => Self::Role(name.parse().ok()?),
            },
        })
    }

    /// Whether it is a word that a span of a row may have as well.
    pub(super) fn is_word(&self) -> bool {
        !matches!(self, Self::Role(_) | Self::Token(1..))
    }
}

impl Feature {
    /// One of your own, of a whole row.
    pub fn of_row(
        name: impl Into<String>,
        value: impl Fn(&PreparedRow) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), is_by_position: false, value: Arc::new(move |row, _| value(row)) }
    }

    /// One of your own, of each position of a row's base: rows are drawn for each position by itself.
    pub fn of_position(
        name: impl Into<String>,
        value: impl Fn(&PreparedRow, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), is_by_position: true, value: Arc::new(value) }
    }

    /// Its name, as hypotheses write it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `roles`: those that rows were prepared for.
    pub(super) fn of(name: &str, known: &Known, roles: &[Role]) -> Self {
        fn bytes(tokens: &[u32]) -> Vec<u8> {
            tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
        }
        fn words(words: &[String]) -> Vec<u8> {
            words.join("\0").into_bytes()
        }
        match known.clone() {
            Known::Token(back) => Self::of_position(name, move |row, position| {
                let token = position.checked_sub(back).map(|at| row.base.tokens()[at]);
                // Before the text there is none, which is a value of its own.
                token.map_or_else(Vec::new, |token| token.to_le_bytes().to_vec())
            }),
            Known::Prefix => {
                Self::of_position(name, |row, position| bytes(&row.base.tokens()[..=position]))
            }
            Known::Tokens => Self::of_row(name, |row| bytes(row.base.tokens())),
            Known::Target => Self::of_row(name, |row| words(&row.row.target)),
            Known::Foil => Self::of_row(name, |row| words(&row.row.foil)),
            Known::Group => {
                Self::of_row(name, |row| row.row.group.clone().unwrap_or_default().into_bytes())
            }
            Known::Role(role) => {
                let place = roles.iter().position(|known| *known == role);
                Self::of_row(name, move |row| {
                    let at = place.and_then(|place| row.base_positions.get(place));
                    let value = |&position: &usize| row.base.tokens()[position].to_le_bytes();
                    at.into_iter().flatten().flat_map(value).collect()
                })
            }
        }
    }

    pub(super) fn is_by_position(&self) -> bool {
        self.is_by_position
    }

    pub(super) fn value(&self, row: &PreparedRow, position: usize) -> Vec<u8> {
        (self.value)(row, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_rows_agree_on() {
        assert_eq!(Known::named("token"), Some(Known::Token(0)));
        assert_eq!(Known::named("token-2"), Some(Known::Token(2)));
        assert_eq!(Known::named("token-0"), None);
        assert_eq!(Known::named("token-x"), None);
        assert!(matches!(Known::named("subject_last"), Some(Known::Role(_))));
        assert_eq!(Known::named("no such"), None);
    }
}
