//! Properties of random plans: causality, receipts, batches, and the two executors.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use proptest::prelude::*;
use vene::plan::{Outcome, ResolvedPlan};
use vene::{Executor, Forked, PlanError, PlanOutcome, Precision, Reference, Run};

use crate::random_plan::{RandomPlan, random_plan};
use crate::subject::{ALL, Subject, distance, logits_of};

/// Sums of f64 in another order.
const CLOSE: f64 = 1e-10;

static SUBJECTS: LazyLock<Vec<Subject>> =
    LazyLock::new(|| ALL.map(|name| Subject::new(name, Precision::Double)).into());

/// The plan resolved, or nothing where two of its edits contradict each other.
fn resolved(random: &RandomPlan) -> Option<(&'static Subject, ResolvedPlan)> {
    let subject = &SUBJECTS[random.subject];
    match random.plan(subject).resolve(&subject.model, &random.examples(subject)) {
        Ok(plan) => Some((subject, plan)),
        Err(PlanError::Conflict { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn check_receipts(plan: &ResolvedPlan, outcome: &PlanOutcome) {
    let examples = plan.examples().len();
    let of_sources = plan.edited_sources().iter().flat_map(|edited| &edited.edits);
    let mut edits: Vec<_> = plan.edits().iter().chain(of_sources).collect();
    edits.sort_by_key(|edit| edit.index);
    assert_eq!(outcome.receipts.len(), edits.len() * examples);
    for (index, receipt) in outcome.receipts.iter().enumerate() {
        let count = edits.len();
        assert_eq!((receipt.example, receipt.edit), (index / count, index % count));
        let edit = edits[receipt.edit];
        assert_eq!(receipt.run, edit.run);
        assert_eq!(receipt.outcome == Outcome::NotEdited, receipt.positions.is_empty());
        assert_eq!(receipt.site, edit.site);
        assert_eq!(receipt.positions, edit.units[receipt.example].positions);
        if let Outcome::Changed(change) = receipt.outcome {
            assert!(0 < change.changed && change.changed <= change.written, "{receipt:?}");
            assert!(change.root_mean_square <= change.largest, "{receipt:?}");
            assert!(change.before.is_finite());
        }
    }
}

/// Whether two receipts tell the same: sizes to rounding, and the same reason for no change.
/// Values that are there already (a mean of equal rows) may be off by rounding in either.
fn told_alike(a: &Outcome, b: &Outcome) -> bool {
    let size = |outcome: &Outcome| match outcome {
        Outcome::Changed(change) => (change.root_mean_square, change.before),
        Outcome::SharedPrefix | Outcome::SameValues | Outcome::NotEdited => (0.0, 0.0),
    };
    let ((a_size, a_before), (b_size, b_before)) = (size(a), size(b));
    let scale = a_before.max(b_before).max(a_size);
    let is_shared = |outcome: &Outcome| *outcome == Outcome::SharedPrefix;
    is_shared(a) == is_shared(b) && (a_size - b_size).abs() <= 1e-9 * scale
}

fn run_forked(subject: &Subject, plan: &ResolvedPlan) -> PlanOutcome {
    let mut outcome = None;
    Forked::new(&subject.model)
        .run_all(std::slice::from_ref(plan), &mut |_, found| {
            outcome = Some(found);
            ControlFlow::Continue(())
        })
        .unwrap();
    outcome.unwrap()
}

/// A few dozen cases, or `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(48),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_before_the_first_edit_changes(random in random_plan(ALL.len())) {
        let Some((subject, plan)) = resolved(&random) else { return Ok(()) };
        let outcome = Reference::new(&subject.model).run(&plan).unwrap();
        check_receipts(&plan, &outcome);
        for (index, first) in random.first_positions().into_iter().enumerate() {
            let untouched = subject.logits([], &plan.examples()[index]);
            let edited = logits_of(&outcome, index);
            prop_assert!(distance(&edited[..first], &untouched[..first]) < CLOSE);
            let receipts = outcome.receipts.iter().filter(|receipt| {
                receipt.example == index && receipt.run == Run::Base
            });
            let unchanged = receipts.clone().all(|receipt| !matches!(receipt.outcome, Outcome::Changed(_)));
            if unchanged {
                prop_assert!(distance(&edited, &untouched) < CLOSE, "changed without a receipt");
            }
        }
    }

    #[test]
    fn a_plan_run_twice_gives_the_same_bits(random in random_plan(ALL.len())) {
        let Some((subject, plan)) = resolved(&random) else { return Ok(()) };
        let [first, second] = [0, 1].map(|_| Reference::new(&subject.model).run(&plan).unwrap());
        prop_assert_eq!(&first.receipts, &second.receipts);
        for example in 0..plan.examples().len() {
            prop_assert_eq!(logits_of(&first, example), logits_of(&second, example));
        }
    }

    #[test]
    fn the_forked_executor_agrees_with_the_reference(random in random_plan(ALL.len())) {
        let Some((subject, plan)) = resolved(&random) else { return Ok(()) };
        let reference = Reference::new(&subject.model).run(&plan).unwrap();
        let forked = run_forked(subject, &plan);
        check_receipts(&plan, &forked);
        for example in 0..plan.examples().len() {
            let error = distance(&logits_of(&forked, example), &logits_of(&reference, example));
            prop_assert!(error < CLOSE, "{error:e}");
        }
        for (forked, reference) in forked.receipts.iter().zip(&reference.receipts) {
            let agree = told_alike(&forked.outcome, &reference.outcome);
            prop_assert!(agree, "{:?}\n{:?}", forked, reference);
        }
    }
}

#[test]
fn random_plans_are_mostly_sound() {
    // Were most of them refused, the properties above would hold of little.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = random_plan(ALL.len());
    let sound =
        (0..200).filter(|_| resolved(&strategy.new_tree(&mut runner).unwrap().current()).is_some());
    let sound = sound.count();
    println!("{sound} of 200 random plans can be run");
    assert!(sound > 150);
}
