//! Facts about countries: two countries with different answers, asked about in the same words.
//!
//! Table and phrasings are those that the embedded model was taught; other models know most of it
//! as well. That facts can be traced through a model by such pairs: Meng et al. 2022, *Locating and
//! Editing Factual Associations in GPT* (arXiv 2202.05262).

use std::ops::Range;

use vene_embedded::{FACTS, Fact, PHRASINGS, Phrasing, Relation};

use super::check::{Demands, Reason};
use super::choices::{Choices, arrangements};
use super::generate::{Group, Recipe};
use super::template::phrase_at;
use crate::Row;

struct Countries {
    relation: Relation,
    phrasings: Vec<&'static Phrasing>,
}

/// One relation, all of its phrasings, all pairs of countries.
pub(super) fn recipe(relation: Relation) -> Box<dyn Recipe> {
    let phrasings = PHRASINGS.iter().filter(|phrasing| phrasing.relation == relation).collect();
    Box::new(Countries { relation, phrasings })
}

impl Recipe for Countries {
    fn groups(&self) -> Vec<Group> {
        let name = |number| Some(format!("{}-{number}", self.relation.name()));
        (1..=self.phrasings.len())
            .map(|number| Group { name: name(number), candidates: arrangements(FACTS.len(), 2) })
            .collect()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let [base, source] =
            Choices::new(number).distinct(FACTS.len()).map(|index: usize| &FACTS[index]);
        let (target, foil) = (base.answer(self.relation), source.answer(self.relation));
        if target == foil {
            return Err(Reason::SameAnswer);
        }
        let phrasing = self.phrasings[group];
        let [base, source] =
            [base, source].map(|fact| (phrasing.prompt(fact), subject(phrasing, fact)));
        Ok(Row::new(base.0.as_str(), source.0.as_str())
            .target(format!(" {target}"))
            .foil(format!(" {foil}"))
            .span("subject", phrase_at(&base.0, base.1), phrase_at(&source.0, source.1)))
    }

    fn demands(&self) -> Demands {
        Demands { answers_differ: true, ..Demands::default() }
    }
}

/// The bytes of the country's name, less its article, in the prompt.
fn subject(phrasing: &Phrasing, fact: &Fact) -> Range<usize> {
    let article = fact.country_in_sentence().len() - fact.country.len();
    let start = phrasing.text.find("{}").unwrap_or(0) + article;
    start..start + fact.country.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_the_country_in_every_prompt() {
        for phrasing in PHRASINGS {
            for fact in FACTS {
                assert_eq!(&phrasing.prompt(fact)[subject(phrasing, fact)], fact.country);
            }
        }
    }

    #[test]
    fn countries_with_the_same_answer_make_no_row() {
        let currency = recipe(Relation::Currency);
        let rows: Vec<_> = (0..arrangements(FACTS.len(), 2)).map(|n| currency.row(0, n)).collect();
        assert!(rows.iter().flatten().all(|row| row.target != row.foil));
        // Many countries pay with a euro or a dollar.
        assert!(rows.iter().filter(|row| **row == Err(Reason::SameAnswer)).count() > 500);
    }
}
