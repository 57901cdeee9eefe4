//! Greater than: an end comes after its beginning.
//!
//! Hanna et al. 2023, *How does GPT-2 compute greater-than?* (arXiv 2305.00586). A prompt names the
//! year in which something began, and the century in which it ended; every later year of the
//! century is right, every other one wrong. The source is the paper's corruption: it began in the
//! year 01, after which nearly everything is right.
//!
//! Tokenizers disagree on numbers: `1732` is one token, or two, or four. Nothing is assumed here:
//! answers are the texts `00` to `99`, of however many tokens; those that merge with the century
//! in front of them are left out, in the prompt too, and centuries of which too few remain.

use vene_model::{Outline, Prompt};

use super::check::{Demands, Reason, continuation};
use super::choices::Choices;
use super::generate::{Group, Recipe};
use super::template::{Filled, fill};
use super::words::EVENTS;
use super::{Omitted, Task, TaskError};
use crate::Row;

const TEMPLATES: &[&str] = &[
    "The {noun} went on from the year {century}{year} until the year {end}",
    "It is known that the {noun} began in {century}{year} and ended in {end}",
    "Their {noun} started in the year {century}{year} and was over by the year {end}",
    "Chronicles place the {noun} between the years {century}{year} and {end}",
    "Having begun in {century}{year}, the {noun} came to its end in {end}",
    "The {noun} of {century}{year} to {end}",
];

const CENTURIES: &[&str] = &["11", "12", "13", "14", "15", "16", "17", "18"];

/// The year that the source names.
const CORRUPTION: usize = 1;

/// So many of a century's hundred years must be answers.
const ENOUGH: usize = 80;

struct GreaterThan {
    /// For each template its numbers (a century and a year in it).
    numbers: Vec<Vec<Numbers>>,
    left_out: Vec<Omitted>,
}

/// What a prompt's numbers are, and which answers it has.
struct Numbers {
    century: &'static str,
    year: usize,
    later: Vec<String>,
    others: Vec<String>,
}

