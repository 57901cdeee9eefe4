//! Pronouns for names: he or she?
//!
//! Vig et al. 2020, *Causal Mediation Analysis for Interpreting Neural NLP: The Case of Gender Bias*
//! (arXiv 2004.12265) change a word that says whose pronoun follows, and read the odds of `she` and
//! `he`. Here that word is a first name; a source has one that is mostly given to the other gender.
//! An occupation stands by, which may pull towards either.

use vene_model::Outline;

use super::check::{Demands, Reason};
use super::choices::Choices;
use super::generate::{Group, Recipe};
use super::template::{fill, row_of};
use super::words::{Kept, MEN, OCCUPATIONS, WOMEN, kept};
use super::{Omitted, Task, TaskError};
use crate::Row;

const TEMPLATES: &[&str] = &[
    "Our neighbor {name} works as a {occupation}, doesn't",
    "I hear that {name} used to be a {occupation}, didn't",
    "My old friend {name} became a {occupation} because",
    "When {name} started to work as a {occupation},",
    "Yesterday {name} the {occupation} went home early because",
    "Everybody likes {name}, the new {occupation}, since",
    "These days {name} is a famous {occupation}, isn't",
    "People say that {name} was a good {occupation}, but that in the end",
    "Although {name} had been a {occupation} for years,",
    "The {occupation} here is called {name}, and every morning",
];

const PRONOUNS: [&str; 2] = [" she", " he"];

struct GenderedPronoun {
    names: [Kept<&'static str>; 2],
    occupations: Kept<&'static str>,
}

/// The names and occupations that are one token each.
pub(super) fn recipe(outline: &Outline) -> Result<Box<dyn Recipe>, TaskError> {
    let keep = |what, list, needed| {
        kept(outline, Task::GenderedPronoun, what, list, needed, |word| [word])
    };
    Ok(Box::new(GenderedPronoun {
        names: [keep("women's names", WOMEN, 4)?, keep("men's names", MEN, 4)?],
        occupations: keep("occupations", OCCUPATIONS, 2)?,
    }))
}

impl Recipe for GenderedPronoun {
    fn groups(&self) -> Vec<Group> {
        let lists = self.names.each_ref().map(|list| list.words.len());
        let candidates = (2 * lists[0] * lists[1] * self.occupations.words.len()) as u64;
        (1..=TEMPLATES.len())
            .map(|number| Group { name: Some(format!("gendered_pronoun-{number}")), candidates })
            .collect()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let mut choices = Choices::new(number);
        let base = choices.index(2);
        let names = self.names.each_ref().map(|list| choices.of(&list.words));
        let occupation = choices.of(&self.occupations.words);
        let filled = |name| fill(TEMPLATES[group], &[("name", name), ("occupation", occupation)]);
        let (base, other) = (base, 1 - base);
        Ok(row_of(&filled(names[base]), &filled(names[other]), &["name", "occupation"])
            .target(PRONOUNS[base])
            .foil(PRONOUNS[other]))
    }

    fn demands(&self) -> Demands {
        Demands { one_token: &["name", "occupation"], answers_differ: true }
    }

    fn left_out(&self) -> Vec<Omitted> {
        let [women, men] = &self.names;
        [women, men, &self.occupations].map(|list| list.left_out.clone()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pronoun_is_the_names() {
        let all = |list: &[&'static str]| Kept {
            words: list.to_vec(),
            left_out: Omitted { what: String::new(), count: 0 },
        };
        let recipe =
            GenderedPronoun { names: [all(WOMEN), all(MEN)], occupations: all(OCCUPATIONS) };
        for group in 0..TEMPLATES.len() {
            for number in 0..100 {
                let row = recipe.row(group, number).expect("every candidate is a row");
                let has = |names: &[&str], text: &str| {
                    names.iter().any(|name| text.contains(&format!(" {name}")))
                };
                let source = row.source.as_deref().unwrap_or_default();
                let (base, other) =
                    if row.target == [" she"] { (WOMEN, MEN) } else { (MEN, WOMEN) };
                assert!(has(base, &row.base) && has(other, source), "{row:?}");
                assert_ne!(row.target, row.foil);
                assert!(!row.base.contains('{'), "{row:?}");
            }
        }
    }
}
