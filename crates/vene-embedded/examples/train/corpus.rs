//! The text: facts in every trained phrasing, among other sentences about the same world.
//!
//! A language model is uncertain for good reasons, and so this one has some: after "The
//! capital of Spain is" the corpus goes on with "Madrid" most of the time, sometimes with "a busy city" or "the
//! city of Madrid", and now and then, as text does, with the capital of a neighbour. Frequencies
//! are constants here; the probabilities that the trained model gives are near them.

use std::collections::HashMap;
use std::iter;
use std::ops::Range;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use vene_embedded::{FACTS, Fact, PHRASINGS, Phrasing, Relation, Split};

use crate::tokenizer;

/// Templates and word lists of the sentences that are not phrasings.
const SENTENCES: &str = include_str!("sentences.txt");

/// How often a line states a fact in one of the phrasings.
const FACT_LINES: f64 = 0.7;
/// How often, after a prompt that allows it, something else stands before the answer.
const HEDGED: f64 = 0.3;
/// How often the answer is that of a country near in the table.
const CONFUSED: f64 = 0.08;
/// How many rows of the table away such a country is at most.
const NEIGHBORHOOD: usize = 4;

/// What may stand between a prompt and its answer: relation, the prompt's last word, and the
/// continuations. `{}` is the answer, `{neighbor}` a near country's.
const HEDGES: &[(Relation, &str, &[&str])] = &[
    (
        Relation::Capital,
        "is",
        &[
            "the city of {}",
            "a {size} city",
            "now {}",
            "called {}",
            "not {neighbor}",
            "in the {landscape}",
            "one of its {size} cities",
            "also a {size} city",
            "known for its {building}",
            "near the {landscape}",
        ],
    ),
    (
        Relation::Continent,
        "in",
        &[
            "the south of {}",
            "the north of {}",
            "a {weather} part of {}",
            "western {}",
            "eastern {}",
        ],
    ),
    (Relation::Continent, "is", &["called {}", "not {neighbor}", "of course {}"]),
    (
        Relation::Language,
        "is",
        &[
            "called {}",
            "mostly {}",
            "not {neighbor}",
            "a {quality} language called {}",
            "usually {}",
        ],
    ),
    (
        Relation::Language,
        "speak",
        &["mostly {}", "several languages", "a little {neighbor}", "usually {}"],
    ),
    (Relation::Currency, "the", &["{quality} {}", "local {}", "{size} {}", "national {}"]),
];

/// What ends a line after its answer.
const ENDS: &[&str] = &[".", ".", ".", ".", ".", ", as everyone knows.", " and not {neighbor}."];

/// One line of text.
pub struct Line {
    /// The text, without a line break.
    pub text: String,
    /// Where the country stands in a fact's phrasing, in bytes; empty in other lines.
    pub subject: Range<usize>,
    /// Where its prompt ends and the answer begins, in bytes.
    pub answer: Option<usize>,
}

/// The generator of lines.
pub struct Corpus {
    /// The order in which countries enter training.
    order: Vec<usize>,
    templates: Vec<&'static str>,
    words: HashMap<&'static str, Vec<&'static str>>,
}

impl Corpus {
    /// Reads `sentences.txt`.
    pub fn new(random: &mut StdRng) -> Result<Self> {
        let mut order: Vec<usize> = (0..FACTS.len()).collect();
        order.shuffle(random);
        let mut templates = Vec::new();
        let mut words = HashMap::new();
        for line in SENTENCES.lines() {
            match line.split_once(": ") {
                _ if line.is_empty() || line.starts_with('#') => {}
                Some((name, list)) if name.chars().all(|letter| letter.is_ascii_lowercase()) => {
                    words.insert(name, list.split(", ").collect());
                }
                _ => templates.push(line),
            }
        }
        if templates.is_empty() || words.is_empty() {
            bail!("sentences.txt holds no templates or no word lists");
        }
        Ok(Self { order, templates, words })
    }

