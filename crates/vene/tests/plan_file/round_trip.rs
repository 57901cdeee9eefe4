//! A plan, written and read again, is the same plan: the same places, and the same bits of numbers.

use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use vene::plan::{Ends, ShortPrompt};
use vene::plan_file::{Format, PlanFile};
use vene::{Component, Edit, Outline, Part, Plan, Positions, Reference, Run, Source, When};
use vene_test_support::Fixture;

use crate::random_plan::random_plan;
use crate::subject::{PLAIN, Subject, logits_of};

fn outline() -> Outline {
    Fixture::new("gpt2-plain").outline().unwrap()
}

#[test]
fn a_plan_without_parameters_is_the_same_in_both_formats() {
    let outline = outline();
    let values: Vec<f64> = (0..20).map(|column| 0.1 + f64::from(column).sqrt() * 1e-17).collect();
    let plan = Plan::new()
        .edit(Edit::interchange(Component::BlockOutput, 1).at(Positions::At(vec![0, -1])))
        .edit(Edit::noise(Component::MlpOutput, 0, 0.1 + 0.2, u64::MAX).at(Positions::All))
        .edit(
            Edit::steering(Component::BlockOutput, 0, values).at(Positions::phrase(
                "a \"quoted\" phrase\n",
                Part::After,
            )
            .occurrence(2)),
        )
        .edit(
            Edit::interchange(Component::QueryOutput, 0)
                .heads([1, 3])
                .source(Source::Run(1))
                .within(Run::Source(0))
                .from_heads([0, 2])
                .from(Positions::Characters { range: 2..5, part: Part::First })
                .from_layer(1)
                .when(When::Steps(vec![0, 2]))
                .control(),
        )
        .edit(Edit::mean(Component::MlpOutput, 0).from([
            Positions::Last,
            Positions::At(vec![0, -1]),
            Positions::phrase("a phrase", Part::All),
        ]))
        .edit(Edit::mean(Component::MlpOutput, 0).from(Vec::new()))
        .edit(Edit::zero(Component::MlpOutput, 1).at(Positions::Ends(Ends::first(3))))
        .edit(Edit::zero(Component::MlpOutput, 1).at(Positions::Ends(Ends::both(1, 2))))
        .edit(
            Edit::zero(Component::MlpOutput, 1)
                .at(Positions::Ends(Ends::last(7).short(ShortPrompt::Halved).skip_last(1))),
        )
        .edit(
            Edit::zero(Component::MlpOutput, 1)
                .at(Positions::Role("first:2+last:2".parse().unwrap())),
        )
        .edit(Edit::zero(Component::MlpOutput, 1).when(When::EveryStep))
        .edit(Edit::zero(Component::MlpOutput, 1).when(When::Generated))
        .edit(Edit::zero(Component::MlpOutput, 1).when(When::Steps(vec![0, 3])))
        .edit(Edit::knockout(1).keys(Positions::Each(vec![vec![0], vec![]])))
        .collect(Component::FinalNorm, None, Positions::All)
        .read(Positions::All)
        .probabilities_of(vec![vec![3u32], vec![]]);
    let file = PlanFile::of(&plan).unwrap();
    for format in [Format::Toml, Format::Json] {
        let text = file.text(format);
        let read = PlanFile::parse(&text, format, Path::new("")).unwrap().plan(&outline);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(format!("{read:?}"), format!("{plan:?}"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn any_plan_is_the_same_plan_again(plan in random_plan(PLAIN.len())) {
        let subject = &subjects()[plan.subject];
        let (examples, plan) = (plan.examples(subject), plan.plan(subject));
        let file = PlanFile::of(&plan).unwrap();
        let resolved = plan.resolve(&subject.model, &examples);
        let expected = resolved.as_ref().ok().map(|plan| Reference::new(&subject.model).run(plan));
        for format in [Format::Toml, Format::Json] {
            let text = file.text(format);
            let read = PlanFile::parse(&text, format, Path::new("")).unwrap().plan(&subject.model);
            let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(format!("{:?}", read), format!("{:?}", plan), "{}", text);
            let resolved_again = read.resolve(&subject.model, &examples);
            // A plan that contradicts itself does so again.
            prop_assert_eq!(format!("{:?}", resolved_again), format!("{:?}", resolved));
            let again = resolved_again.ok().map(|plan| Reference::new(&subject.model).run(&plan));
            match (&expected, &again) {
                (Some(Ok(expected)), Some(Ok(found))) => {
                    for example in 0..examples.len() {
                        prop_assert_eq!(logits_of(found, example), logits_of(expected, example));
                    }
                }
                // Some plans blow values up beyond all numbers; they do so again.
                (Some(Err(_)), Some(Err(_))) | (None, None) => {}
                _ => prop_assert!(false, "only one of the two could be run"),
            }
        }
    }
}

/// `PROPTEST_CASES` where it is set, for long runs.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn subjects() -> &'static [Subject] {
    static SUBJECTS: OnceLock<Vec<Subject>> = OnceLock::new();
    SUBJECTS.get_or_init(|| Subject::each().collect())
}
