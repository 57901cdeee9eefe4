//! Sources that are edited themselves, activations given by example, examples that are not edited,
//! several positions as one vector, and the unedited run beside the edited one: each against the same
//! thing done by hand, a run at a time.

use std::sync::Arc;

use vene::intervention::{Interchange, RotatedSpace};
use vene::plan::{Outcome, Positions};
use vene::{
    Component, Edit, Example, Executor, Forked, Heads, Plan, PlanError, PlanOutcome, Precision,
    Reference, Run, Source,
};
use vene_test_support::values;

use crate::subject::{PLAIN, Subject, distance, logits_of};

const BLOCK: Component = Component::BlockOutput;
const CLOSE: f64 = 1e-10;

fn subject() -> Subject {
    Subject::new(PLAIN[0], Precision::Double)
}

/// Two examples of different lengths, each with two sources as long as their base.
fn examples(subject: &Subject) -> Vec<Example> {
    let example = |tokens: &[u32]| {
        let moved = |by: u32| tokens.iter().map(|token| (token + by) % 60).collect::<Vec<_>>();
        Example::new(subject.prompt(tokens))
            .source(subject.prompt(&moved(7)))
            .source(subject.prompt(&moved(23)))
    };
    vec![example(&[3, 14, 15, 9, 26]), example(&[5, 35, 8, 9])]
}

/// By both executors, which must agree.
fn run(subject: &Subject, plan: &Plan, examples: &[Example]) -> PlanOutcome {
    let plan = plan.clone().read(Positions::All).resolve(&subject.model, examples).unwrap();
    let reference = Reference::new(&subject.model).run(&plan).unwrap();
    let forked = Forked::new(&subject.model).run(&plan).unwrap();
    for example in 0..examples.len() {
        let error = distance(&logits_of(&reference, example), &logits_of(&forked, example));
        assert!(error < CLOSE, "{error:e}");
    }
    assert_eq!(reference.receipts.len(), forked.receipts.len());
    reference
}

/// What a prompt's edited run shows at a site, all positions, row-major.
fn collected(subject: &Subject, plan: Plan, examples: &[Example], layer: usize) -> Vec<Vec<f64>> {
    let plan = plan.collect(BLOCK, layer, Positions::All).resolve(&subject.model, examples);
    let outcome = Reference::new(&subject.model).run(&plan.unwrap()).unwrap();
    outcome.examples.iter().map(|showed| values(&showed.collected[0])).collect()
}

/// Rows of a matrix of this width.
fn rows(values: &[f64], width: usize, positions: &[usize]) -> Arc<Vec<f64>> {
    let row = |&position: &usize| values[position * width..(position + 1) * width].to_vec();
    Arc::new(positions.iter().flat_map(row).collect())
}

fn assert_same(a: &PlanOutcome, b: &PlanOutcome) {
    for example in 0..a.examples.len() {
        let error = distance(&logits_of(a, example), &logits_of(b, example));
        assert!(error < CLOSE, "example {example}: {error:e}");
    }
}

#[test]
fn a_source_that_is_edited_before_it_is_read() {
    let subject = subject();
    let (examples, width) = (examples(&subject), subject.model.config().d_model);
    let serial = Plan::new()
        .edit(Edit::interchange(BLOCK, 0).at(Positions::index(1)).within(Run::Source(1)))
        .edit(Edit::interchange(BLOCK, 1).at(Positions::index(2)).source(Source::Run(1)));
    let outcome = run(&subject, &serial, &examples);

    // The same by hand: the second source as a base, edited by the first; then its values given.
    let turned: Vec<Example> = examples
        .iter()
        .map(|example| Example::new(example.sources[1].clone()).source(example.sources[0].clone()))
        .collect();
    let edit = Edit::interchange(BLOCK, 0).at(Positions::index(1));
    let showed = collected(&subject, Plan::new().edit(edit), &turned, 1);
    let given = showed.iter().map(|values| rows(values, width, &[2])).collect();
    let by_hand =
        Edit::interchange(BLOCK, 1).at(Positions::index(2)).source(Source::GivenEach(given));
    let by_hand = run(&subject, &Plan::new().edit(by_hand), &examples);
    assert_same(&outcome, &by_hand);

    let told = outcome.receipts.iter().map(|told| (told.example, told.edit, told.run));
    let expected = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .map(|(example, edit)| (example, edit, if edit == 0 { Run::Source(1) } else { Run::Base }));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(outcome.receipts.iter().all(|told| matches!(told.outcome, Outcome::Changed(_))));

    // An unedited source gives something else: the order of runs matters.
    let parallel = Edit::interchange(BLOCK, 1).at(Positions::index(2)).source(Source::Run(1));
    let parallel = run(&subject, &Plan::new().edit(parallel), &examples);
    assert!(distance(&logits_of(&outcome, 0), &logits_of(&parallel, 0)) > 1e-3);
}

