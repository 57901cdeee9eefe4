//! The data sets of every task, on every tokenizer at hand: rows mean to the tokenizer what they
//! say.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;

use vene::data::{Phrase, Row};
use vene::task::{Task, TaskError};
use vene::{Outline, Part, Positions, Prompt};
use vene_test_support::RealModel;

const COUNT: usize = 150;

fn embedded() -> Outline {
    Outline::open("embedded", &mut |_| {}).unwrap()
}

/// The published models that are here.
fn real_models() -> impl Iterator<Item = Outline> {
    let paths = RealModel::ALL.into_iter().filter_map(RealModel::path);
    paths.map(|path| Outline::open(path.to_str().unwrap(), &mut |_| {}).unwrap())
}

/// The positions of a role's tokens.
fn positions(prompt: &Prompt, phrase: &Phrase) -> Vec<usize> {
    let part = Part::All;
    let positions = match phrase.clone() {
        Phrase::Text { text, occurrence } => Positions::Phrase { text, part, occurrence },
        Phrase::Characters(range) => Positions::Characters { range, part },
    };
    positions.resolve(prompt, 0).unwrap()
}

/// A row's prompts, and for each the positions of a role.
struct Read {
    prompts: [Prompt; 2],
}

impl Read {
    fn new(outline: &Outline, row: &Row) -> Self {
        let texts = [row.base.as_str(), row.source.as_deref().unwrap()];
        Self { prompts: texts.map(|text| outline.prompt(text).unwrap()) }
    }

    fn role(&self, row: &Row, name: &str) -> [Vec<usize>; 2] {
        let span = &row.spans[name];
        let phrases = [&span.base, span.source.as_ref().unwrap()];
        [0, 1].map(|index| positions(&self.prompts[index], phrases[index]))
    }
}

/// What holds for every row of every task.
fn check(outline: &Outline, task: Task, rows: &[Row]) {
    assert_eq!(rows.len(), COUNT);
    let distinct: HashSet<_> = rows.iter().map(|row| (&row.base, &row.source)).collect();
    assert_eq!(distinct.len(), COUNT, "{task}");
    let mut written = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    vene::data::write_jsonl(rows, &mut written).unwrap();
    assert_eq!(vene::data::read(written.path()).unwrap(), rows, "{task}");
    let roles: Vec<&String> = rows[0].spans.keys().collect();
    for row in rows {
        match (&row.group, task) {
            // Its rows do not depend on each other.
            (group, Task::Induction) => assert_eq!(*group, None),
            (group, _) => assert!(group.as_ref().unwrap().starts_with(task.name()), "{row:?}"),
        }
        assert_eq!(row.spans.keys().collect::<Vec<_>>(), roles, "{row:?}");
        assert!(!row.target.is_empty() && !row.foil.is_empty(), "{row:?}");
        assert!(row.target.iter().all(|answer| !row.foil.contains(answer)), "{row:?}");
        let read = Read::new(outline, row);
        for name in &roles {
            read.role(row, name);
        }
        for prompt in &read.prompts {
            for answer in row.target.iter().chain(&row.foil) {
                let text = format!("{}{answer}", prompt.text().unwrap());
                let whole = outline.tokenizer().encode(&text).unwrap().ids;
                let behind = whole.strip_prefix(prompt.tokens()).unwrap();
                assert_eq!(outline.tokenizer().decode(behind).unwrap().trim(), answer.trim());
            }
        }
    }
}

/// Base and source are the same tokens, but for these roles, which are one token each.
fn differ_only_in(outline: &Outline, rows: &[Row], roles: &[&str]) {
    for row in rows {
        let read = Read::new(outline, row);
        let [base, source] = &read.prompts;
        assert_eq!(base.len(), source.len(), "{row:?}");
        let differing = |index: &usize| base.tokens()[*index] != source.tokens()[*index];
        let differing: Vec<usize> = (0..base.len()).filter(differing).collect();
        let mut expected = Vec::new();
        for role in roles {
            let [in_base, in_source] = read.role(row, role);
            assert_eq!((in_base.len(), &in_base), (1, &in_source), "{row:?}");
            expected.extend(in_base);
        }
        expected.sort_unstable();
        assert_eq!(differing, expected, "{row:?}");
    }
}

