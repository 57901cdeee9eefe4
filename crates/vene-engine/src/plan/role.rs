//! Positions by the role that their token plays: the same word in every row, whatever the lengths.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::Part;

/// Which position of each row is meant.
///
/// Written `last`, a number (from 0, negative from the end), the prompt's ends (`first:3`, `last:3`,
/// `first:3+last:3`: so many tokens at once), or a span's name with its part: `subject_first`, `subject_last`,
/// `after_subject`, `subject` for all of its tokens at once.
///
/// ```
/// use vene::data::Role;
///
/// let role: Role = "after_subject".parse()?;
/// assert_eq!(role.to_string(), "after_subject");
/// # Ok::<(), vene::data::RoleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The last token of the prompt.
    Last,
    /// The token with this index; negative ones from the end.
    Index(i64),
    /// The first and the last tokens at once, each once where they overlap ([`Ends`](super::Ends)); a prompt that has fewer is left
    /// out.
    Ends {
        /// How many of the beginning.
        first: usize,
        /// How many of the end.
        last: usize,
    },
    /// A token of a named span, or all of them.
    Span {
        /// The span's name.
        name: String,
        /// Which of its tokens.
        part: Part,
    },
}

/// A word that names no role.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no position of a data set: expected last, a number, the ends such as first:3, last:3 or \
     first:3+last:3, or a span of the rows such as \
     subject_first, subject_last, after_subject, or subject for all of its tokens at once"
)]
pub struct RoleError {
    text: String,
}

vene_named::debug_as_sentence!(RoleError);

impl Display for Role {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => write!(formatter, "last"),
            Self::Index(index) => write!(formatter, "{index}"),
            Self::Ends { first, last: 0 } => write!(formatter, "first:{first}"),
            Self::Ends { first: 0, last } => write!(formatter, "last:{last}"),
            Self::Ends { first, last } => write!(formatter, "first:{first}+last:{last}"),
            Self::Span { name, part } => match part {
                Part::First => write!(formatter, "{name}_first"),
                Part::Last => write!(formatter, "{name}_last"),
                Part::After => write!(formatter, "after_{name}"),
                Part::All => write!(formatter, "{name}"),
            },
        }
    }
}

vene_named::in_text!(Role);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        if text == "last" {
            return Ok(Self::Last);
        }
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        if let Some(ends) = ends(text) {
            return Ok(ends);
        }
        let parts: [(Option<&str>, Part); 4] = [
            (text.strip_prefix("after_"), Part::After),
            (text.strip_suffix("_first"), Part::First),
            (text.strip_suffix("_last"), Part::Last),
            (Some(text), Part::All),
        ];
        let named = parts.into_iter().find_map(|(name, part)| Some((name?, part)));
        match named {
            Some((name, part)) if is_name(name) => Ok(Self::Span { name: name.to_owned(), part }),
            _ => Err(RoleError { text: text.to_owned() }),
        }
    }
}

/// The role that `first:3`, `last:3` and `first:3+last:3` say.
fn ends(text: &str) -> Option<Role> {
    let count = |text: &str, end: &str| {
        let count: usize = text.strip_prefix(end)?.parse().ok()?;
        (count > 0).then_some(count)
    };
    let of = |text: &str| match (count(text, "first:"), count(text, "last:")) {
        (Some(first), _) => Some(Role::Ends { first, last: 0 }),
        (_, Some(last)) => Some(Role::Ends { first: 0, last }),
        _ => None,
    };
    match text.split_once('+') {
        None => of(text),
        Some((first, last)) => {
            let (first, last) = (count(first, "first:")?, count(last, "last:")?);
            Some(Role::Ends { first, last })
        }
    }
}

/// Whether a text can be a span's name.
fn is_name(text: &str) -> bool {
    let fits = |character: char| character.is_alphanumeric() || character == '_';
    text.chars().next().is_some_and(char::is_alphabetic) && text.chars().all(fits)
}

impl Role {
    /// The span that it is about.
    pub fn span(&self) -> Option<&str> {
        match self {
            Self::Span { name, .. } => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_and_roles_go_both_ways() {
        for text in [
            "last",
            "0",
            "-2",
            "first:3",
            "last:1",
            "first:7+last:7",
            "subject",
            "subject_first",
            "s2_last",
            "after_io",
        ] {
            assert_eq!(text.parse::<Role>().unwrap().to_string(), text);
        }
        for text in
            ["", "2..3", "after_", "_last", "a b", "9x", "first:0", "last:-1", "last:2+first:2"]
        {
            let error = text.parse::<Role>().unwrap_err().to_string();
            assert!(error.contains("subject_last"), "{error}");
        }
    }
}
