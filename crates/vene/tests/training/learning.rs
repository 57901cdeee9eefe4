//! What is learned.

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::training::{AdamW, Schedule, Trainer, TrainingError};
use vene::{Component, Edit, Example, Model, Plan, Positions};

use crate::shift::Shift;

const COUNTRIES: [&str; 6] = ["Spain", "Japan", "Peru", "Norway", "Egypt", "France"];

/// A vector in the middle of the embedded model that makes every country Italian.
fn setup(model: &Model) -> (Arc<Shift>, vene::plan::ResolvedPlan, Vec<u32>) {
    let shift = Arc::new(Shift::new(model.config().d_model, 0.0));
    let examples: Vec<Example> = COUNTRIES
        .iter()
        .map(|name| Example::new(model.prompt(&format!("The capital of {name} is")).unwrap()))
        .collect();
    let edit = Edit::new(Component::BlockOutput, 6, shift.clone()).at(Positions::Last);
    let plan = Plan::new().edit(edit).resolve(model, &examples).unwrap();
    let rome = model.tokenizer().single_token(" Rome").unwrap();
    (shift, plan, vec![rome; COUNTRIES.len()])
}

fn trainer() -> Trainer {
    Trainer {
        epochs: 30,
        batch: 3,
        optimizer: AdamW { learning_rate: 0.3, ..AdamW::default() },
        schedule: Schedule::Linear { warmup: 4 },
        ..Trainer::default()
    }
}

#[test]
fn a_vector_that_answers_rome() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, labels) = setup(&model);
    let trainer = trainer();
    assert_eq!(trainer.accuracy(&model, &plan, &labels).unwrap(), 0.0);
    let mut told = 0;
    let trained = trainer
        .train(&model, &plan, &labels, &mut |step| {
            assert_eq!((step.step, step.steps), (told, 60));
            told += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(trained.steps.len(), 60);
    let (first, last) = (trained.steps[0].loss, trained.steps[59].loss);
    assert!(first > 2.0 && last < 0.1 * first, "{first} to {last}");
    assert_eq!(trainer.accuracy(&model, &plan, &labels).unwrap(), 1.0);
}

#[test]
fn a_training_that_was_stopped_ends_where_it_would_have() {
    let model = Model::load("embedded").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.safetensors");
    let on = &mut |_: &_| ControlFlow::Continue(());

    let (whole, plan, labels) = setup(&model);
    let all = trainer().train(&model, &plan, &labels, on).unwrap();

    let (stopped, plan, labels) = setup(&model);
    let error = trainer()
        .train_with_checkpoint(&model, &plan, &labels, &file, &mut |step| match step.step {
            25 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap_err();
    assert!(matches!(error, TrainingError::Run(vene::RunError::Stopped)));
    drop(stopped);
    // A new process: nothing is left but the file.
    let (resumed, plan, labels) = setup(&model);
    let rest = trainer().train_with_checkpoint(&model, &plan, &labels, &file, on).unwrap();
    assert_eq!(rest.steps[..], all.steps[24..]);
    let vector = |shift: &Shift| shift.vector.to_vec1::<f64>().unwrap();
    assert_eq!(vector(&whole), vector(&resumed));
}

#[test]
fn ends_early_where_nothing_is_learned_any_more() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, labels) = setup(&model);
    let still = Trainer {
        optimizer: AdamW { learning_rate: 0.0, ..AdamW::default() },
        seed: None,
        patience: Some(2),
        ..trainer()
    };
    let on = &mut |_: &_| ControlFlow::Continue(());
    let trained = still.train(&model, &plan, &labels, on).unwrap();
    assert!(trained.stopped_early);
    // The first epoch, and two that are no better.
    assert_eq!(trained.steps.len(), 3 * 2);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, labels) = setup(&model);
    let on = &mut |_: &_| ControlFlow::Continue(());
    let refused = |plan: &vene::plan::ResolvedPlan, labels: &[u32], trainer: Trainer| {
        trainer
            .train(&model, plan, labels, &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&plan, &labels[1..], trainer()).contains("5 labels are given for 6 examples"));
    assert!(refused(&plan, &labels, Trainer { batch: 0, ..trainer() }).contains("batch of 0"));
    let example = Example::new(model.prompt("The capital of Spain is").unwrap());
    let frozen = Plan::new().edit(Edit::zero(Component::MlpOutput, 1));
    let frozen = frozen.resolve(&model, std::slice::from_ref(&example)).unwrap();
    assert!(refused(&frozen, &labels[..1], trainer()).contains("no trainable intervention"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    std::fs::write(&file, "nothing of the kind").unwrap();
    let error = trainer().train_with_checkpoint(&model, &plan, &labels, &file, on).unwrap_err();
    assert!(error.to_string().contains("no checkpoint of this training"), "{error}");
}
