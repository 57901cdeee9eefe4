//! Trainings that are held to a budget of memory.

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::intervention::{RotatedSpace, Rotation, Subspace};
use vene::plan::ResolvedPlan;
use vene::training::{
    AdamW, CrossEntropy, Examples, Objective, TrainRun, Trained, Trainer, TrainingError,
};
use vene::{Component, Edit, Example, Model, Plan, Positions, Precision, RunError};
use vene_test_support::Fixture;

/// Examples of a fixture's prompts, each with another's last tokens.
fn examples(model: &Model, fixture: &Fixture) -> Vec<Example> {
    let prompts = fixture.prompts_for(model);
    let of = |place: usize| {
        let source = &prompts[(place + 1) % prompts.len()];
        Example::new(prompts[place % prompts.len()].clone()).source(source.clone())
    };
    (0..9).map(of).collect()
}

fn plan(model: &Model, examples: &[Example]) -> ResolvedPlan {
    let rotation = Rotation::random(model.config().d_model, 3, 0).unwrap();
    let learned = RotatedSpace::low_rank(rotation, Subspace::All);
    Plan::new()
        .edit(Edit::new(Component::BlockOutput, 0, Arc::new(learned)).at(Positions::index(-1)))
        // Read elsewhere than it is written: found in a pass before.
        .edit(Edit::interchange(Component::MlpOutput, 1).at(Positions::index(-1)).from_layer(0))
        .resolve(model, examples)
        .unwrap()
}

/// The least memory that one example takes.
fn least(model: &Model, plan: &ResolvedPlan) -> usize {
    let run = TrainRun::within(model, plan.clone(), 1).unwrap();
    let all: Vec<usize> = (0..plan.examples().len()).collect();
    match run.parts(&all).unwrap_err() {
        RunError::Memory { budget: 1, least } => least,
        other => panic!("{other}"),
    }
}

/// Unedited runs that are run anew for each batch are the same, on fused operations to the bit.
#[test]
fn runs_that_are_not_kept_show_the_same() {
    for (name, precision) in [
        ("llama-gqa", Precision::Single),
        ("gpt2-plain", Precision::Double),
        ("gemma3-plain", Precision::Single),
    ] {
        let fixture = Fixture::new(name);
        let model = fixture.load(precision);
        let plan = plan(&model, &examples(&model, &fixture));
        let least = least(&model, &plan);
        let kept = TrainRun::new(&model, plan.clone()).unwrap();
        let anew = TrainRun::within(&model, plan, least).unwrap();
        for chosen in [vec![0, 1, 2], vec![4, 2], vec![8]] {
            let bits = |run: &TrainRun| -> Vec<u64> {
                let logits = run.logits(&chosen).unwrap();
                let values = vene_test_support::values(&logits);
                values.into_iter().map(f64::to_bits).collect()
            };
            if precision == Precision::Single {
                assert_eq!(bits(&kept), bits(&anew), "{name}, {chosen:?}");
            }
            // Plain products round otherwise with other rows beside them.
            for (one, other) in bits(&kept).into_iter().zip(bits(&anew)) {
                let [one, other] = [one, other].map(f64::from_bits);
                assert!((one - other).abs() < 1e-5, "{name}, {chosen:?}: {one}, {other}");
            }
        }
    }
}

/// A batch is run in as many parts as the memory asks for, and learns what it would have at once.
#[test]
fn a_batch_in_parts_learns_the_same() {
    let fixture = Fixture::new("llama-gqa");
    let model = fixture.load(Precision::Double);
    let examples = examples(&model, &fixture);
    let labels: Vec<u32> = (0..9).map(|place| 3 + place).collect();
    let objective = Objective::new(CrossEntropy::new(&labels));
    let train = |memory: Option<usize>| -> (Vec<f64>, Vec<f64>) {
        let plan = plan(&model, &examples);
        let trainer = Trainer {
            epochs: 3,
            batch: 4,
            optimizer: AdamW { learning_rate: 0.01, ..AdamW::default() },
            memory,
            ..Trainer::default()
        };
        let about = Examples { plan: &plan, objective: &objective };
        let mut go_on = |_: vene::training::TrainingProgress<'_>| ControlFlow::Continue(());
        let Trained { steps, .. } = trainer.train(&model, about, Some(about), &mut go_on).unwrap();
        let learned = &plan.edits()[0].intervention.parameters()[0];
        let losses = steps.iter().map(|step| step.loss).collect();
        (losses, vene_test_support::values(&learned.variable))
    };
    let about = plan(&model, &examples);
    let least = least(&model, &about);
    let all: Vec<usize> = (0..9).collect();
    let parts = TrainRun::within(&model, about, 3 * least).unwrap().parts(&all).unwrap();
    assert!(parts.len() > 1 && parts.len() < 9, "{parts:?}");
    assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), all);

    let (losses, learned) = train(None);
    for memory in [least, 3 * least] {
        let (of_parts, learned_in_parts) = train(Some(memory));
        assert_eq!(losses.len(), of_parts.len());
        let both = losses.iter().zip(&of_parts).chain(learned.iter().zip(&learned_in_parts));
        for (at_once, in_parts) in both {
            assert!((at_once - in_parts).abs() < 1e-9, "{at_once}, in parts {in_parts}");
        }
    }
    assert_ne!(
        learned,
        vene_test_support::values(&{
            let untrained = plan(&model, &examples);
            untrained.edits()[0].intervention.parameters()[0].variable.as_tensor().clone()
        })
    );
}

/// Memory that holds no example is refused, with the least that would do.
#[test]
fn memory_that_holds_no_example_is_refused() {
    let fixture = Fixture::new("llama-gqa");
    let model = fixture.load(Precision::Single);
    let plan = plan(&model, &examples(&model, &fixture));
    let least = least(&model, &plan);
    let objective = Objective::new(CrossEntropy::new(&[1; 9]));
    let evaluate = |memory| {
        let trainer = Trainer { memory: Some(memory), ..Trainer::default() };
        trainer.evaluate(&model, Examples { plan: &plan, objective: &objective })
    };
    match evaluate(1).unwrap_err() {
        TrainingError::Run(RunError::Memory { budget: 1, least }) => {
            evaluate(least).unwrap();
            assert!(evaluate(least - 1).is_err());
        }
        other => panic!("{other}"),
    }
    assert!(least > 1);
}
