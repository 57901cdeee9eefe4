//! Whole plans against pyvene 0.1.8 (`fixtures/make_plans.py`): units, modes, groups, links, padding,
//! given activations, the unedited output beside the edited one.

#![allow(clippy::unwrap_used)]

mod case;
mod padding;

use candle_core::Tensor;
use vene::{ExampleOutcome, Executor, Forked, PlanOutcome, Precision, Reference};
use vene_test_support::{Fixture, json, relative_error, tensors, values};

use case::Case;

const TOLERANCE: f64 = 1e-5;

/// The logits of all examples, `[examples, vocabulary]`, row-major.
fn logits(examples: &[ExampleOutcome]) -> Vec<f64> {
    examples.iter().flat_map(|example| example.distributions[0].logits().iter().copied()).collect()
}

#[test]
fn every_plan_agrees_with_pyvene() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let cases: Vec<Case> = json("plans/cases.json");
    let expected = tensors("plans/expected.safetensors");
    let error = |outcome: &[ExampleOutcome], what: &str, case: &Case| {
        let expected: &Tensor = &expected[&format!("{what}/{}", case.number)];
        relative_error(&logits(outcome), &values(expected))
    };
    for case in &cases {
        let examples = case.examples(&model);
        let plan = case.plan(&model, &expected).with_original();
        let plan = plan.resolve(&model, &examples).unwrap();
        let executors: [&dyn Executor; 2] = [&Reference::new(&model), &Forked::new(&model)];
        for executor in executors {
            let mut outcome = PlanOutcome::default();
            executor
                .run_all(std::slice::from_ref(&plan), &mut |_, found| {
                    outcome = found;
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            let (edited, original) = (
                error(&outcome.examples, "edited", case),
                error(&outcome.original, "original", case),
            );
            println!(
                "{}: {} edited {edited:.1e}, original {original:.1e}",
                case.name,
                executor.name()
            );
            assert!(edited < TOLERANCE && original < TOLERANCE, "{}", case.name);
            // Where pyvene is wrong, it is far off (docs/differences.md).
            if case.pyvene_differs {
                assert!(error(&outcome.examples, "pyvene", case) > 1e-2, "{}", case.name);
            }
        }
    }
    assert_eq!(cases.len(), 19);
}