/// The years and centuries that the tokenizer keeps apart.
pub(super) fn recipe(outline: &Outline) -> Result<Box<dyn Recipe>, TaskError> {
    let mut made = GreaterThan { numbers: Vec::new(), left_out: Vec::new() };
    let (mut centuries, mut years, mut answers) = (0, 0, 0);
    for template in TEMPLATES {
        let mut numbers = Vec::new();
        for century in CENTURIES {
            let separate = |year: &usize| is_separate(outline, template, century, *year);
            let valid = if separate(&CORRUPTION) {
                let prompt = outline.prompt(&filled(template, EVENTS[0], century, CORRUPTION).text);
                prompt.map_or_else(|_| Vec::new(), |prompt| valid_answers(outline, &prompt))
            } else {
                Vec::new()
            };
            if valid.len() < ENOUGH {
                centuries += 1;
                continue;
            }
            answers += 100 - valid.len();
            for year in CORRUPTION + 1..100 {
                let (later, others): (Vec<usize>, Vec<usize>) =
                    valid.iter().partition(|&&answer| answer > year);
                match !later.is_empty() && !others.is_empty() && separate(&year) {
                    true => numbers.push(Numbers {
                        century,
                        year,
                        later: later.into_iter().map(two_digits).collect(),
                        others: others.into_iter().map(two_digits).collect(),
                    }),
                    // Nothing is later than 99, whatever the tokenizer.
                    false => years += usize::from(year != 99),
                }
            }
        }
        made.numbers.push(numbers);
    }
    if made.numbers.iter().all(Vec::is_empty) {
        return Err(TaskError::TooFewWords {
            task: Task::GreaterThan,
            what: "centuries (1100 to 1800) whose years do not merge with them".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    made.left_out = [
        ("centuries of templates that merge with their years", centuries),
        ("years of prompts that merge with their century", years),
        ("answers that merge with the century before them", answers),
    ]
    .map(|(what, count)| Omitted { what: what.to_owned(), count })
    .into();
    Ok(Box::new(made))
}

fn two_digits(year: usize) -> String {
    format!("{year:02}")
}

fn filled(template: &str, noun: &str, century: &str, year: usize) -> Filled {
    let year = two_digits(year);
    fill(template, &[("noun", noun), ("century", century), ("year", &year), ("end", century)])
}

/// Whether no token of the prompt covers both the first century and the year behind it.
fn is_separate(outline: &Outline, template: &str, century: &str, year: usize) -> bool {
    let filled = filled(template, EVENTS[0], century, year);
    let place = filled.place("year");
    let Ok(prompt) = outline.prompt(&filled.text) else { return false };
    let covered = |edge: usize| {
        prompt.spans().iter().any(|token| token.contains(&(edge - 1)) && token.contains(&edge))
    };
    !covered(place.start) && !covered(place.end)
}

/// The years that go on after the prompt's last century without changing its tokens.
fn valid_answers(outline: &Outline, prompt: &Prompt) -> Vec<usize> {
    (0..100).filter(|&year| continuation(outline, prompt, &two_digits(year)).is_ok()).collect()
}

impl Recipe for GreaterThan {
    fn groups(&self) -> Vec<Group> {
        self.numbers
            .iter()
            .zip(1..)
            .map(|(numbers, number): (_, usize)| Group {
                name: Some(format!("{}-{number}", Task::GreaterThan)),
                candidates: (numbers.len() * EVENTS.len()) as u64,
            })
            .collect()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let mut choices = Choices::new(number);
        let noun = choices.of(EVENTS);
        let Numbers { century, year, later, others } =
            &self.numbers[group][choices.index(self.numbers[group].len())];
        let [base, source] =
            [*year, CORRUPTION].map(|year| filled(TEMPLATES[group], noun, century, year));
        let row = Row {
            target: later.clone(),
            foil: others.clone(),
            ..Row::new(base.text.as_str(), source.text.as_str())
        };
        Ok(["noun", "century", "year", "end"]
            .into_iter()
            .fold(row, |row, gap| row.span(gap, base.characters(gap), source.characters(gap))))
    }

    fn demands(&self) -> Demands {
        Demands::default()
    }

    fn left_out(&self) -> Vec<Omitted> {
        self.left_out.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use vene_model::Checkpoint;

    use super::*;
    use crate::Phrase;

    /// The embedded model, whose tokenizer has a token for each digit and for these numbers.
    fn with_tokens(numbers: impl IntoIterator<Item = String>) -> Outline {
        let mut tokenizer: serde_json::Value =
            serde_json::from_str(vene_embedded::TOKENIZER).unwrap();
        let first = tokenizer["model"]["vocab"].as_object().unwrap().len();
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.extend(numbers.into_iter().zip(first..).map(|(number, id)| {
            serde_json::json!({
                "id": id, "content": number, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": false,
            })
        }));
        let (config, weights) = (vene_embedded::CONFIG, vene_embedded::WEIGHTS);
        let checkpoint = Checkpoint::from_bytes("test", config, weights, &tokenizer.to_string());
        Outline::from_checkpoint(checkpoint.unwrap()).unwrap()
    }

    fn rows(recipe: &dyn Recipe) -> Vec<Row> {
        let groups = recipe.groups().into_iter().enumerate();
        groups
            .flat_map(|(group, described)| {
                let numbers = (0..described.candidates).step_by(53);
                numbers.map(move |number| recipe.row(group, number).unwrap())
            })
            .collect()
    }

    fn count(recipe: &dyn Recipe, what: &str) -> usize {
        let left_out = recipe.left_out();
        left_out.iter().find(|left_out| left_out.what.starts_with(what)).unwrap().count
    }

    #[test]
    fn a_year_that_merges_with_its_century_is_left_out() {
        let outline = with_tokens(["1776".to_owned()]);
        let recipe = recipe(&outline).unwrap();
        assert_eq!(count(recipe.as_ref(), "centuries"), 0);
        assert_eq!(count(recipe.as_ref(), "years"), TEMPLATES.len());
        assert_eq!(count(recipe.as_ref(), "answers"), TEMPLATES.len());
        let mut seen = 0;
        for row in rows(recipe.as_ref()) {
            assert!(!row.base.contains("1776"), "{row:?}");
            let answers = [row.target.clone(), row.foil.clone()].concat();
            let merges = row.base.ends_with("17");
            assert_eq!(answers.len(), if merges { 99 } else { 100 }, "{row:?}");
            assert_eq!(answers.contains(&"76".to_owned()), !merges, "{row:?}");
            seen += usize::from(merges);
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn a_century_that_merges_with_its_years_is_left_out() {
        let whole =
            |century: &str| (0..100).map(|y| format!("{century}{y:02}")).collect::<Vec<_>>();
        let outline = with_tokens(whole("15"));
        let recipe = recipe(&outline).unwrap();
        assert_eq!(count(recipe.as_ref(), "centuries"), TEMPLATES.len());
        assert!(rows(recipe.as_ref()).iter().all(|row| !row.base.ends_with("15")));

        let outline = with_tokens(CENTURIES.iter().flat_map(|century| whole(century)));
        let error = super::recipe(&outline).err().unwrap().to_string();
        assert!(error.contains("at least 1 centuries") && error.contains("has 0"), "{error}");
    }

    /// A tokenizer with a token for each digit.
    fn of_embedded() -> Box<dyn Recipe> {
        recipe(&Outline::open("embedded", &mut |_| {}).unwrap()).unwrap()
    }

    #[test]
    fn answers_are_the_later_years_and_the_others() {
        let recipe = of_embedded();
        for (group, described) in recipe.groups().iter().enumerate() {
            assert_eq!(described.candidates, (EVENTS.len() * CENTURIES.len() * 97) as u64);
            for number in (0..described.candidates).step_by(997) {
                let row = recipe.row(group, number).unwrap();
                let Phrase::Characters(place) = &row.spans["year"].base else { panic!("{row:?}") };
                let year = &row.base[place.clone()];
                assert_eq!(row.target.len() + row.foil.len(), 100);
                assert!(row.target.iter().all(|answer| answer.as_str() > year), "{row:?}");
                assert!(row.foil.iter().all(|answer| answer.as_str() <= year), "{row:?}");
                assert_eq!(row.source.unwrap(), {
                    let mut source = row.base.clone();
                    source.replace_range(place.clone(), "01");
                    source
                });
            }
        }
    }
}
