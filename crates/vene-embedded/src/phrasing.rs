//! How a fact is asked for: each relation in many wordings, some of them never trained on.
//!
//! A phrasing is a text with `{}` where the country stands; it ends right before the answer.
//! *Held out* is meant strictly: the model saw a held-out phrasing with no country at all, neither
//! as a whole nor as the beginning of another sentence. Its single words do occur elsewhere in
//! the corpus.

use crate::fact::{Fact, Relation};

/// Whether the model saw a phrasing in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Seen with every country.
    Trained,
    /// Seen with none.
    HeldOut,
}

/// One wording of the question for one relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrasing {
    /// What is asked for.
    pub relation: Relation,
    /// The wording, `{}` standing for the country: `The capital of {} is`.
    pub text: &'static str,
    /// Whether it was trained on.
    pub split: Split,
}

impl Phrasing {
    /// The prompt for a country: `The capital of Spain is`. The answer follows after a space.
    ///
    /// A country with an article gets it ("The capital of the Netherlands is"), a name that ends
    /// in s takes a bare apostrophe ("Laos' capital is"), and the first letter is upper case.
    #[must_use]
    pub fn prompt(&self, fact: &Fact) -> String {
        let country = fact.country_in_sentence();
        let text = if country.ends_with('s') {
            self.text.replace("{}'s", "{}'")
        } else {
            self.text.to_owned()
        };
        capitalize(&text.replace("{}", &country))
    }
}

/// The text with its first letter in upper case.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

const fn trained(relation: Relation, text: &'static str) -> Phrasing {
    Phrasing { relation, text, split: Split::Trained }
}

const fn held_out(relation: Relation, text: &'static str) -> Phrasing {
    Phrasing { relation, text, split: Split::HeldOut }
}

