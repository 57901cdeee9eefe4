//! Bases that go on with their answers: what is edited is what would be edited without them.

use vene::plan::{Ends, ResolvedPlan, ResolvedSource, Unit};
use vene::{
    Component, Edit, Example, Forked, Model, Plan, PlanError, PlanOutcome, Positions, Precision,
    Reference,
};
use vene_test_support::Fixture;

fn model() -> Model {
    Fixture::new("llama-gqa").load(Precision::Double)
}

fn examples(model: &Model) -> Vec<Example> {
    let prompt = |tokens: &[u32]| model.prompt_from_tokens(tokens).unwrap();
    vec![
        Example::new(prompt(&[3, 4, 5, 6, 7])).source(prompt(&[8, 9, 10, 11, 12])),
        Example::new(prompt(&[14, 15, 16])).source(prompt(&[17, 18, 19])),
    ]
}

fn edit() -> Edit {
    Edit::interchange(Component::BlockOutput, 0)
}

/// An answer token by token, each after an edit of the base alone, is what all are at once.
#[test]
fn all_tokens_are_predicted_as_one_after_the_other() {
    let model = model();
    let examples = examples(&model);
    let answers = vec![vec![21, 22, 23], vec![24]];
    let plans = [
        edit(),
        edit().at(Positions::Ends(Ends::both(2, 2))),
        edit().at(Positions::index(-2)).from(Positions::index(1)),
        Edit::interchange(Component::AttentionWeight, 1).at(Positions::index(2)),
        Edit::zero(Component::MlpOutput, 1).at(Positions::All),
    ];
    for edit in plans {
        let plan = Plan::new().edit(edit);
        let forced = plan.teacher_forced(&model, &examples, &answers).unwrap();
        assert_eq!(forced.labels, answers);
        let plain = plan.resolve(&model, &examples).unwrap();
        for (forced, plain) in forced.plan.edits().iter().zip(plain.edits()) {
            let places = |units: &[Unit]| {
                units.iter().map(|unit| unit.positions.clone()).collect::<Vec<_>>()
            };
            assert_eq!(places(&forced.units), places(&plain.units));
        }
        let found = Reference::new(&model).run(&forced.plan).unwrap();
        let again = Forked::new(&model).run(&forced.plan).unwrap();
        for (example, answer) in answers.iter().enumerate() {
            assert_eq!(forced.plan.read()[example].len(), answer.len());
            for read in 0..answer.len() {
                let logits = |outcome: &PlanOutcome| {
                    outcome.distribution(example, read).unwrap().logits().to_vec()
                };
                // The same run with so much of the answer, edited at the same numbers.
                let one = examples[example].clone();
                let tokens = [one.base.tokens(), &answer[..read]].concat();
                let longer = Example { base: model.prompt_from_tokens(&tokens).unwrap(), ..one };
                let off = |one: Vec<f64>, other: Vec<f64>| {
                    let pairs = one.iter().zip(&other);
                    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max)
                };
                let right = numbered(&plain, example).resolve(&model, &[longer]).unwrap();
                let right = Reference::new(&model).run(&right).unwrap();
                let right = right.distribution(0, 0).unwrap().logits().to_vec();
                assert!(off(logits(&found), right.clone()) < 1e-9);
                assert!(off(logits(&again), right) < 1e-9);
            }
        }
    }
}

/// The plan of one example, its positions as numbers.
fn numbered(resolved: &ResolvedPlan, example: usize) -> Plan {
    let edit = &resolved.edits()[0];
    let at = |unit: &Unit| {
        Positions::At(unit.positions.iter().map(|&position| position as i64).collect())
    };
    let unit = &edit.units[example];
    let component = edit.site.component();
    let mut made = Edit::new(component, edit.site.layer(), edit.intervention.clone()).at(at(unit));
    if component.is_pattern() {
        let keys = (0..resolved.examples()[example].base.len()).map(|key| key as i64);
        made = made.keys(Positions::At(keys.collect()));
    }
    if let Some(ResolvedSource::Runs { units, .. }) = &edit.source {
        made = made.from(at(&units[example][0].1));
    }
    Plan::new().edit(made)
}

#[test]
fn what_cannot_be_is_refused() {
    let model = model();
    let examples = examples(&model);
    let refused = |plan: &Plan, answers: &[Vec<u32>]| {
        let error = plan.teacher_forced(&model, &examples, answers).unwrap_err();
        assert!(matches!(error, PlanError::TeacherForcing { .. }), "{error}");
        error.to_string()
    };
    let plan = Plan::new().edit(edit());
    assert!(refused(&plan, &[vec![1]]).contains("1 answers are given for 2 examples"));
    assert!(refused(&plan, &[vec![1], vec![]]).contains("example 1 has no token"));
    let reads = plan.clone().read(Positions::index(0));
    assert!(refused(&reads, &[vec![1], vec![2]]).contains("says itself which positions"));
    // What names nothing without the answer names nothing with it.
    let past = Plan::new().edit(edit().at(Positions::index(4)));
    let error = past.teacher_forced(&model, &examples, &[vec![1], vec![2, 3, 4]]).unwrap_err();
    assert!(error.to_string().contains("the base of example 1: position 4"), "{error}");
}