#[test]
fn relations_on_the_embedded_model() {
    let outline = embedded();
    for task in [Task::Capital, Task::Continent, Task::Language, Task::Currency] {
        let made = task.rows(&outline, COUNT, 1).unwrap();
        check(&outline, task, &made.rows);
    }
}

#[test]
fn induction_on_the_embedded_model() {
    let outline = embedded();
    let made = Task::Induction.rows(&outline, COUNT, 1).unwrap();
    check(&outline, Task::Induction, &made.rows);
    differ_only_in(&outline, &made.rows, &["answer"]);
}

#[test]
fn every_task_on_published_models() {
    for outline in real_models() {
        for &task in Task::ALL {
            let made = task.rows(&outline, COUNT, 1).unwrap();
            check(&outline, task, &made.rows);
            match task {
                Task::Ioi => {
                    differ_only_in(&outline, &made.rows, &["io", "s1", "s2"]);
                    assert_eq!(
                        made.groups().len(),
                        10,
                        "the two orders of a sentence are one group"
                    );
                }
                Task::GenderedPronoun => differ_only_in(&outline, &made.rows, &["name"]),
                Task::Agreement | Task::AgreementSimple => {
                    differ_only_in(&outline, &made.rows, &["subject"]);
                }
                Task::Induction => differ_only_in(&outline, &made.rows, &["answer"]),
                _ => {}
            }
        }
    }
}

/// In an induction row the last token stood before, and the answer stood behind it.
#[test]
fn induction_is_a_repetition_of_tokens() {
    for outline in real_models().chain([embedded()]) {
        for row in Task::Induction.rows(&outline, COUNT, 2).unwrap().rows {
            let read = Read::new(&outline, &row);
            let [earlier, answers] = ["earlier", "answer"].map(|role| read.role(&row, role));
            for (index, answer) in [&row.target[0], &row.foil[0]].into_iter().enumerate() {
                let tokens = read.prompts[index].tokens();
                let at = earlier[index][0];
                assert_eq!(tokens[at], tokens[tokens.len() - 1], "{row:?}");
                assert_eq!(answers[index], [at + 1], "{row:?}");
                let answer = outline.tokenizer().single_token(answer).unwrap();
                assert_eq!(tokens[at + 1], answer, "{row:?}");
                // Once: the cue is the only one.
                assert_eq!(tokens.iter().filter(|&&token| token == answer).count(), 1);
            }
        }
    }
}

#[test]
fn the_first_tokens_of_target_and_foil_differ() {
    let outline = embedded();
    for task in [Task::Capital, Task::Language] {
        for row in task.rows(&outline, 500, 3).unwrap().rows {
            let prompt = outline.prompt(&row.base).unwrap();
            let [target, foil] = [&row.target[0], &row.foil[0]].map(|answer| {
                let whole = outline.prompt(&format!("{}{answer}", row.base)).unwrap();
                whole.tokens()[prompt.len()]
            });
            assert_ne!(target, foil, "{row:?}");
        }
    }
}

#[test]
fn a_seed_names_a_data_set() {
    let outline = embedded();
    let made = |count, seed| Task::Currency.rows(&outline, count, seed).unwrap().rows;
    assert_eq!(made(60, 4), made(60, 4));
    assert_eq!(made(60, 4), made(100, 4)[..60]);
    assert_ne!(made(60, 4), made(60, 5));
}

#[test]
fn a_model_that_knows_no_names_is_told_so() {
    let outline = embedded();
    for (task, what) in [(Task::Ioi, "first names"), (Task::GenderedPronoun, "women's names")] {
        let error = task.rows(&outline, 10, 1).unwrap_err();
        assert!(matches!(error, TaskError::TooFewWords { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn too_many_rows_are_refused_with_their_number() {
    let Some(outline) = real_models().next() else { return };
    let error = Task::AgreementSimple.rows(&outline, 100_000, 1).unwrap_err();
    let TaskError::TooFewRows { possible, .. } = error else { panic!("{error}") };
    assert!(possible > 500, "{possible}");
    assert!(error.to_string().contains(&format!("at most {possible}")), "{error}");
    assert_eq!(Task::AgreementSimple.rows(&outline, possible, 1).unwrap().rows.len(), possible);
}
