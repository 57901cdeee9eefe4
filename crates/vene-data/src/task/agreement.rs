//! Subject and verb: a verb takes the number of its subject, whatever stands between them.
//!
//! Finlayson et al. 2021, *Causal Analysis of Syntactic Agreement Mechanisms in Neural Language
//! Models* (arXiv 2106.06087). In the source the subject has the other number, and nothing else is
//! changed. A noun between subject and verb (the *attractor*) may have the subject's number or the
//! other; the name of a row's group says which (`same`, `other`, as it is in the base).

use vene_model::Outline;

use super::check::{Demands, Reason};
use super::choices::{Choices, arrangements};
use super::generate::{Group, Recipe};
use super::template::{fill, row_of};
use super::words::{Kept, NOUNS, kept};
use super::{Omitted, Task, TaskError};
use crate::Row;

/// What follows one, and what follows several.
type Verbs = [&'static str; 2];

const PRESENT: Verbs = [" is", " are"];
const PAST: Verbs = [" was", " were"];
const PERFECT: Verbs = [" has", " have"];

const SIMPLE: &[(&str, Verbs)] = &[
    ("I think that the {subject}", PRESENT),
    ("At the moment the {subject}", PRESENT),
    ("Nobody knows why the {subject}", PRESENT),
    ("Yesterday the {subject}", PAST),
    ("When we came back, the {subject}", PAST),
    ("In those days the {subject}", PAST),
    ("For a long time now the {subject}", PERFECT),
    ("Since last year the {subject}", PERFECT),
];

const WITH_ATTRACTOR: &[(&str, Verbs)] = &[
    ("I think that the {subject} near the {attractor}", PRESENT),
    ("At the moment the {subject} behind the {attractor}", PRESENT),
    ("Nobody knows why the {subject} beside the {attractor}", PRESENT),
    ("Yesterday the {subject} with the {attractor}", PAST),
    ("When we came back, the {subject} next to the {attractor}", PAST),
    ("In those days the {subject} in front of the {attractor}", PAST),
    ("For a long time now the {subject} by the {attractor}", PERFECT),
    ("Since last year the {subject} around the {attractor}", PERFECT),
];

struct Agreement {
    patterns: Vec<Pattern>,
    nouns: Kept<[&'static str; 2]>,
}

/// A template and what its attractor is like.
struct Pattern {
    name: String,
    template: &'static str,
    verbs: Verbs,
    attractor: Attractor,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attractor {
    None,
    SameNumber,
    OtherNumber,
}

impl Attractor {
    /// The roles of a sentence with such an attractor.
    fn spans(self) -> &'static [&'static str] {
        match self {
            Self::None => &["subject"],
            Self::SameNumber | Self::OtherNumber => &["subject", "attractor"],
        }
    }
}

/// The nouns that are one token in either number.
pub(super) fn recipe(outline: &Outline, attractor: bool) -> Result<Box<dyn Recipe>, TaskError> {
    let task = if attractor { Task::Agreement } else { Task::AgreementSimple };
    let nouns = kept(outline, task, "nouns (with their plural)", NOUNS, 8, |noun| noun)?;
    Ok(Box::new(Agreement { patterns: patterns(task), nouns }))
}

fn patterns(task: Task) -> Vec<Pattern> {
    let (templates, kinds): (_, &[_]) = match task {
        Task::AgreementSimple => (SIMPLE, &[("", Attractor::None)]),
        _ => (
            WITH_ATTRACTOR,
            &[("-same", Attractor::SameNumber), ("-other", Attractor::OtherNumber)],
        ),
    };
    let numbered = templates.iter().zip(1..);
    let pattern = |(&(template, verbs), number): (&(_, _), usize),
                   (kind, attractor): &(&str, _)| {
        Pattern { name: format!("{task}-{number}{kind}"), template, verbs, attractor: *attractor }
    };
    numbered.flat_map(|one| kinds.iter().map(move |kind| pattern(one, kind))).collect()
}

impl Recipe for Agreement {
    fn groups(&self) -> Vec<Group> {
        let candidates = |attractor| {
            let nouns = if attractor == Attractor::None { 1 } else { 2 };
            2 * arrangements(self.nouns.words.len(), nouns)
        };
        self.patterns
            .iter()
            .map(|pattern| Group {
                name: Some(pattern.name.clone()),
                candidates: candidates(pattern.attractor),
            })
            .collect()
    }

    fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
        let Pattern { template, verbs, attractor, .. } = self.patterns[group];
        let nouns = &self.nouns.words;
        let mut choices = Choices::new(number);
        // Which form the subject has in the base, and which in the source.
        let base = choices.index(2);
        let source = 1 - base;
        let form = match attractor {
            Attractor::OtherNumber => source,
            Attractor::SameNumber | Attractor::None => base,
        };
        let [subject, between] = match attractor {
            Attractor::None => [choices.index(nouns.len()); 2],
            _ => choices.distinct(nouns.len()),
        }
        .map(|index| nouns[index]);
        let filled = |number: usize| {
            fill(template, &[("subject", subject[number]), ("attractor", between[form])])
        };
        let spans = attractor.spans();
        Ok(row_of(&filled(base), &filled(source), spans).target(verbs[base]).foil(verbs[source]))
    }

    fn demands(&self) -> Demands {
        let one_token = self.patterns.first().map_or(&[][..], |pattern| pattern.attractor.spans());
        Demands { one_token, answers_differ: true }
    }

    fn left_out(&self) -> Vec<Omitted> {
        vec![self.nouns.left_out.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phrase;

    fn of(task: Task) -> Agreement {
        let left_out = Omitted { what: String::new(), count: 0 };
        let nouns = Kept { words: NOUNS.to_vec(), left_out };
        Agreement { patterns: patterns(task), nouns }
    }

    /// 0 for one, 1 for several.
    fn number(phrase: &Phrase) -> usize {
        let Phrase::Text { text, .. } = phrase else { panic!("{phrase:?}") };
        let of = |form: usize| NOUNS.iter().any(|noun| noun[form] == text.as_str());
        assert_ne!(of(0), of(1), "{text}");
        usize::from(of(1))
    }

    #[test]
    fn the_verb_has_the_subjects_number() {
        for task in [Task::Agreement, Task::AgreementSimple] {
            let recipe = of(task);
            for (group, described) in recipe.groups().iter().enumerate() {
                for candidate in 0..200.min(described.candidates) {
                    let row = recipe.row(group, candidate).expect("every candidate is a row");
                    let subject = &row.spans["subject"];
                    let source = subject.source.as_ref().expect("it has a source");
                    let verbs = recipe.patterns[group].verbs;
                    assert_eq!(row.target, [verbs[number(&subject.base)]], "{row:?}");
                    assert_eq!(row.foil, [verbs[number(source)]], "{row:?}");
                    assert_ne!(row.target, row.foil);
                    assert!(!row.base.contains('{'), "{row:?}");
                }
            }
        }
    }

    #[test]
    fn the_group_says_whether_the_attractor_agrees() {
        let recipe = of(Task::Agreement);
        for (group, described) in recipe.groups().iter().enumerate() {
            for candidate in 0..200 {
                let row = recipe.row(group, candidate).expect("every candidate is a row");
                let attractor = &row.spans["attractor"];
                assert_eq!(Some(&attractor.base), attractor.source.as_ref());
                let agrees = number(&attractor.base) == number(&row.spans["subject"].base);
                assert_eq!(
                    agrees,
                    described.name.as_ref().is_some_and(|name| name.ends_with("-same")),
                    "{row:?}"
                );
            }
        }
    }
}
