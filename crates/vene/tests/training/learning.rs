//! What is learned.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::DType;
use vene::intervention::{Intervention, RotatedSpace, Rotation, SigmoidMask};
use vene::plan::ResolvedPlan;
use vene::training::{
    AdamW, Annealing, BatchLoss, CrossEntropy, Divergence, Examples, FoilLead, FromLogits,
    Objective, Schedule, SumOf, Trained, Trainer, TrainingError, TrainingFile, TrainingProgress,
};
use vene::{Component, Edit, Example, Model, Plan, Positions};

use crate::shift::Shift;

const COUNTRIES: [&str; 6] = ["Spain", "Japan", "Peru", "Norway", "Egypt", "France"];

/// A vector in the middle of the embedded model that makes every country Italian.
fn setup(model: &Model) -> (Arc<Shift>, ResolvedPlan, Objective) {
    let shift = Arc::new(Shift::new(model.config().d_model, 0.0));
    let examples: Vec<Example> = COUNTRIES
        .iter()
        .map(|name| Example::new(model.prompt(&format!("The capital of {name} is")).unwrap()))
        .collect();
    let edit = Edit::new(Component::BlockOutput, 6, shift.clone()).at(Positions::Last);
    let plan = Plan::new().edit(edit).resolve(model, &examples).unwrap();
    let rome = model.tokenizer().single_token(" Rome").unwrap();
    (shift, plan, Objective::labels(&vec![rome; COUNTRIES.len()]))
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

fn on(_: TrainingProgress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn train(
    trainer: &Trainer,
    model: &Model,
    plan: &ResolvedPlan,
    objective: &Objective,
) -> Result<Trained, TrainingError> {
    trainer.train(model, Examples { plan, objective }, None, &mut on)
}

fn accuracy(model: &Model, plan: &ResolvedPlan, objective: &Objective) -> f64 {
    trainer().evaluate(model, Examples { plan, objective }).unwrap().accuracy
}

#[test]
fn a_vector_that_answers_rome() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, objective) = setup(&model);
    let trainer = trainer();
    assert_eq!(accuracy(&model, &plan, &objective), 0.0);
    let (mut steps, mut epochs) = (0, 0);
    let examples = Examples { plan: &plan, objective: &objective };
    let trained = trainer
        .train(&model, examples, Some(examples), &mut |progress| {
            match progress {
                TrainingProgress::Step(step) => {
                    assert_eq!((step.step, step.steps), (steps, 60));
                    steps += 1;
                }
                TrainingProgress::Epoch(epoch) => {
                    assert_eq!((epoch.epoch, epoch.epochs), (epochs, 30));
                    epochs += 1;
                    assert_eq!(steps, 2 * epochs);
                }
                TrainingProgress::Resumed(_) => panic!("nothing was there to be resumed"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((trained.steps.len(), trained.epochs.len()), (60, 30));
    let (first, last) = (trained.steps[0].loss, trained.steps[59].loss);
    assert!(first > 2.0 && last < 0.1 * first, "{first} to {last}");
    assert_eq!(accuracy(&model, &plan, &objective), 1.0);
    // What was held out are the same examples here, looked at behind the epoch's steps.
    let held_out = trained.epochs[29].held_out.unwrap();
    assert_eq!(held_out.accuracy, 1.0);
    assert!(trained.epochs[1].held_out.unwrap().loss < trained.epochs[1].trained.loss);
}

#[test]
fn a_training_that_was_stopped_ends_where_it_would_have() {
    let model = Model::load("embedded").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.safetensors");
    let file = TrainingFile { path: &file, of: "the shift of the test" };

    let (whole, plan, objective) = setup(&model);
    let examples = Examples { plan: &plan, objective: &objective };
    let all = trainer().train(&model, examples, Some(examples), &mut on).unwrap();

    let (stopped, plan, objective) = setup(&model);
    let examples = Examples { plan: &plan, objective: &objective };
    let error = trainer()
        .train_with_checkpoint(&model, examples, Some(examples), file, &mut |progress| {
            match progress {
                TrainingProgress::Step(step) if step.step == 25 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap_err();
    assert!(matches!(error, TrainingError::Run(vene::RunError::Stopped)));
    drop(stopped);
    // A new process: nothing is left but the file.
    let (resumed, plan, objective) = setup(&model);
    let examples = Examples { plan: &plan, objective: &objective };
    let mut taken_up = 0;
    let rest = trainer()
        .train_with_checkpoint(&model, examples, Some(examples), file, &mut |progress| {
            match progress {
                TrainingProgress::Resumed(trained) => taken_up = trained.epochs.len(),
                TrainingProgress::Step(step) => assert!(step.step >= 24),
                TrainingProgress::Epoch(_) => {}
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(taken_up, 12);
    assert_eq!(rest, all);
    let vector = |shift: &Shift| shift.vector.to_vec1::<f64>().unwrap();
    assert_eq!(vector(&whole), vector(&resumed));
    // One that is done is not begun again, and another is refused.
    let again = trainer().train_with_checkpoint(&model, examples, None, file, &mut |progress| {
        assert!(matches!(progress, TrainingProgress::Resumed(_)));
        ControlFlow::Continue(())
    });
    assert_eq!(again.unwrap(), all);
    let other = Trainer { epochs: 31, ..trainer() };
    let error = other.train_with_checkpoint(&model, examples, None, file, &mut on).unwrap_err();
    assert!(error.to_string().contains("it is of 60 steps in 30 epochs"), "{error}");
    let of_another = TrainingFile { of: "another data set", ..file };
    let error =
        trainer().train_with_checkpoint(&model, examples, None, of_another, &mut on).unwrap_err();
    assert!(error.to_string().contains("of another model, plan, data set"), "{error}");
    flipped_bits_are_found(&model, file, &all);
}

/// A bit that flips anywhere in a checkpoint gives an error, or changes nothing of what is learned.
fn flipped_bits_are_found(model: &Model, file: TrainingFile<'_>, all: &Trained) {
    let bytes = std::fs::read(file.path).unwrap();
    let mut refused = 0;
    let stride = bytes.len() / 200 + 1;
    // All of the header's beginning, and places all over the rest.
    let places = (0..64).chain((64..bytes.len()).step_by(stride));
    for (count, at) in places.enumerate() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (count % 8);
        std::fs::write(file.path, flipped).unwrap();
        let (learned, plan, objective) = setup(model);
        let examples = Examples { plan: &plan, objective: &objective };
        match trainer().train_with_checkpoint(model, examples, None, file, &mut on) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("damaged") && error.contains("delete it"), "{error}");
                refused += 1;
            }
            Ok(trained) => assert_eq!(&trained, all, "byte {at}"),
        }
        drop(learned);
    }
    assert!(refused > 200, "{refused}");
    std::fs::write(file.path, bytes).unwrap();
}

#[test]
fn ends_early_where_nothing_is_learned_any_more() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, objective) = setup(&model);
    let still = Trainer {
        optimizer: AdamW { learning_rate: 0.0, ..AdamW::default() },
        seed: None,
        patience: Some(2),
        ..trainer()
    };
    let trained = train(&still, &model, &plan, &objective).unwrap();
    assert!(trained.stopped_early);
    // The first epoch, and two that are no better.
    assert_eq!(trained.steps.len(), 3 * 2);
}

/// The gradients with blocks run once more are those without, and so is what is learned.
#[test]
fn blocks_may_be_run_once_more() {
    let model = Model::load("embedded").unwrap();
    let learned = |recomputes: bool| {
        let (shift, plan, objective) = setup(&model);
        train(&Trainer { recomputes, epochs: 2, ..trainer() }, &model, &plan, &objective).unwrap();
        shift.vector.to_vec1::<f64>().unwrap()
    };
    let (kept, again) = (learned(false), learned(true));
    assert!(kept.iter().zip(&again).all(|(kept, again)| (kept - again).abs() < 1e-6 * kept.abs()));
}

#[test]
fn losses_of_logits_are_those_of_their_formulas() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, _) = setup(&model);
    let token = |word: &str| model.tokenizer().single_token(word).unwrap();
    let (rome, madrid) = (token(" Rome"), token(" Madrid"));
    let evaluate = |objective: Objective| {
        trainer().evaluate(&model, Examples { plan: &plan, objective: &objective }).unwrap()
    };
    let outcome = vene::Reference::new(&model).run(&plan).unwrap();
    let runs: Vec<_> = outcome.examples.iter().map(|showed| &showed.distributions[0]).collect();
    let mean = |of: &dyn Fn(&vene::Distribution) -> f64| {
        runs.iter().map(|run| of(run)).sum::<f64>() / runs.len() as f64
    };
    let near = |found: f64, right: f64| {
        assert!((found - right).abs() < 1e-4 * right.abs().max(1.0), "{found}, not {right}");
    };

    let found = evaluate(Objective::labels(&[rome; COUNTRIES.len()]));
    near(found.loss, mean(&|run| -run.log_probability(rome).unwrap()));
    let found = evaluate(Objective::new(FoilLead::new(&[[madrid, rome]; COUNTRIES.len()])));
    near(found.loss, mean(&|run| run.logit(rome).unwrap() - run.logit(madrid).unwrap()));
    // Spain is the one country of which Madrid is the capital, but others may prefer it to Rome.
    assert!(found.accuracy >= 1.0 / 6.0);

    // The divergence from the uniform distribution, and from itself.
    let vocabulary = model.config().vocabulary;
    let uniform = vec![vec![vec![-(vocabulary as f64).ln(); vocabulary]]; COUNTRIES.len()];
    let found = evaluate(Objective::new(Divergence::new(uniform)));
    let expected = |run: &vene::Distribution| {
        let cross: f64 =
            (0..vocabulary as u32).map(|token| run.log_probability(token).unwrap()).sum();
        -(vocabulary as f64).ln() - cross / vocabulary as f64
    };
    near(found.loss, mean(&expected));
    let own = runs.iter().map(|run| {
        vec![(0..vocabulary as u32).map(|token| run.log_probability(token).unwrap()).collect()]
    });
    let found = evaluate(Objective::new(Divergence::new(own.collect())));
    assert!(found.loss.abs() < 1e-4 && found.accuracy == 1.0, "{found:?}");

    let of_first = FromLogits::new(|logits, examples| {
        let loss = logits.narrow(1, 0, 1)?.mean_all()?;
        Ok(BatchLoss { loss, right: 0.0, answers: examples.len(), reads: examples.len() })
    });
    near(evaluate(Objective::new(of_first)).loss, mean(&|run| run.logit(0).unwrap()));
}

/// Several positions are read, each with a label: the last two of the prompt.
#[test]
fn every_read_has_a_label() {
    let model = Model::load("embedded").unwrap();
    let prompt = |name: &str| model.prompt(&format!("The capital of {name} is")).unwrap();
    let examples: Vec<Example> = COUNTRIES.iter().map(|name| Example::new(prompt(name))).collect();
    let shift = Arc::new(Shift::new(model.config().d_model, 0.0));
    let edit = Edit::new(Component::BlockOutput, 5, shift).at(Positions::index(-2));
    let plan = Plan::new().edit(edit).read(Positions::At(vec![-2, -1]));
    let plan = plan.resolve(&model, &examples).unwrap();
    let token = |word: &str| model.tokenizer().single_token(word).unwrap();
    let labels = vec![vec![token(" has"), token(" Rome")]; COUNTRIES.len()];
    let objective = Objective::new(CrossEntropy::of_reads(labels.clone()));
    let found =
        trainer().evaluate(&model, Examples { plan: &plan, objective: &objective }).unwrap();
    let outcome = vene::Reference::new(&model).run(&plan).unwrap();
    let mut sum = 0.0;
    for (showed, labels) in outcome.examples.iter().zip(&labels) {
        for (read, &label) in showed.distributions.iter().zip(labels) {
            sum -= read.log_probability(label).unwrap();
        }
    }
    assert!((found.loss - sum / 12.0).abs() < 1e-4, "{} and {}", found.loss, sum / 12.0);
    let one = Objective::labels(&[0; COUNTRIES.len()]);
    let error = train(&trainer(), &model, &plan, &one).unwrap_err().to_string();
    assert!(
        error.contains("1 labels are given for example 0, of which the plan reads 2"),
        "{error}"
    );
}

/// Country pairs whose interchange in the middle should give the source's capital.
fn pairs(model: &Model, edit: Edit) -> (ResolvedPlan, Objective) {
    let capitals = ["Madrid", "Tokyo", "Lima", "Oslo", "Cairo", "Paris"];
    let prompt = |name: &str| model.prompt(&format!("The capital of {name} is")).unwrap();
    let (mut examples, mut labels) = (Vec::new(), Vec::new());
    for (base, country) in COUNTRIES.iter().enumerate() {
        let source = (base + 2) % 6;
        examples.push(Example::new(prompt(country)).source(prompt(COUNTRIES[source])));
        labels.push(model.tokenizer().single_token(&format!(" {}", capitals[source])).unwrap());
    }
    let edit = edit.at(Positions::index(3)).from(Positions::index(3));
    let plan = Plan::new().edit(edit).resolve(model, &examples).unwrap();
    (plan, Objective::labels(&labels))
}

/// Boundless DAS as in pyvene's tutorial: the temperature falls, and the sum of boundaries is penalised.
#[test]
fn boundaries_shrink_under_a_penalty_while_the_temperature_falls() {
    let model = Model::load("embedded").unwrap();
    let width = model.config().d_model;
    let learned = |weight: f64| {
        let boundless =
            RotatedSpace::boundless(Rotation::random(width, width, 3).unwrap()).unwrap();
        let (plan, objective) =
            pairs(&model, Edit::new(Component::BlockOutput, 2, Arc::new(boundless.clone())));
        let parameter = "intervention_boundaries".to_owned();
        let objective = objective.penalty(SumOf { parameter, weight });
        let trainer = Trainer {
            epochs: 10,
            batch: 3,
            annealing: Some(Annealing { from: 50.0, to: 0.1 }),
            optimizer: AdamW { learning_rate: 0.01, ..AdamW::default() },
            ..Trainer::default()
        };
        train(&trainer, &model, &plan, &objective).unwrap();
        let mask = boundless.mask().unwrap();
        let temperature = mask.temperature().to_scalar::<f64>().unwrap();
        assert!((temperature - 0.1).abs() < 1e-12, "{temperature}");
        mask.learned().to_vec1::<f64>().unwrap()[0]
    };
    let (free, penalised) = (learned(0.0), learned(100.0));
    assert!(penalised < free - 0.05, "{penalised} and {free}");
}

#[test]
fn a_mask_learns_which_dimensions_are_exchanged() {
    let model = Model::load("embedded").unwrap();
    let mask = Arc::new(SigmoidMask::new(model.config().d_model).unwrap());
    let (plan, objective) = pairs(&model, Edit::new(Component::BlockOutput, 2, mask));
    let trainer = Trainer {
        epochs: 20,
        annealing: Some(Annealing { from: 1.0, to: 0.05 }),
        optimizer: AdamW { learning_rate: 0.05, ..AdamW::default() },
        ..Trainer::default()
    };
    let trained = train(&trainer, &model, &plan, &objective).unwrap();
    let (first, last) = (trained.steps[0].loss, trained.steps.last().unwrap().loss);
    assert!(last < 0.5 * first, "{first} to {last}");
}

#[test]
fn a_temperature_is_resumed_too() {
    let model = Model::load("embedded").unwrap();
    let trainer = Trainer {
        epochs: 3,
        annealing: Some(Annealing { from: 50.0, to: 0.1 }),
        ..Trainer::default()
    };
    let folder = tempfile::tempdir().unwrap();
    // Stopped after every epoch, the last one's checkpoint too, and once where patience had ended it.
    for (stop, patience) in [(0, None), (1, None), (2, None), (1, Some(1))] {
        let trainer = Trainer { patience, ..trainer };
        let file = folder.path().join(format!("checkpoint-{stop}-{}", patience.is_some()));
        let file = TrainingFile { path: &file, of: "the masks of the test" };
        let train = |stop: Option<usize>, file: Option<TrainingFile<'_>>| {
            let mask = Arc::new(SigmoidMask::new(model.config().d_model).unwrap());
            let (plan, objective) =
                pairs(&model, Edit::new(Component::BlockOutput, 2, mask.clone()));
            let examples = Examples { plan: &plan, objective: &objective };
            let mut progress = |progress: TrainingProgress<'_>| match progress {
                TrainingProgress::Epoch(epoch) if Some(epoch.epoch) == stop => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            };
            let trained = match file {
                Some(file) => {
                    trainer.train_with_checkpoint(&model, examples, None, file, &mut progress)
                }
                None => trainer.train(&model, examples, None, &mut progress),
            };
            let parameters = mask.parameters().into_iter();
            let values = parameters.map(|parameter| {
                let values = parameter.variable.flatten_all().unwrap();
                values.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()
            });
            (trained.is_ok(), values.collect::<Vec<_>>())
        };
        let (_, whole) = train(None, None);
        assert!(!train(Some(stop), Some(file)).0);
        assert_eq!(train(None, Some(file)), (true, whole), "{stop}, {patience:?}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let model = Model::load("embedded").unwrap();
    let (_, plan, objective) = setup(&model);
    let refused = |plan: &ResolvedPlan, objective: &Objective, trainer: Trainer| {
        train(&trainer, &model, plan, objective).unwrap_err().to_string()
    };
    let few = Objective::labels(&[0; 5]);
    assert!(refused(&plan, &few, trainer()).contains("5 labels are given for 6 examples"));
    assert!(refused(&plan, &objective, Trainer { batch: 0, ..trainer() }).contains("batch of 0"));
    let example = Example::new(model.prompt("The capital of Spain is").unwrap());
    let frozen = Plan::new().edit(Edit::zero(Component::MlpOutput, 1));
    let frozen = frozen.resolve(&model, std::slice::from_ref(&example)).unwrap();
    let one = Objective::labels(&[0]);
    assert!(refused(&frozen, &one, trainer()).contains("no trainable intervention"));
    let penalised = objective.clone().penalty(SumOf { parameter: "masks".to_owned(), weight: 1.0 });
    let error = refused(&plan, &penalised, trainer());
    assert!(error.contains("`masks`") && error.contains("edit.0.vector"), "{error}");
    let annealed = |from| Trainer { annealing: Some(Annealing { from, to: 0.1 }), ..trainer() };
    assert!(
        refused(&plan, &objective, annealed(50.0)).contains("no intervention of the plan has one")
    );
    assert!(refused(&plan, &objective, annealed(-1.0)).contains("a temperature of -1"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    std::fs::write(&file, "nothing of the kind").unwrap();
    let file = TrainingFile { path: &file, of: "" };
    let examples = Examples { plan: &plan, objective: &objective };
    let error = trainer().train_with_checkpoint(&model, examples, None, file, &mut on).unwrap_err();
    assert!(error.to_string().contains("no checkpoint of this training"), "{error}");
}
