//! Whether a row means to the tokenizer what it means to a reader.
//!
//! An answer may merge with its prompt into other tokens, two answers may begin alike, a word may
//! fall into pieces. A row of which that is true would be measured as something it is not.

use std::fmt;

use vene_engine::plan::{Part, Positions};
use vene_model::{Outline, Prompt};

use crate::{Phrase, Row};

/// What a task asks of the tokens of its rows, besides that no answer merges with its prompt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demands {
    /// Spans that must be one token, in the base and in the source.
    pub one_token: &'static [&'static str],
    /// Target and foil must begin with different tokens.
    pub answers_differ: bool,
}

/// Why a candidate became no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    SameAnswer,
    SameBeginning,
    Merges,
    NotRead,
    NotOneToken,
    NotAsDrawn,
    Repeated,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameAnswer => "base and source have the same answer",
            Self::SameBeginning => "target and foil begin with the same token",
            Self::Merges => "answer merges with the prompt into other tokens",
            Self::NotRead => "text is too long for the model, or not in its vocabulary",
            Self::NotOneToken => "words are several tokens in their place",
            Self::NotAsDrawn => "text is not tokenized into the tokens that were drawn",
            Self::Repeated => "row occurs already",
        })
    }
}

/// Checks a row that has a source.
pub(super) fn check(outline: &Outline, row: &Row, demands: Demands) -> Result<(), Reason> {
    let read = |text: &str| outline.prompt(text).map_err(|_| Reason::NotRead);
    let base = read(&row.base)?;
    let source = read(row.source.as_deref().unwrap_or_default())?;
    for name in demands.one_token {
        let Some(span) = row.spans.get(*name) else { return Err(Reason::NotOneToken) };
        let phrases = [(&base, &span.base), (&source, span.source.as_ref().unwrap_or(&span.base))];
        if phrases.iter().any(|(prompt, phrase)| tokens_of(prompt, phrase) != Some(1)) {
            return Err(Reason::NotOneToken);
        }
    }
    let mut beginnings = Vec::new();
    for prompt in [&base, &source] {
        for answers in [&row.target, &row.foil] {
            for answer in answers {
                let behind = continuation(outline, prompt, answer)?;
                beginnings.push((answers == &row.target, behind[0]));
            }
        }
    }
    let alike = beginnings.iter().any(|(is_target, token)| {
        *is_target && beginnings.iter().any(|(other, same)| !other && token == same)
    });
    if demands.answers_differ && alike { Err(Reason::SameBeginning) } else { Ok(()) }
}

/// The tokens, at least one, that an answer adds to a prompt that was read from a text.
pub(super) fn continuation(
    outline: &Outline,
    prompt: &Prompt,
    answer: &str,
) -> Result<Vec<u32>, Reason> {
    let text = format!("{}{answer}", prompt.text().unwrap_or_default());
    let whole = outline.tokenizer().encode(&text).map_err(|_| Reason::NotRead)?.ids;
    match whole.strip_prefix(prompt.tokens()) {
        // The answer's last token is only ever predicted.
        Some(_) if whole.len() > outline.config().context + 1 => Err(Reason::NotRead),
        None | Some([]) => Err(Reason::Merges),
        Some(behind) => Ok(behind.to_vec()),
    }
}

/// How many tokens cover a phrase; `None` where it does not occur, or where it is unclear.
fn tokens_of(prompt: &Prompt, phrase: &Phrase) -> Option<usize> {
    let positions = match phrase {
        Phrase::Text { text, occurrence } => {
            Positions::Phrase { text: text.clone(), part: Part::All, occurrence: *occurrence }
        }
        Phrase::Characters(range) => {
            Positions::Characters { range: range.clone(), part: Part::All }
        }
    };
    positions.resolve(prompt, 0).ok().map(|tokens| tokens.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outline() -> Outline {
        Outline::open("embedded", &mut |_| {}).unwrap()
    }

    fn row() -> Row {
        Row::new("The capital of Spain is", "The capital of Italy is")
            .span("subject", "Spain", "Italy")
            .span("verb", "is", "is")
    }

    #[test]
    fn answers_must_begin_differently() {
        let demands = Demands { answers_differ: true, ..Demands::default() };
        let outline = outline();
        let checked = |target, foil| check(&outline, &row().target(target).foil(foil), demands);
        assert_eq!(checked(" Madrid", " Rome"), Ok(()));
        assert_eq!(checked(" Rome city", " Rome"), Err(Reason::SameBeginning));
        assert_eq!(check(&outline, &row().target(" a b").foil(" a c"), Demands::default()), Ok(()));
    }

    #[test]
    fn an_answer_must_not_merge_with_the_prompt() {
        let merging = Row::new("The capital of Spa", "The capital of Spa").target("in");
        assert_eq!(check(&outline(), &merging, Demands::default()), Err(Reason::Merges));
        let empty = row().target("");
        assert_eq!(check(&outline(), &empty, Demands::default()), Err(Reason::Merges));
    }

    #[test]
    fn prompts_must_fit_the_context() {
        let long = Row::new("The capital of ".repeat(20), "The");
        assert_eq!(check(&outline(), &long, Demands::default()), Err(Reason::NotRead));
        // Embedded has a context of 32: 31 words behind the first, and one that is predicted.
        let full = Row::new(format!("The{}", " capital".repeat(31)), "The");
        let answered = |answer| check(&outline(), &full.clone().target(answer), Demands::default());
        assert_eq!(answered(" capital"), Ok(()));
        assert_eq!(answered(" capital of"), Err(Reason::NotRead));
    }

    #[test]
    fn words_must_be_one_token_where_that_is_asked_for() {
        let demands = |one_token| Demands { one_token, ..Demands::default() };
        let outline = outline();
        assert_eq!(check(&outline, &row(), demands(&["verb"])), Ok(()));
        let strange = Row::new("The qxz is", "The qxz is").span("noun", "qxz", "qxz");
        assert_eq!(check(&outline, &strange, demands(&["noun"])), Err(Reason::NotOneToken));
        assert_eq!(check(&outline, &row(), demands(&["noun"])), Err(Reason::NotOneToken));
    }
}
