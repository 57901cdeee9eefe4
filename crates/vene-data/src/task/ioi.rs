//! Indirect object identification: who gets what the other one gives?
//!
//! Wang et al. 2022, *Interpretability in the Wild: a Circuit for Indirect Object Identification in
//! GPT-2 small* (arXiv 2211.00593). Two names, then the subject's name (S) again: the sentence goes
//! on with the other, the indirect object (IO). In the order ABBA the indirect object comes first,
//! in BABA the subject. The source is the paper's ABC corruption: the same sentence with three
//! other names, none of them twice, so that nothing in it tells who is given something. Both orders of a
//! sentence are in its group: they are the same sentence to most of the model.

use vene_model::Outline;

use super::check::{Demands, Reason};
use super::choices::{Choices, arrangements};
use super::generate::{Group, Recipe};
use super::template::{fill, row_of};
use super::words::{Kept, MEN, OBJECTS, PLACES, WOMEN, kept};
use super::{Omitted, Task, TaskError};
use crate::Row;

/// `first` and `second` become the gaps of the two names in one order or the other, `s2` for the subject's second mention. All
/// names follow a space, since a name is another token at the beginning of a text.
const TEMPLATES: &[&str] = &[
    "On Monday {first} and {second} met at the {place}, and {s2} handed a {object} to",
    "After {first} and {second} had found the {place}, {s2} lent a {object} to",
    "While {first} and {second} were waiting near the {place}, {s2} passed a {object} to",
    "Last summer {first} and {second} worked at the {place}. One day {s2} sold a {object} to",
    "As soon as {first} and {second} reached the {place}, {s2} showed a {object} to",
    "My friends {first} and {second} live near the {place}. Every week {s2} brings a {object} to",
    "The guide took {first} and {second} around the {place}. At the end {s2} offered a {object} to",
    "It was raining, so {first} and {second} ran to the {place}, where {s2} threw a {object} to",
    "Nobody saw {first} and {second} leave the {place}, but {s2} had promised a {object} to",
    "At noon {first} and {second} sat down by the {place}; then {s2} gave a {object} to",
];

/// Which role's gap comes first in each order.
const ORDERS: [(&str, [&str; 2]); 2] = [("ABBA", ["{io}", "{s1}"]), ("BABA", ["{s1}", "{io}"])];

/// The two names of the base, the three of the source.
const NAMES: usize = 5;

struct Ioi {
    names: Kept<&'static str>,
    places: Kept<&'static str>,
    objects: Kept<&'static str>,
}

/// The names, places and objects that are one token each.
pub(super) fn recipe(outline: &Outline) -> Result<Box<dyn Recipe>, TaskError> {
    let keep = |what, list: &[&'static str], needed| {
        kept(outline, Task::Ioi, what, list, needed, |word| [word])
    };
    Ok(Box::new(Ioi {
        names: keep("first names", &[WOMEN, MEN].concat(), 2 * NAMES)?,
        places: keep("places", PLACES, 3)?,
        objects: keep("objects", OBJECTS, 3)?,
    }))
}

impl Recipe for Ioi {
    fn groups(&self) -> Vec<Group> {
        let candidates = arrangements(self.names.words.len(), NAMES)
            .saturating_mul((self.places.words.len() * self.objects.words.len()) as u64);
        (1..=TEMPLATES.len())
            // The two orders of a sentence are no independent observations.
            .flat_map(|number| [format!("ioi-{number}"), format!("ioi-{number}")])
            .map(|name| Group { name: Some(name), candidates })
            .collect()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let mut choices = Choices::new(number);
        let [place, object] = [&self.places, &self.objects].map(|list| choices.of(&list.words));
        let [io, subject, a, b, c] =
            choices.distinct::<NAMES>(self.names.words.len()).map(|index| self.names.words[index]);
        let (_, [first, second]) = ORDERS[group % 2];
        let template = TEMPLATES[group / 2].replace("{first}", first).replace("{second}", second);
        let filled = |io, s1, s2| {
            fill(
                &template,
                &[("io", io), ("s1", s1), ("s2", s2), ("place", place), ("object", object)],
            )
        };
        Ok(row_of(&filled(io, subject, subject), &filled(a, b, c), &["io", "s1", "s2"])
            .target(format!(" {io}"))
            .foil(format!(" {subject}")))
    }

    fn demands(&self) -> Demands {
        Demands { one_token: &["io", "s1", "s2"], answers_differ: true }
    }

    fn left_out(&self) -> Vec<Omitted> {
        [&self.names, &self.places, &self.objects].map(|list| list.left_out.clone()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phrase;

    fn all_words() -> Ioi {
        let all = |list: &[&'static str]| Kept {
            words: list.to_vec(),
            left_out: Omitted { what: String::new(), count: 0 },
        };
        Ioi { names: all(&[WOMEN, MEN].concat()), places: all(PLACES), objects: all(OBJECTS) }
    }

    #[test]
    fn roles_stand_where_the_order_says() {
        let ioi = all_words();
        for (group, described) in ioi.groups().iter().enumerate() {
            assert_eq!(described.name, Some(format!("ioi-{}", group / 2 + 1)));
            for number in [0, 12_345_678_901] {
                let row = ioi.row(group, number).expect("every candidate is a row");
                let (target, foil) = (row.target[0].as_str(), row.foil[0].as_str());
                let at = |name: &str| row.base.find(&format!("{name} ")).unwrap_or(usize::MAX);
                assert_eq!(at(target) < at(foil), ORDERS[group % 2].0 == "ABBA", "{row:?}");
                assert!(row.base.ends_with(" to") && !row.base.contains('{'), "{row:?}");
                let subject = foil.trim();
                assert_eq!(row.spans["s1"].base, Phrase::occurrence(subject, 0), "{row:?}");
                assert_eq!(row.spans["s2"].base, Phrase::occurrence(subject, 1), "{row:?}");
            }
        }
    }

    #[test]
    fn the_source_has_three_other_names() {
        let ioi = all_words();
        let row = ioi.row(3, 99_999_999_999).expect("every candidate is a row");
        let names = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphabetic());
            words.filter(|word| ioi.names.words.contains(word)).map(str::to_owned).collect()
        };
        let source = names(row.source.as_deref().unwrap_or_default());
        let base = names(&row.base);
        assert_eq!((base.len(), source.len()), (3, 3));
        assert!(source.iter().all(|name| !base.contains(name)), "{row:?}");
        assert!(source[0] != source[1] && source[1] != source[2] && source[0] != source[2]);
    }
}
