//! Models whose rotary encoding depends on the length of the text: a short base that begins as a long
//! source does has none of its rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use vene::plan::ResolvedPlan;
use vene::training::TrainRun;
use vene::{
    Component, Edit, Example, Executor, Forked, Generator, Model, Plan, Positions, Precision,
    Reference,
};
use vene_test_support::{Agreement, Configured, formula, relative_error};

use crate::subject::{distance, logits_of};

/// Of these, texts of more than 16 tokens, or of more than 64, are turned otherwise.
const MODELS: [(&str, usize); 3] =
    [("llama with longrope", 16), ("llama with dynamic", 64), ("llama with longrope inside", 16)];

/// A text of so many tokens, and the longer one that begins with it.
fn prompts(model: &Model, length: usize, longer: usize) -> [Vec<u32>; 2] {
    let source = formula::prompt(longer, model.config().vocabulary);
    [source[..length].to_vec(), source]
}

fn example(model: &Model, base: &[u32], source: &[u32]) -> Example {
    let prompt = |tokens| model.prompt_from_tokens(tokens).unwrap();
    Example::new(prompt(base)).source(prompt(source))
}

/// Plans at every component, each with a row of the source at a position that both texts have.
fn plans(model: &Model, examples: &[Example]) -> Vec<ResolvedPlan> {
    let config = model.config();
    let components = Component::all(config).filter(|component| component.per_layer());
    let layers = components.flat_map(|component| [(component, 0), (component, 1)]);
    let plans =
        layers.filter(|(component, _)| !component.is_pattern()).map(|(component, layer)| {
            let edit = Edit::interchange(component, layer).at(Positions::index(5));
            Plan::new().edit(edit).resolve(model, examples).unwrap()
        });
    plans.collect()
}

#[test]
fn a_short_base_shares_no_row_with_a_long_source() {
    for (name, after) in MODELS {
        let model = Configured::named(name).load(Precision::Double);
        let [base, source] = prompts(&model, after - 4, after + 9);
        // A source that is turned as the base, and one that is not.
        let examples = [
            example(&model, &base, &source),
            example(&model, &source[..after], &base),
            example(&model, &source[..after + 1], &source),
        ];
        let plans = plans(&model, &examples);
        let mut forked = BTreeMap::new();
        Forked::new(&model)
            .run_all(&plans, &mut |index, outcome| {
                forked.insert(index, outcome);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(forked.len(), plans.len());
        for (plan, outcome) in plans.iter().zip(forked.values()) {
            let right = Reference::new(&model).run(plan).unwrap();
            for index in 0..examples.len() {
                let error = distance(&logits_of(outcome, index), &logits_of(&right, index));
                assert!(
                    error < 1e-12,
                    "{name}, {}, example {index}: {error:e}",
                    plan.edits()[0].site
                );
            }
        }
    }
}

#[test]
fn patches_from_long_texts_are_those_of_transformers() {
    let mut agreement = Agreement::default();
    for case in Configured::all() {
        let model = case.prompts.iter().any(|expected| expected.patch.is_some());
        let Some(model) = model.then(|| case.load(Precision::Double)) else { continue };
        for expected in &case.prompts {
            let Some(patch) = expected.patch else { continue };
            let [base, source] = prompts(&model, expected.length, patch.source_length);
            let edit = Edit::interchange(Component::BlockOutput, patch.layer)
                .at(Positions::index(patch.position as i64));
            let plan = Plan::new().edit(edit);
            let plan = plan.resolve(&model, &[example(&model, &base, &source)]).unwrap();
            for executor in [&Forked::new(&model) as &dyn Executor, &Reference::new(&model)] {
                let mut outcomes = Vec::new();
                executor
                    .run_all(std::slice::from_ref(&plan), &mut |_, outcome| {
                        outcomes.push(outcome);
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                let found = logits_of(&outcomes[0], 0).concat();
                let error = relative_error(&found[..expected.logits.len()], &expected.logits);
                let lengths = format!("{} from {}", expected.length, patch.source_length);
                agreement.note(&format!("{}, {lengths}", case.name), error, executor.name());
            }
        }
    }
    assert_eq!(agreement.compared(), 8);
    agreement.check("patches from long texts", 1e-5);
}

#[test]
fn training_and_its_kept_rows_are_turned_as_the_whole_text() {
    for (name, after) in MODELS {
        for (precision, tolerance) in [(Precision::Double, 1e-12), (Precision::Single, 1e-5)] {
            let model = Configured::named(name).load(precision);
            let [base, source] = prompts(&model, after - 4, after + 9);
            let examples =
                [example(&model, &base, &source), example(&model, &source, &source[..after])];
            let edit = Edit::interchange(Component::BlockOutput, 0).at(Positions::index(5));
            let plan = Plan::new().edit(edit).resolve(&model, &examples).unwrap();
            let right = Reference::new(&model).run(&plan).unwrap();
            let logits = TrainRun::new(&model, plan).unwrap().logits(&[0, 1]).unwrap();
            for index in 0..2 {
                let found = vene_test_support::values(&logits.narrow(0, index, 1).unwrap());
                let error = relative_error(&found, &logits_of(&right, index).concat());
                assert!(error < tolerance, "{name}, example {index}: {error:e}");
            }
        }
    }
}

fn plain_plan(model: &Model, tokens: &[u32]) -> ResolvedPlan {
    let prompt = model.prompt_from_tokens(tokens).unwrap();
    Plan::new().resolve(model, &[Example::new(prompt)]).unwrap()
}

#[test]
fn generation_is_right_on_one_side_and_refused_across() {
    let model = Configured::named("llama with longrope").load(Precision::Double);
    let tokens = formula::prompt(40, model.config().vocabulary);
    let generate = |length: usize, max_new_tokens: usize| {
        let stop = Some(Vec::new());
        let generator = Generator { max_new_tokens, stop, ..Generator::default() };
        let plan = plain_plan(&model, &tokens[..length]);
        generator.run(&model, &plan, &mut |_| ControlFlow::Continue(()))
    };
    // The last new token is not read: 10 + 7 - 1 tokens are.
    for (length, new) in [(10, 7), (20, 8)] {
        let found = generate(length, new).unwrap();
        let mut text = tokens[..length].to_vec();
        for token in &found.continuations[0].tokens {
            let outcome = Reference::new(&model).run(&plain_plan(&model, &text)).unwrap();
            let logits = logits_of(&outcome, 0).concat();
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(*token as usize, best, "after {} tokens", text.len());
            text.push(*token);
        }
        assert_eq!(text.len(), length + new);
    }
    let error = generate(10, 8).unwrap_err().to_string();
    assert!(error.contains("grows past 16") && error.contains("at most 7 new tokens"), "{error}");

    let model = Configured::named("llama with dynamic").load(Precision::Double);
    let generator = Generator { max_new_tokens: 2, ..Generator::default() };
    let tokens = formula::prompt(65, model.config().vocabulary);
    let error = generator.check(&model, &plain_plan(&model, &tokens)).unwrap_err().to_string();
    assert!(error.contains("at most 1 new tokens"), "{error}");
    generator.check(&model, &plain_plan(&model, &tokens[..63])).unwrap();
}