#[test]
fn runs_that_read_edited_and_unedited_sources_together() {
    let subject = subject();
    let (examples, width) = (examples(&subject), subject.model.config().d_model);
    let plan = Plan::new()
        .edit(Edit::zero(BLOCK, 0).at(Positions::index(0)).within(Run::Source(0)))
        .edit(Edit::mean(BLOCK, 1).at(Positions::index(3)));
    let outcome = run(&subject, &plan, &examples);

    let source = |index: usize| -> Vec<Example> {
        examples.iter().map(|example| Example::new(example.sources[index].clone())).collect()
    };
    let zero = Plan::new().edit(Edit::zero(BLOCK, 0).at(Positions::index(0)));
    let edited = collected(&subject, zero, &source(0), 1);
    let unedited = collected(&subject, Plan::new(), &source(1), 1);
    let mean = |(edited, unedited): (&Vec<f64>, &Vec<f64>)| {
        let (edited, unedited) = (rows(edited, width, &[3]), rows(unedited, width, &[3]));
        Arc::new(edited.iter().zip(unedited.iter()).map(|(a, b)| (a + b) / 2.0).collect())
    };
    let given = edited.iter().zip(&unedited).map(mean).collect();
    let by_hand =
        Edit::interchange(BLOCK, 1).at(Positions::index(3)).source(Source::GivenEach(given));
    assert_same(&outcome, &run(&subject, &Plan::new().edit(by_hand), &examples));
}

#[test]
fn a_chain_of_three_runs() {
    // Declared against the order in which they are done; the base's run is read by the first.
    let subject = subject();
    let examples = examples(&subject);
    let plan = Plan::new()
        .edit(Edit::interchange(BLOCK, 1).at(Positions::index(3)).source(Source::Run(1)))
        .edit(Edit::interchange(BLOCK, 1).at(Positions::index(2)).within(Run::Source(1)))
        .edit(
            Edit::interchange(BLOCK, 0)
                .at(Positions::index(1))
                .within(Run::Source(0))
                .source(Source::Base),
        );
    let outcome = run(&subject, &plan, &examples);
    let width = subject.model.config().d_model;
    let values = |plan: Plan, examples: &[Example]| collected(&subject, plan, examples, 1);
    // Source 0, edited by the base.
    let first: Vec<Example> = examples
        .iter()
        .map(|example| Example::new(example.sources[0].clone()).source(example.base.clone()))
        .collect();
    let first =
        values(Plan::new().edit(Edit::interchange(BLOCK, 0).at(Positions::index(1))), &first);
    let given = |showed: &[Vec<f64>], position| -> Source {
        Source::GivenEach(showed.iter().map(|values| rows(values, width, &[position])).collect())
    };
    // Source 1, edited by it.
    let second: Vec<Example> =
        examples.iter().map(|example| Example::new(example.sources[1].clone())).collect();
    let edit = Edit::interchange(BLOCK, 1).at(Positions::index(2)).source(given(&first, 2));
    let second = values(Plan::new().edit(edit), &second);
    let last = Edit::interchange(BLOCK, 1).at(Positions::index(3)).source(given(&second, 3));
    assert_same(&outcome, &run(&subject, &Plan::new().edit(last), &examples));
}

