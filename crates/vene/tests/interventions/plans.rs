//! Interventions with parameters in plans: both executors, subspaces by example, and what is
//! refused before a weight is read.

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::intervention::{
    Addition, Collect, ConstantSource, Dropout, InSubspace, Interchange, Intervention, Reft,
    ReftKind, RotatedSpace, Rotation, Subspace,
};
use vene::{
    Component, Edit, Example, Executor, Forked, Model, Plan, PlanOutcome, Positions, Precision,
    Reference,
};
use vene_test_support::{Fixture, relative_error};

fn subject() -> (Model, Vec<Example>) {
    let fixture = Fixture::new("llama-gqa");
    let model = fixture.load(Precision::Double);
    let prompts = fixture.prompts();
    let prompt = |tokens: &[u32]| model.prompt_from_tokens(tokens).unwrap();
    let (first, second) = (prompt(&prompts[0]), prompt(&prompts[2][..5]));
    let examples = vec![
        Example::new(first.clone()).source(second.clone()),
        Example::new(second).source(first),
    ];
    (model, examples)
}

/// The probabilities of all tokens at the last position, for each example.
fn probabilities(model: &Model, outcome: &PlanOutcome) -> Vec<Vec<f64>> {
    let tokens = 0..model.config().vocabulary as u32;
    let of = |example: &vene::ExampleOutcome| {
        tokens.clone().map(|token| example.distributions[0].probability(token).unwrap()).collect()
    };
    outcome.examples.iter().map(of).collect()
}

/// What both executors say, which must be the same.
#[track_caller]
fn run(model: &Model, examples: &[Example], edit: Edit) -> Vec<Vec<f64>> {
    let plan = Plan::new().edit(edit).resolve(model, examples).unwrap();
    let [reference, forked] =
        [Reference::new(model).run(&plan).unwrap(), Forked::new(model).run(&plan).unwrap()]
            .map(|outcome| probabilities(model, &outcome));
    for (reference, forked) in reference.iter().zip(&forked) {
        assert!(relative_error(forked, reference) < 1e-10);
    }
    reference
}

const SITE: Component = Component::BlockOutput;

#[test]
fn each_example_is_edited_in_its_own_subspace() {
    let (model, examples) = subject();
    let width = model.config().d_model;
    let rotation = Rotation::random(width, width, 3).unwrap();
    let das = Arc::new(RotatedSpace::new(rotation, Subspace::All).unwrap());
    let edit = || Edit::new(SITE, 1, das.clone()).at(Positions::All);
    let some = || [Subspace::first(12), Subspace::dimensions(20..22)];
    let mixed = run(&model, &examples, edit().subspaces(some()));
    let [first, second] =
        some().map(|subspace| run(&model, &examples, edit().subspaces([subspace])));
    assert_eq!(mixed, [first[0].clone(), second[1].clone()]);
    assert!(relative_error(&first[1], &second[1]) > 1e-4);
    // The whole space is an interchange.
    let whole = run(&model, &examples, edit());
    let interchange = run(&model, &examples, Edit::interchange(SITE, 1).at(Positions::All));
    for (whole, interchange) in whole.iter().zip(&interchange) {
        assert!(relative_error(whole, interchange) < 1e-10);
    }
}

/// Plans of one sweep whose edits share an intervention and differ in their subspace alone.
#[test]
fn plans_that_differ_in_their_subspace_are_not_taken_for_one() {
    let (model, examples) = subject();
    let examples: Arc<[Example]> = examples.into();
    let rotation = Rotation::random(model.config().d_model, 4, 3).unwrap();
    let das = Arc::new(RotatedSpace::low_rank(rotation, Subspace::All));
    let plan = |dimension| {
        let edit = Edit::new(SITE, 1, das.clone()).subspaces([Subspace::dimensions([dimension])]);
        Plan::new().edit(edit).resolve_shared(&model, &examples).unwrap()
    };
    let (plans, mut compared) = ([plan(0), plan(1)], 0);
    let run = Forked::new(&model).run_all(&plans, &mut |index, outcome| {
        let reference = Reference::new(&model).run(&plans[index]).unwrap();
        let expected = probabilities(&model, &reference);
        for (actual, expected) in probabilities(&model, &outcome).iter().zip(&expected) {
            assert!(relative_error(actual, expected) < 1e-10);
        }
        compared += 1;
        ControlFlow::Continue(())
    });
    run.unwrap();
    assert_eq!(compared, 2);
}

