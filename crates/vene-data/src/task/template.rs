//! Sentences with named gaps, and where in the sentence each gap's filling stands.

use std::ops::Range;

use crate::{Phrase, Row};

/// A template whose gaps are filled.
#[derive(Debug)]
pub(super) struct Filled {
    /// The sentence.
    pub text: String,
    /// The bytes of each gap's filling.
    places: Vec<(String, Range<usize>)>,
}

/// Fills the gaps `{name}` of a template. Gaps that are not given stay as they are.
pub(super) fn fill(template: &str, fillings: &[(&str, &str)]) -> Filled {
    let mut filled = Filled { text: String::new(), places: Vec::new() };
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.text.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(close) = rest.find('}') else { break };
        let (gap, behind) = rest.split_at(close + 1);
        let name = &gap[1..close];
        match fillings.iter().find(|(given, _)| *given == name) {
            Some((_, filling)) => {
                let start = filled.text.len();
                filled.text.push_str(filling);
                filled.places.push((name.to_owned(), start..filled.text.len()));
            }
            None => filled.text.push_str(gap),
        }
        rest = behind;
    }
    filled.text.push_str(rest);
    filled
}

impl Filled {
    /// The bytes of the filling of a gap's first occurrence; nothing where there is no such gap.
    pub fn place(&self, gap: &str) -> Range<usize> {
        let found = self.places.iter().find(|(name, _)| name == gap);
        found.map_or(0..0, |(_, place)| place.clone())
    }

    /// The filling as a phrase of the sentence.
    pub fn phrase(&self, gap: &str) -> Phrase {
        phrase_at(&self.text, self.place(gap))
    }

    /// The filling as a stretch of characters of the sentence, for what may occur in other words.
    pub fn characters(&self, gap: &str) -> Phrase {
        characters_at(&self.text, self.place(gap))
    }
}

/// A row of two fillings of one template, with a span for each of these gaps.
pub(super) fn row_of(base: &Filled, source: &Filled, gaps: &[&str]) -> Row {
    gaps.iter().fold(Row::new(base.text.as_str(), source.text.as_str()), |row, gap| {
        row.span(*gap, base.phrase(gap), source.phrase(gap))
    })
}

/// These bytes of a text as a phrase; which occurrence it is, is said only where there are several.
pub(super) fn phrase_at(text: &str, place: Range<usize>) -> Phrase {
    let phrase = &text[place.clone()];
    let starts: Vec<usize> = text.match_indices(phrase).map(|(start, _)| start).collect();
    match starts.iter().position(|&start| start == place.start) {
        Some(_) if starts.len() == 1 => phrase.into(),
        Some(index) => Phrase::occurrence(phrase, index),
        // It overlaps with an earlier occurrence of itself, and is none that can be counted.
        None => characters_at(text, place),
    }
}

fn characters_at(text: &str, place: Range<usize>) -> Phrase {
    let characters = |byte: usize| text[..byte].chars().count();
    Phrase::Characters(characters(place.start)..characters(place.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_counted_where_it_occurs_several_times() {
        let filled =
            fill("So {a} saw {b}, and {c} ran", &[("a", "Anna"), ("b", "Tom"), ("c", "Ann")]);
        assert_eq!(filled.text, "So Anna saw Tom, and Ann ran");
        assert_eq!(filled.phrase("a"), Phrase::from("Anna"));
        assert_eq!(filled.phrase("b"), Phrase::from("Tom"));
        assert_eq!(filled.phrase("c"), Phrase::occurrence("Ann", 1));
    }

    #[test]
    fn what_overlaps_itself_is_named_by_characters() {
        assert_eq!(phrase_at("é aaa", 4..6), Phrase::Characters(3..5));
    }
}