#[test]
fn runs_that_read_each_other_are_refused() {
    let subject = subject();
    let plan = Plan::new()
        .edit(Edit::interchange(BLOCK, 1).within(Run::Source(0)).source(Source::Run(1)))
        .edit(Edit::interchange(BLOCK, 1).within(Run::Source(1)).source(Source::Run(0)));
    let error = plan.resolve(&subject.model, &examples(&subject)).unwrap_err();
    assert!(matches!(&error, PlanError::Circle { sources } if *sources == [0, 1]), "{error}");
    assert!(error.to_string().contains("read each other in a circle"), "{error}");
}

#[test]
fn an_example_that_is_not_edited() {
    let subject = subject();
    let examples = examples(&subject);
    let only_second = Positions::Each(vec![vec![], vec![2]]);
    let plan = Plan::new().edit(Edit::interchange(BLOCK, 1).at(only_second));
    let outcome = run(&subject, &plan, &examples);
    let unedited = run(&subject, &Plan::new(), &examples);
    assert_eq!(logits_of(&outcome, 0), logits_of(&unedited, 0));
    let edited = Plan::new().edit(Edit::interchange(BLOCK, 1).at(Positions::index(2)));
    let edited = run(&subject, &edited, &examples);
    assert!(distance(&logits_of(&outcome, 1), &logits_of(&edited, 1)) < CLOSE);
    assert_eq!(outcome.receipts[0].outcome, Outcome::NotEdited);
    assert!(matches!(outcome.receipts[1].outcome, Outcome::Changed(_)));

    // The same by heads; and a plan that edits nothing at all is refused.
    let value = Component::AttentionValueOutput;
    let heads = Edit::zero(value, 1).heads(vec![vec![1], vec![]]);
    let by_heads = run(&subject, &Plan::new().edit(heads), &examples);
    assert_eq!(by_heads.receipts[0].heads, Some(vec![1]));
    assert_eq!(logits_of(&by_heads, 1), logits_of(&unedited, 1));
    let none = Edit::zero(BLOCK, 1).at(Positions::Each(vec![vec![], vec![]]));
    let error = Plan::new().edit(none).resolve(&subject.model, &examples).unwrap_err();
    assert!(error.to_string().contains("it edits no example at all"), "{error}");
    let too_few = Edit::zero(value, 1).heads(Heads::Each(vec![vec![0]]));
    let error = Plan::new().edit(too_few).resolve(&subject.model, &examples).unwrap_err();
    assert!(error.to_string().contains("give one for each"), "{error}");
}

#[test]
fn several_positions_as_one_vector() {
    let subject = subject();
    let (examples, width) = (examples(&subject), subject.model.config().d_model);
    let positions = Positions::At(vec![1, 2]);
    // A rotation over both positions whose first half of directions is swapped.
    let rotation = vene::intervention::Rotation::random(2 * width, 2 * width, 3).unwrap();
    let dimensions = vene::intervention::Subspace::Dimensions((0..width).collect());
    let rotated: Arc<RotatedSpace> = Arc::new(RotatedSpace::new(rotation, dimensions).unwrap());
    let edit = Edit::new(BLOCK, 1, rotated.clone()).at(positions.clone());
    let outcome = run(&subject, &Plan::new().edit(edit.clone().concatenated()), &examples);

    // By hand, from the collected values of base and source.
    let base = collected(&subject, Plan::new(), &examples, 1);
    let of_source: Vec<Example> =
        examples.iter().map(|example| Example::new(example.sources[0].clone())).collect();
    let source = collected(&subject, Plan::new(), &of_source, 1);
    let directions = values(rotated.rotation().directions().as_tensor());
    let mixed = |(base, source): (&Vec<f64>, &Vec<f64>)| {
        let (base, source) = (rows(base, width, &[1, 2]), rows(source, width, &[1, 2]));
        let mut edited = base.to_vec();
        for direction in 0..width {
            // Directions stand in columns: `[width, rank]`.
            let column = |row: usize| directions[row * 2 * width + direction];
            let along: f64 =
                (0..2 * width).map(|row| column(row) * (source[row] - base[row])).sum();
            for (row, value) in edited.iter_mut().enumerate() {
                *value += along * column(row);
            }
        }
        Arc::new(edited)
    };
    let given = base.iter().zip(&source).map(mixed).collect();
    let by_hand = Edit::interchange(BLOCK, 1).at(positions).source(Source::GivenEach(given));
    assert_same(&outcome, &run(&subject, &Plan::new().edit(by_hand), &examples));

    // Without the word it is one position at a time, for which the rotation is too wide.
    let error = Plan::new().edit(edit).resolve(&subject.model, &examples).unwrap_err();
    assert!(matches!(error, PlanError::Parameter { .. }), "{error}");
    let pattern = Edit::zero(Component::AttentionWeight, 1).concatenated();
    let error = Plan::new().edit(pattern).resolve(&subject.model, &examples).unwrap_err();
    assert!(error.to_string().contains("cannot be concatenated"), "{error}");
}

