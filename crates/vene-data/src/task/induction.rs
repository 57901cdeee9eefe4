//! Induction: what followed the last word when it stood there before?
//!
//! Olsson et al. 2022, *In-context Learning and Induction Heads* (arXiv 2209.11895). Random words
//! are repeated up to a word in the middle: only a look back tells which comes next. In the source
//! another word stands where the answer stood, and nothing else is changed; so its answer is that
//! word.

use vene_model::Outline;

use super::check::{Demands, Reason};
use super::dice::Dice;
use super::generate::{Group, Recipe};
use super::{Task, TaskError};
use crate::{Phrase, Row};

/// How many words are repeated.
const PERIODS: [usize; 4] = [6, 8, 10, 12];

/// So few words would make rows too much alike.
const ENOUGH: usize = 100;

struct Induction<'a> {
    outline: &'a Outline,
    /// Tokens with their texts, which begin with a space.
    words: Vec<(u32, String)>,
    /// Whether the first word keeps its space to be the token that it is elsewhere. (Some
    /// tokenizers put a space in front of a text by themselves.)
    leading_space: bool,
}

/// The tokens that are a space and at least three lower-case letters.
pub(super) fn recipe(outline: &Outline) -> Result<Box<dyn Recipe + '_>, TaskError> {
    let tokenizer = outline.tokenizer();
    let is_word = |text: &str| {
        let letters = text.strip_prefix(' ').unwrap_or_default();
        letters.len() >= 3 && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let words: Vec<(u32, String)> =
        (0..outline.config().vocabulary.min(tokenizer.vocabulary_size()))
            .filter_map(|id| {
                let id = u32::try_from(id).ok()?;
                let text = tokenizer.token_text(id).ok()?;
                (is_word(&text) && tokenizer.single_token(&text).ok()? == id).then_some((id, text))
            })
            .collect();
    if words.len() < ENOUGH {
        return Err(TaskError::TooFewWords {
            task: Task::Induction,
            what: "lower-case words that are one token".to_owned(),
            found: words.len(),
            needed: ENOUGH,
        });
    }
    let (id, text) = &words[0];
    let leading_space = outline.prompt(text).is_ok_and(|prompt| ids(&prompt) == [*id]);
    Ok(Box::new(Induction { outline, words, leading_space }))
}

/// A prompt's tokens without the one in front.
fn ids(prompt: &vene_model::Prompt) -> &[u32] {
    &prompt.tokens()[usize::from(prompt.has_bos())..]
}

impl Induction<'_> {
    /// The words as a text, and the characters of each without its space; or that the tokenizer
    /// reads something else in it.
    fn text_of(&self, words: &[usize]) -> Result<(String, Vec<Phrase>), Reason> {
        let mut text = String::new();
        let mut places = Vec::new();
        for &word in words {
            let word = &self.words[word].1;
            let bare = text.is_empty() && !self.leading_space;
            text.push_str(if bare { &word[1..] } else { word });
            places.push(Phrase::Characters(text.len() + 1 - word.len()..text.len()));
        }
        let prompt = self.outline.prompt(&text).map_err(|_| Reason::NotRead)?;
        let drawn: Vec<u32> = words.iter().map(|&word| self.words[word].0).collect();
        if ids(&prompt) == drawn { Ok((text, places)) } else { Err(Reason::NotAsDrawn) }
    }
}

impl Recipe for Induction<'_> {
    /// There are more sequences than numbers; each number is the seed of one. Words are drawn anew for
    /// each row, so that no row depends on another.
    fn groups(&self) -> Vec<Group> {
        PERIODS.map(|_| Group { name: None, candidates: u64::MAX }).into()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let period = PERIODS[group];
        let mut dice = Dice::new(number);
        // The last one is the foil.
        let mut words: Vec<usize> = Vec::new();
        while words.len() <= period {
            let word = dice.index(self.words.len());
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let foil = words[period];
        words.truncate(period);
        // The second time, at least half of the words are there already.
        let answer = period / 2 + dice.index(period - period / 2);
        let target = words[answer];
        words.extend_from_within(..answer);
        let (base, base_places) = self.text_of(&words)?;
        words[answer] = foil;
        let (source, source_places) = self.text_of(&words)?;
        let spans = [("earlier", answer - 1), ("answer", answer)];
        let row = spans.into_iter().fold(Row::new(base, source), |row, (name, at)| {
            row.span(name, base_places[at].clone(), source_places[at].clone())
        });
        Ok(row.target(self.words[target].1.as_str()).foil(self.words[foil].1.as_str()))
    }

    fn demands(&self) -> Demands {
        Demands { one_token: &["earlier", "answer"], answers_differ: true }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_answer_followed_the_last_word_before() {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        let recipe = recipe(&outline).unwrap();
        let mut made = 0;
        for (group, period) in PERIODS.into_iter().enumerate() {
            for number in 0..50 {
                let Ok(row) = recipe.row(group, number) else { continue };
                made += 1;
                for (text, answer) in
                    [(&row.base, &row.target[0]), (row.source.as_ref().unwrap(), &row.foil[0])]
                {
                    let words: Vec<&str> = text.split_whitespace().collect();
                    let at = words.len() - period;
                    assert_eq!(words[at], answer.trim(), "{row:?}");
                    assert_eq!(words[at - 1], *words.last().unwrap(), "{row:?}");
                }
                let Phrase::Characters(place) = &row.spans["answer"].base else {
                    panic!("{row:?}")
                };
                assert_eq!(&row.base[place.clone()], row.target[0].trim());
            }
        }
        assert!(made > 150, "{made}");
    }
}