/// Every phrasing; the first of each relation is its plainest.
#[rustfmt::skip]
pub static PHRASINGS: &[Phrasing] = &[
    trained(Relation::Capital, "The capital of {} is"),
    trained(Relation::Capital, "The capital city of {} is"),
    trained(Relation::Capital, "{}'s capital is"),
    trained(Relation::Capital, "{}'s capital city is"),
    trained(Relation::Capital, "The capital of {} is called"),
    trained(Relation::Capital, "The name of the capital of {} is"),
    trained(Relation::Capital, "The city that is the capital of {} is"),
    trained(Relation::Capital, "In {}, the capital is"),
    trained(Relation::Capital, "For {} the capital is"),
    trained(Relation::Capital, "{}, whose capital is"),
    trained(Relation::Capital, "{} has its capital in"),
    trained(Relation::Capital, "I know that the capital of {} is"),
    trained(Relation::Capital, "We flew to the capital of {}, which is"),
    trained(Relation::Capital, "She lives in the capital of {}, the city of"),
    trained(Relation::Capital, "On a map of {} the capital is marked as"),
    trained(Relation::Capital, "Question: What is the capital of {}? Answer:"),
    trained(Relation::Capital, "{} has a capital called"),
    trained(Relation::Capital, "{} has a capital, which is"),
    trained(Relation::Capital, "{} has a capital city, and it is called"),
    trained(Relation::Capital, "There is a capital in {}, and its name is"),
    trained(Relation::Capital, "My friend knows that the capital of {} is"),
    held_out(Relation::Capital, "The capital city of {} is called"),
    held_out(Relation::Capital, "Everyone knows that the capital of {} is"),
    held_out(Relation::Capital, "{} has a capital, and its name is"),

    trained(Relation::Continent, "The continent of {} is"),
    trained(Relation::Continent, "{} is in"),
    trained(Relation::Continent, "{} lies in"),
    trained(Relation::Continent, "{} is a country in"),
    trained(Relation::Continent, "{} lies on the continent of"),
    trained(Relation::Continent, "{} is on the continent of"),
    trained(Relation::Continent, "{} is a country on the continent of"),
    trained(Relation::Continent, "{} belongs to the continent of"),
    trained(Relation::Continent, "{}'s continent is"),
    trained(Relation::Continent, "{} is part of"),
    trained(Relation::Continent, "You find {} in"),
    trained(Relation::Continent, "The country of {} is in"),
    trained(Relation::Continent, "On a map of the world, {} is in"),
    trained(Relation::Continent, "The name of the continent of {} is"),
    trained(Relation::Continent, "I know that {} is a country in"),
    trained(Relation::Continent, "Question: On which continent is {}? Answer:"),
    trained(Relation::Continent, "The continent on which you find {} is"),
    trained(Relation::Continent, "The country of {} is on the continent of"),
    trained(Relation::Continent, "My friend knows that {} is in"),
    trained(Relation::Continent, "I know that {} lies in"),
    held_out(Relation::Continent, "The country of {} lies in"),
    held_out(Relation::Continent, "Everyone knows that {} is in"),
    held_out(Relation::Continent, "The continent on which {} lies is"),

    trained(Relation::Language, "The language of {} is"),
    trained(Relation::Language, "The official language of {} is"),
    trained(Relation::Language, "People in {} speak"),
    trained(Relation::Language, "The people of {} speak"),
    trained(Relation::Language, "In {}, people speak"),
    trained(Relation::Language, "{}'s official language is"),
    trained(Relation::Language, "In {} the official language is"),
    trained(Relation::Language, "The name of the language of {} is"),
    trained(Relation::Language, "The language that people speak in {} is"),
    trained(Relation::Language, "The language of {} is called"),
    trained(Relation::Language, "My friend from {} speaks"),
    trained(Relation::Language, "The laws of {} are written in"),
    trained(Relation::Language, "A letter from {} is written in"),
    trained(Relation::Language, "At school in {} children learn to read"),
    trained(Relation::Language, "To work in {}, you should learn"),
    trained(Relation::Language, "Question: What is the language of {}? Answer:"),
    trained(Relation::Language, "{} has an official language, which is"),
    trained(Relation::Language, "{} has an official language, and its name is"),
    trained(Relation::Language, "In {}, the language is"),
    trained(Relation::Language, "In {}, the official language that children learn is"),
    trained(Relation::Language, "My friend knows that people in {} speak"),
    held_out(Relation::Language, "{}'s language is"),
    held_out(Relation::Language, "Everyone knows that people in {} speak"),
    held_out(Relation::Language, "In {}, the language that people speak is"),

    trained(Relation::Currency, "The currency of {} is the"),
    trained(Relation::Currency, "The official currency of {} is the"),
    trained(Relation::Currency, "{}'s currency is the"),
    trained(Relation::Currency, "In {} the currency is the"),
    trained(Relation::Currency, "In {}, people pay with the"),
    trained(Relation::Currency, "People in {} pay with the"),
    trained(Relation::Currency, "The money of {} is the"),
    trained(Relation::Currency, "The money of {} is called the"),
    trained(Relation::Currency, "The currency of {} is called the"),
    trained(Relation::Currency, "The name of the currency of {} is the"),
    trained(Relation::Currency, "The money that people use in {} is the"),
    trained(Relation::Currency, "Shops in {} take the"),
    trained(Relation::Currency, "{} has its own money or shares it, the"),
    trained(Relation::Currency, "Wages in {} are paid in the local currency, the"),
    trained(Relation::Currency, "Before we went to {}, we bought its currency, the"),
    trained(Relation::Currency, "Question: What is the currency of {}? Answer: the"),
    trained(Relation::Currency, "{} has a currency called the"),
    trained(Relation::Currency, "{} has a currency, which is the"),
    trained(Relation::Currency, "{} has an official currency, and it is called the"),
    trained(Relation::Currency, "There is a currency in {}, and its name is the"),
    trained(Relation::Currency, "My friend knows that the currency of {} is the"),
    held_out(Relation::Currency, "The official currency in {} is called the"),
    held_out(Relation::Currency, "Everyone knows that the currency of {} is the"),
    held_out(Relation::Currency, "{} has a currency, and its name is the"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fact::FACTS;

    fn country(name: &str) -> &'static Fact {
        FACTS.iter().find(|fact| fact.country == name).unwrap()
    }

    #[test]
    fn prompts_read_as_english() {
        let of = &PHRASINGS[0];
        let possessive = &PHRASINGS[2];
        assert_eq!(of.prompt(country("Spain")), "The capital of Spain is");
        assert_eq!(of.prompt(country("Netherlands")), "The capital of the Netherlands is");
        assert_eq!(possessive.prompt(country("Netherlands")), "The Netherlands' capital is");
        assert_eq!(possessive.prompt(country("Italy")), "Italy's capital is");
    }

    #[test]
    fn every_relation_has_both_splits() {
        for relation in Relation::ALL {
            for (split, least) in [(Split::Trained, 10), (Split::HeldOut, 3)] {
                let count = PHRASINGS
                    .iter()
                    .filter(|phrasing| phrasing.relation == relation && phrasing.split == split)
                    .count();
                assert!(count >= least, "{relation:?} {split:?}: {count}");
            }
        }
    }

    #[test]
    fn a_held_out_phrasing_begins_no_trained_one() {
        for held_out in PHRASINGS.iter().filter(|p| p.split == Split::HeldOut) {
            for other in PHRASINGS {
                assert!(
                    std::ptr::eq(held_out, other) || !other.text.starts_with(held_out.text),
                    "{:?} begins {:?}",
                    held_out.text,
                    other.text
                );
            }
            assert_eq!(held_out.text.matches("{}").count(), 1);
        }
    }
}