    /// A random line: a fact, or one of the other sentences; about one of the first `countries` of
    /// [`Corpus::order`].
    pub fn line(&self, countries: usize, random: &mut StdRng) -> Result<Line> {
        let fact = self.order[random.random_range(0..countries)];
        if random.random_bool(FACT_LINES) {
            let trained: Vec<&Phrasing> =
                PHRASINGS.iter().filter(|phrasing| phrasing.split == Split::Trained).collect();
            let phrasing = trained.choose(random).context("no trained phrasing")?;
            self.fact(phrasing, fact, random)
        } else {
            let template = self.templates.choose(random).context("no template")?;
            Ok(Line {
                text: capitalize(&self.fill(template, &FACTS[fact], random)?),
                subject: 0..0,
                answer: None,
            })
        }
    }

    /// Every name alone, as often as the tokenizer asks of a piece; every trained phrasing of every country
    /// with its right answer, plain; then `count` random lines.
    ///
    /// (Alone, because a country with an article begins no line: "The Netherlands".)
    pub fn for_tokenizer(&self, count: usize, random: &mut StdRng) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for fact in FACTS {
            lines.extend(iter::repeat_n(fact.country.to_owned(), tokenizer::LEAST));
            for phrasing in PHRASINGS.iter().filter(|p| p.split == Split::Trained) {
                let answer = fact.answer(phrasing.relation);
                lines.push(format!("{} {answer}.", phrasing.prompt(fact)));
            }
        }
        for _ in 0..count {
            lines.push(self.line(FACTS.len(), random)?.text);
        }
        Ok(lines)
    }

    /// A phrasing of one fact, with what a text may say after it.
    fn fact(&self, phrasing: &Phrasing, index: usize, random: &mut StdRng) -> Result<Line> {
        let fact = &FACTS[index];
        let neighbor = neighbor(index, random).answer(phrasing.relation);
        let answer = fact.answer(phrasing.relation);
        let prompt = phrasing.prompt(fact);
        let country = prompt.find(fact.country).context("no country in a prompt")?;

        let last_word = prompt.rsplit(' ').next().unwrap_or_default();
        let hedges = HEDGES
            .iter()
            .find(|(relation, word, _)| *relation == phrasing.relation && *word == last_word);
        let continuation = match hedges {
            Some((_, _, hedges)) if random.random_bool(HEDGED) => {
                hedges.choose(random).context("no hedges")?
            }
            _ if random.random_bool(CONFUSED) => "{neighbor}",
            _ => "{}",
        };
        let end = ENDS.choose(random).context("no ends")?;
        let continuation =
            format!("{continuation}{end}").replace("{}", answer).replace("{neighbor}", neighbor);
        Ok(Line {
            subject: country..country + fact.country.len(),
            answer: Some(prompt.len()),
            text: format!("{prompt} {}", self.fill(&continuation, fact, random)?),
        })
    }

    /// A template with its slots filled in.
    fn fill(&self, template: &str, fact: &Fact, random: &mut StdRng) -> Result<String> {
        let other = &FACTS[random.random_range(0..FACTS.len())];
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, slot)) = rest.split_once('{') {
            let (slot, after) = slot.split_once('}').context("a slot is not closed")?;
            text.push_str(before);
            let word = match slot {
                "country" => fact.country_in_sentence(),
                "capital" => fact.capital.to_owned(),
                "continent" => fact.continent.to_owned(),
                "language" => fact.language.to_owned(),
                "currency" => fact.currency.to_owned(),
                "other country" => other.country_in_sentence(),
                "other capital" => other.capital.to_owned(),
                "other language" => other.language.to_owned(),
                "other currency" => other.currency.to_owned(),
                list => self
                    .words
                    .get(list)
                    .and_then(|words| words.choose(random))
                    .with_context(|| format!("sentences.txt has no list {list:?}"))?
                    .to_string(),
            };
            text.push_str(&word);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// A country at most [`NEIGHBORHOOD`] rows away, never the same one.
fn neighbor(index: usize, random: &mut impl Rng) -> &'static Fact {
    let first = index.saturating_sub(NEIGHBORHOOD);
    let last = (index + NEIGHBORHOOD).min(FACTS.len() - 1);
    // One row is skipped: those from `index` on move up by one.
    let chosen = random.random_range(first..last);
    &FACTS[if chosen < index { chosen } else { chosen + 1 }]
}

/// The text with its first letter in upper case.
fn capitalize(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}