#[test]
fn heads_together_are_as_wide_as_they_are() {
    let (model, examples) = subject();
    let head = model.config().head_dim;
    let reft = |width| Arc::new(Reft::random(ReftKind::LoReft, width, 2, 1).unwrap());
    let edit = |width| Edit::new(Component::AttentionValueOutput, 1, reft(width)).heads([0, 2]);
    run(&model, &examples, edit(2 * head));
    let plan = Plan::new().edit(edit(head)).resolve(&model, &examples);
    assert_eq!(
        plan.unwrap_err().to_string(),
        format!(
            "edit 0: loreft has a rotation of {head} dimensions; the edited values have {}",
            2 * head
        )
    );
}

#[test]
fn what_cannot_be_is_refused_when_the_plan_is_resolved() {
    let (model, examples) = subject();
    let width = model.config().d_model;
    let refused =
        |edit: Edit| Plan::new().edit(edit).resolve(&model, &examples).unwrap_err().to_string();
    let rotation = Rotation::random(width, 4, 3).unwrap();
    let das = |subspace| Arc::new(RotatedSpace::low_rank(rotation.clone(), subspace));
    let at = |intervention: Arc<dyn Intervention>| Edit::new(SITE, 1, intervention);
    assert_eq!(
        refused(at(das(Subspace::first(5)))),
        "edit 0: low_rank_rotated_space has a subspace that cannot be: dimension 4: there are 4, counted from 0"
    );
    assert_eq!(
        refused(at(das(Subspace::All)).subspaces([Subspace::dimensions([1, 1])])),
        "edit 0: low_rank_rotated_space has a subspace that cannot be: dimension 1 is named twice"
    );
    assert_eq!(
        refused(at(das(Subspace::All)).subspaces(vec![Subspace::first(1); 3])),
        "edit 0: low_rank_rotated_space has subspaces for 3 examples; there are 2, give one for each or one for all"
    );
    assert_eq!(
        refused(Edit::zero(SITE, 1).subspaces([Subspace::first(1)])),
        "edit 0: zero has no coordinates of which a subspace could be chosen here"
    );
    let in_subspace = InSubspace::new(Arc::new(Interchange), Subspace::first(width + 1));
    assert!(
        refused(at(Arc::new(in_subspace)))
            .contains(&format!("dimension {width}: there are {width}"))
    );
    assert!(
        refused(Edit::new(Component::AttentionWeight, 1, das(Subspace::All)).at(Positions::All))
            .contains("an attention pattern has as many as the prompt has tokens")
    );
    let steering = ConstantSource::zeros(Arc::new(Addition), 3).unwrap();
    assert!(refused(at(Arc::new(steering))).contains("a vector of 3 dimensions"));
    assert!(
        refused(at(Arc::new(Dropout::new(das(Subspace::All), 1.5, 1))))
            .contains("a probability of 1.5")
    );
}

#[test]
fn what_is_collected_is_what_the_plan_collects() {
    let (model, examples) = subject();
    let collect = Collect::new(Subspace::All);
    let edit = Edit::new(SITE, 1, Arc::new(collect.clone())).at(Positions::All);
    let plan = Plan::new().edit(edit).collect(SITE, 1, Positions::All);
    let plan = plan.resolve(&model, &examples).unwrap();
    let outcome = Reference::new(&model).run(&plan).unwrap();
    let seen = collect.take();
    assert_eq!(seen.len(), 2);
    for (seen, example) in seen.iter().zip(&outcome.examples) {
        let [seen, collected] =
            [&seen.values, &example.collected[0]].map(vene_test_support::values);
        assert_eq!(seen, collected);
    }
}