#[test]
fn the_unedited_run_beside_the_edited_one() {
    let subject = subject();
    let examples = examples(&subject);
    let plan = Plan::new()
        .edit(Edit::interchange(BLOCK, 1).at(Positions::index(2)))
        .collect(BLOCK, 1, Positions::All)
        .with_original();
    let outcome = run(&subject, &plan, &examples);
    let unedited = run(&subject, &Plan::new().collect(BLOCK, 1, Positions::All), &examples);
    assert_eq!(outcome.original.len(), examples.len());
    for (original, unedited) in outcome.original.iter().zip(&unedited.examples) {
        let logits = |showed: &vene::ExampleOutcome| {
            showed.distributions.iter().map(|read| read.logits().to_vec()).collect::<Vec<_>>()
        };
        assert!(distance(&logits(original), &logits(unedited)) < CLOSE);
        assert_eq!(values(&original.collected[0]), values(&unedited.collected[0]));
        assert!(original.collected.len() == 1);
    }
    assert!(unedited.original.is_empty());
    assert!(distance(&logits_of(&outcome, 0), &logits_of(&unedited, 0)) > 1e-3);
}

#[test]
fn back_patching_reads_deeper_than_it_writes() {
    let subject = subject();
    let (examples, width) = (examples(&subject), subject.model.config().d_model);
    let edit = Edit::new(BLOCK, 0, Arc::new(Interchange))
        .at(Positions::index(2))
        .source(Source::Base)
        .from_layer(1);
    let outcome = run(&subject, &Plan::new().edit(edit), &examples);
    let deeper = collected(&subject, Plan::new(), &examples, 1);
    let given = deeper.iter().map(|values| rows(values, width, &[2])).collect();
    let by_hand =
        Edit::interchange(BLOCK, 0).at(Positions::index(2)).source(Source::GivenEach(given));
    assert_same(&outcome, &run(&subject, &Plan::new().edit(by_hand), &examples));
    assert!(matches!(outcome.receipts[0].outcome, Outcome::Changed(_)));
}

#[test]
fn given_values_for_another_number_of_examples_are_refused() {
    let subject = subject();
    let width = subject.model.config().d_model;
    let given = Source::GivenEach(vec![Arc::new(vec![0.0; width])]);
    let plan = Plan::new().edit(Edit::interchange(BLOCK, 0).source(given));
    let error = plan.resolve(&subject.model, &examples(&subject)).unwrap_err();
    assert!(matches!(error, PlanError::GivenLists { lists: 1, examples: 2, .. }), "{error}");
}

