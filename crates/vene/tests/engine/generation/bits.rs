//! What rides along changes nothing: the same bits in any batch, with any number of samples, on any number
//! of threads.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use vene::{
    Component, Edit, Example, Generation, GenerationError, Generator, Plan, Positions, Precision,
    RunError, Sampling, When,
};

use super::{generate, greedy, with_logits};
use crate::subject::{PLAIN, Subject};

static SINGLE: LazyLock<Vec<Subject>> =
    LazyLock::new(|| PLAIN.map(|name| Subject::new(name, Precision::Single)).into());

fn sampled(samples: usize) -> Generator {
    let sampling =
        Sampling { temperature: 0.9, top_k: Some(40), top_p: Some(0.95), min_p: Some(0.01) };
    Generator { sampling: Some(sampling), samples, seed: 3, ..greedy(8) }
}

fn plan() -> Plan {
    Plan::new()
        .edit(Edit::interchange(Component::BlockOutput, 1))
        .edit(Edit::scaling(Component::MlpOutput, 0, 1.5).when(When::EveryStep))
}

fn run(subject: &Subject, generator: &Generator, examples: &[Example]) -> Generation {
    let plan = plan().resolve(&subject.model, examples).unwrap();
    generate(generator, &subject.model, &plan)
}

fn examples(subject: &Subject) -> Vec<Example> {
    let other = subject.prompt(&[7, 7, 1]);
    vec![
        subject.example(),
        Example::new(subject.long.clone()).source(subject.base.clone()),
        Example::new(other).source(subject.source.clone()),
    ]
}

#[test]
fn a_prompt_alone_says_what_it_says_in_a_batch() {
    for subject in SINGLE.iter() {
        for generator in [greedy(8), sampled(2)] {
            let all = examples(subject);
            let together = run(subject, &generator, &all);
            for (index, example) in all.into_iter().enumerate() {
                let alone = run(subject, &generator, &[example]);
                for alone in alone.continuations {
                    let together =
                        &together.continuations[index * generator.samples + alone.sample];
                    assert_eq!(together.tokens, alone.tokens, "{}", subject.name);
                    assert_eq!(together.log_probabilities, alone.log_probabilities);
                }
            }
        }
    }
}

#[test]
fn a_sample_is_the_same_among_few_and_many() {
    for subject in SINGLE.iter() {
        let few = run(subject, &sampled(1), &examples(subject));
        let many = run(subject, &sampled(5), &examples(subject));
        for text in &few.continuations {
            assert_eq!(&many.continuations[5 * text.prompt + text.sample], text);
        }
        let distinct: std::collections::BTreeSet<_> =
            many.continuations.iter().map(|text| &text.tokens).collect();
        assert!(distinct.len() > 10, "samples are not all alike: {distinct:?}");
    }
}

#[test]
fn threads_change_nothing() {
    for subject in SINGLE.iter() {
        let expected = run(subject, &sampled(3), &examples(subject));
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| run(subject, &sampled(3), &examples(subject)));
            assert_eq!(found, expected, "{threads} threads");
        }
    }
}

#[test]
fn another_seed_draws_otherwise() {
    let subject = &SINGLE[0];
    let first = run(subject, &sampled(3), &examples(subject));
    let again = run(subject, &sampled(3), &examples(subject));
    let other = run(subject, &Generator { seed: 4, ..sampled(3) }, &examples(subject));
    assert_eq!(first, again);
    assert_ne!(first.continuations, other.continuations);
}

/// Long prompts are read in several passes.
#[test]
fn many_prompts_at_once() {
    let subject = &SINGLE[1];
    let prompt = |index: u32| {
        let tokens: Vec<u32> = (0..40).map(|place| (index * 7 + place * place) % 60).collect();
        Example::new(subject.prompt(&tokens)).source(subject.long.clone())
    };
    let all: Vec<Example> = (0..60).map(prompt).collect();
    let together = run(subject, &greedy(3), &all);
    for index in [0, 24, 25, 26, 59] {
        let alone = run(subject, &greedy(3), &all[index..=index]);
        assert_eq!(together.continuations[index].tokens, alone.continuations[0].tokens);
    }
    let of_last = |step: usize| {
        together.receipts.iter().filter(move |made| made.step == step && made.receipt.example == 59)
    };
    assert_eq!((of_last(0).count(), of_last(2).count()), (2, 1));
}

/// The two sets of operations agree as far as single precision carries.
#[test]
fn single_precision_agrees_with_double() {
    for subject in SINGLE.iter() {
        let double = Subject::new(subject.name, Precision::Double);
        let steered = |subject: &Subject| {
            let width = subject.model.config().d_model;
            let vector = (0..width).map(|column| (column as f64).sin()).collect();
            let edit = Edit::steering(Component::BlockOutput, 0, vector).at(Positions::All);
            let plan = Plan::new().edit(edit.when(When::EveryStep));
            let plan = plan.resolve(&subject.model, &examples(subject)).unwrap();
            with_logits(&greedy(5), &subject.model, &plan).unwrap()
        };
        let ((single, [single_logits, _]), (double, [double_logits, _])) =
            (steered(subject), steered(&double));
        for (single, double) in single.continuations.iter().zip(&double.continuations) {
            assert_eq!(single.tokens, double.tokens, "{}", subject.name);
        }
        let error = vene_test_support::relative_error(
            &single_logits.concat().concat(),
            &double_logits.concat().concat(),
        );
        assert!(error < 2e-6, "{}: {error:e}", subject.name);
    }
}

/// As many prompts at once as the memory holds: the texts are the same.
#[test]
fn texts_are_the_same_in_little_memory() {
    let model = vene::Model::load("embedded").unwrap();
    let examples: Vec<Example> = ["The capital of Spain is", "The capital of", "Rome is in", "The"]
        .map(|text| Example::new(model.prompt(text).unwrap()))
        .into();
    let edit = Edit::scaling(Component::MlpOutput, 1, 0.5).when(When::EveryStep);
    let plan = Plan::new().edit(edit).with_original().resolve(&model, &examples).unwrap();
    let written = |memory| {
        let generator = Generator { max_new_tokens: 5, memory, ..sampled(2) };
        let mut order = Vec::new();
        let run = generator.run(&model, &plan, &mut |token| {
            order.push(token.prompt);
            ControlFlow::Continue(())
        });
        run.map(|written| (written, order))
    };
    let (whole, order) = written(None).unwrap();
    assert!(!order.is_sorted(), "all prompts are written behind together");
    let Err(GenerationError::Run(RunError::Memory { least, .. })) = written(Some(1)) else {
        panic!("one byte is enough")
    };
    let (little, order) = written(Some(least)).unwrap();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(
        (&little.continuations, &little.originals),
        (&whole.continuations, &whole.originals)
    );
    assert_eq!(little.receipts, whole.receipts);
    // What was not come to is there, without a token.
    let generator = Generator { max_new_tokens: 5, memory: Some(least), ..Generator::default() };
    let stopped = generator.run(&model, &plan, &mut |_| ControlFlow::Break(())).unwrap();
    let lengths: Vec<usize> = stopped.continuations.iter().map(|text| text.tokens.len()).collect();
    assert_eq!(lengths, [1, 0, 0, 0]);
}
