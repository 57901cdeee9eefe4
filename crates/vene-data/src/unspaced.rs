//! Answers that lack the space with which a model would write them.
//!
//! `Madrid` and ` Madrid` are different tokens, and after `The capital of Spain is` no model writes the
//! first. Its probability is a number like any other, so nothing else would tell.

use std::fmt::{self, Display, Formatter};

use vene_model::{Outline, Prompt};

use super::{PreparedRow, RowName};

/// An answer without its leading space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unspaced {
    /// The first row that has such an answer.
    pub row: RowName,
    /// The answer.
    pub answer: String,
    /// How many of the rows have one.
    pub rows: usize,
}

impl Display for Unspaced {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { row, answer, rows } = self;
        write!(
            formatter,
            "{row}: the answer `{answer}` has no leading space, so it can follow no word as a word of its \
             own: \" {answer}\" is a token too"
        )?;
        match rows {
            1 => Ok(()),
            rows => write!(formatter, " ({rows} rows are alike)"),
        }
    }
}

/// The first of the rows' answers that is another token with a space in front, where a word ends in
/// front of it; `None` where there is none.
pub fn unspaced<'r>(
    outline: &Outline,
    rows: impl IntoIterator<Item = &'r PreparedRow>,
) -> Option<Unspaced> {
    let mut first: Option<Unspaced> = None;
    for prepared in rows {
        let answers = prepared.row.target.iter().chain(&prepared.row.foil);
        let mut lacking = answers.filter(|answer| lacks_space(outline, &prepared.base, answer));
        let Some(answer) = lacking.next() else { continue };
        match &mut first {
            Some(first) => first.rows += 1,
            None => {
                let (row, answer) = (prepared.name(), answer.clone());
                first = Some(Unspaced { row, answer, rows: 1 });
            }
        }
    }
    first
}

/// Whether an answer is another token with a space in front, and a word ends where it begins: behind a sign, a line break
/// or a bracket a word has no space.
pub fn lacks_space(outline: &Outline, prompt: &Prompt, answer: &str) -> bool {
    let text = prompt.text().unwrap_or_default();
    if prompt.tokens().last().is_some_and(|&last| outline.tokenizer().is_special(last)) {
        return false;
    }
    let (Some(before), Some(after)) = (text.chars().next_back(), answer.chars().next()) else {
        return false;
    };
    // A number that is gone on with, and what follows a bracket or a quote, has no space.
    let ends_word = before.is_alphanumeric() || ".,;:!?)".contains(before);
    let is_one_number = before.is_numeric() && after.is_numeric();
    if !ends_word || !after.is_alphanumeric() || is_one_number {
        return false;
    }
    let (plain, spaced) =
        (next(outline, prompt, answer), next(outline, prompt, &format!(" {answer}")));
    let (Some(plain), Some(spaced)) = (plain, spaced) else { return false };
    // Where scripts have no spaces, a space is a token of its own.
    let is_word = |id| {
        let text = outline.tokenizer().token_text(id).unwrap_or_default();
        text.starts_with(' ') && !text.trim().is_empty()
    };
    plain != spaced && is_word(spaced)
}

/// The first token that a text adds to a prompt.
fn next(outline: &Outline, prompt: &Prompt, text: &str) -> Option<u32> {
    let whole = outline.continued(prompt, text).ok()?;
    whole.tokens().strip_prefix(prompt.tokens())?.first().copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_need_their_space_and_numbers_that_go_on_do_not() {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        let lacks = |prompt: &str, answer: &str| {
            lacks_space(&outline, &outline.prompt(prompt).unwrap(), answer)
        };
        assert!(lacks("The capital of Spain is", "Madrid"));
        assert!(!lacks("The capital of Spain is", " Madrid"));
        assert!(!lacks("The capital of Spain is ", "Madrid"));
        assert!(!lacks("The capital of Spain is", ","));
        assert!(!lacks("It began in the year 17", "32"));
        assert!(!lacks("The capital of Spain is (", "Madrid"));
        // Signs are no words.
        assert!(!lacks("The capital of Spain is<|endoftext|>", "Madrid"));
        assert!(!lacks("The capital of Spain is", "<|endoftext|>"));
    }
}