#[test]
fn many_plans_with_edited_sources_at_once() {
    // Stages of all plans are run together; each still has its own.
    let subject = subject();
    let examples: Arc<[Example]> = examples(&subject).into();
    let plan = |position: i64| {
        Plan::new()
            .edit(Edit::interchange(BLOCK, 0).at(Positions::index(position)).within(Run::Source(1)))
            .edit(Edit::interchange(BLOCK, 1).at(Positions::index(3)).source(Source::Run(1)))
            .read(Positions::All)
            .resolve_shared(&subject.model, &examples)
            .unwrap()
    };
    let plans = [plan(0), plan(2), plan(3)];
    let mut all = vec![None; plans.len()];
    let forked = Forked::new(&subject.model);
    forked
        .run_all(&plans, &mut |index, outcome| {
            all[index] = Some(outcome);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    let mut logits = Vec::new();
    for (plan, outcome) in plans.iter().zip(all) {
        let (outcome, alone) =
            (outcome.unwrap(), Reference::new(&subject.model).run(plan).unwrap());
        assert_same(&outcome, &alone);
        logits.push(logits_of(&outcome, 0));
    }
    assert!(distance(&logits[0], &logits[1]) > 1e-6);
}

#[test]
fn an_edited_source_is_one_more_fork_of_the_same_pass() {
    let model = vene::Model::load("embedded").unwrap();
    let [spain, italy] = ["The capital of Spain is", "The capital of Italy is"]
        .map(|text| model.prompt(text).unwrap());
    let example = [Example::new(spain.clone()).source(italy.clone())];
    let last = model.config().layers.len() - 1;
    let in_source = |layer: usize| {
        Edit::zero(Component::MlpOutput, layer).at(Positions::index(3)).within(Run::Source(0))
    };
    let read = Edit::interchange(BLOCK, last).at(Positions::Last);
    let plan = |edits: &[Edit]| {
        let plan = edits.iter().fold(Plan::new(), |plan, edit| plan.edit(edit.clone()));
        plan.resolve(&model, &example).unwrap()
    };
    let forked = Forked::new(&model);
    let unedited = forked.work(&[plan(std::slice::from_ref(&read))]).unwrap();
    let edited = forked.work(&[plan(&[in_source(last), read.clone()])]).unwrap();
    assert_eq!((unedited.passes, edited.passes), (1, 1));
    // The source's edit in the last block moves the last token through no product but its own MLP's and that of the row that
    // looks at it; a pass more would be half as much again.
    assert!(edited.operations() < 1.1 * unedited.operations(), "{edited:?} {unedited:?}");
    // Plans that edit the source alike run it once.
    let many: Vec<_> =
        (0..=last).map(|layer| plan(&[in_source(0), Edit::interchange(BLOCK, layer)])).collect();
    let other = |layer: usize| {
        let source = Edit::scaling(Component::MlpOutput, 0, layer as f64 + 2.0);
        let source = source.at(Positions::index(3)).within(Run::Source(0));
        plan(&[source, Edit::interchange(BLOCK, layer)])
    };
    let other: Vec<_> = (0..=last).map(other).collect();
    let operations = |plans: &[_]| forked.work(plans).unwrap().operations();
    assert_eq!(operations(&many[..1]), operations(&other[..1]));
    assert!(operations(&many) < 0.8 * operations(&other));
    // From a session, too.
    let session = vene::Session::new(&model, [&spain, &italy]).unwrap();
    for plan in many.iter().chain([&plan(&[in_source(last), read])]) {
        let (session, whole) = (session.run(plan).unwrap(), forked.run(plan).unwrap());
        assert_eq!(logits_of(&session, 0), logits_of(&whole, 0));
        assert_eq!(session.receipts, whole.receipts);
        let said = &whole.receipts.last().unwrap().read;
        assert_eq!(said, &[(Run::Source(0), vec![4])]);
    }
}

/// A source's logits may be edited like anything else.
#[test]
fn edited_logits_of_a_source_are_read() {
    let subject = subject();
    let scaled =
        Edit::scaling(Component::Logits, None, 3.0).at(Positions::index(2)).within(Run::Source(0));
    let read = Edit::interchange(Component::Logits, None).at(Positions::index(2));
    let outcome = run(&subject, &Plan::new().edit(scaled).edit(read), &examples(&subject));
    for (example, prompts) in examples(&subject).iter().enumerate() {
        let alone = [Example::new(prompts.sources[0].clone())];
        let source = run(&subject, &Plan::new(), &alone);
        let expected: Vec<f64> = logits_of(&source, 0)[2].iter().map(|logit| 3.0 * logit).collect();
        let found = logits_of(&outcome, example)[2].clone();
        assert!(distance(&[found], &[expected]) < CLOSE);
    }
}
