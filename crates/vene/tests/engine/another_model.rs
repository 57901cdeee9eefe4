//! What was resolved for one model runs on no other.

use std::ops::ControlFlow;

use vene::data::Row;
use vene::plan::ResolvedPlan;
use vene::training::{Examples, Objective, Trainer};
use vene::{
    BeginningOfSequence, Component, Edit, Example, Executor, ForecastOf, Forked, Generator,
    Gradients, Model, Outline, Plan, Positions, Precision, Reference, Site, Sweep,
};
use vene_test_support::Fixture;

use crate::subject::{Subject, logits_of};

fn plan(subject: &Subject) -> ResolvedPlan {
    let edit = Edit::interchange(Component::BlockOutput, 0);
    Plan::new().edit(edit).resolve(&subject.model, &[subject.example()]).unwrap()
}

/// A model of another family and shape, one of the same shape with other weights, and the same once more.
fn others() -> [Subject; 3] {
    ["llama-gqa", "gpt2-layer-scaled", "gpt2-plain"]
        .map(|name| Subject::new(name, Precision::Single))
}

#[track_caller]
fn refused<T>(result: Result<T, impl std::fmt::Display>, what: &str) {
    let error = result.err().expect("another model").to_string();
    assert!(error.contains(what) && error.contains("is for the model"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_plan_is_refused_by_every_way_of_running_it() {
    let subject = Subject::new("gpt2-plain", Precision::Double);
    let plan = plan(&subject);
    let [shape, weights, same] = others();
    for other in [&shape, &weights] {
        let model = &other.model;
        refused(Reference::new(model).run(&plan), "the plan");
        refused(Forked::new(model).run(&plan), "the plan");
        refused(Forked::new(model).plain().run(&plan), "the plan");
        refused(Forked::new(model).work(std::slice::from_ref(&plan)), "the plan");
        refused(Forked::new(model).predict(&[&subject.base]), "the plan");
        let mut go_on = |_: &vene::generation::NewToken<'_>| ControlFlow::Continue(());
        refused(Generator::default().check(model, &plan), "the plan");
        refused(Generator::default().run(model, &plan, &mut go_on), "the plan");
        let site = Site::new(Component::BlockOutput, Some(0), model.config()).unwrap();
        refused(Gradients::new(model, plan.clone(), &[site]), "the plan");
        let objective = Objective::labels(&[3]);
        let examples = Examples { plan: &plan, objective: &objective };
        refused(Trainer::default().evaluate(model, examples), "the plan");
        let mut go_on = |_: vene::training::TrainingProgress<'_>| ControlFlow::Continue(());
        refused(Trainer::default().train(model, examples, None, &mut go_on), "the plan");
    }
    // Another copy of the same model, in another precision, is the same model.
    let outcome = Reference::new(&same.model).run(&plan).unwrap();
    assert_eq!(outcome.examples.len(), 1);
    let generator = Generator { max_new_tokens: 2, stop: Some(Vec::new()), ..Generator::default() };
    let mut go_on = |_: &vene::generation::NewToken<'_>| ControlFlow::Continue(());
    let text = generator.run(&same.model, &plan, &mut go_on).unwrap();
    refused(text.continuations[0].text(&shape.model, &plan), "the plan");
    assert!(text.continuations[0].text(&same.model, &plan).is_ok());
    // The continuation of a plan with more prompts.
    let mut further = text.continuations[0].clone();
    further.prompt = 1;
    let error = further.text(&same.model, &plan).unwrap_err().to_string();
    assert!(error.contains("of prompt 1, and the plan has 1"), "{error}");
}

#[test]
fn prompts_of_another_model_resolve_to_no_plan() {
    let subject = Subject::new("gpt2-plain", Precision::Double);
    let [shape, weights, same] = others();
    let resolve = |outline: &Outline, example: Example| Plan::new().resolve(outline, &[example]);
    refused(resolve(&shape.model, subject.example()), "the prompt");
    refused(resolve(&weights.model, subject.example()), "the prompt");
    assert!(resolve(&same.model, subject.example()).is_ok());
    // One source of another model among others.
    let mixed = same.example().source(shape.base.clone());
    refused(resolve(&subject.model, mixed), "the prompt");
}

#[test]
fn what_is_meant_for_both_is_taken_over_by_name() {
    let subject = Subject::new("gpt2-plain", Precision::Double);
    let plan = plan(&subject);
    let other = Subject::new("gpt2-layer-scaled", Precision::Double);
    let taken = plan.for_another_model(&other.model).unwrap();
    let found = Reference::new(&other.model).run(&taken).unwrap();
    // As if it had been resolved there.
    let own: Example = Example::new(other.prompt(subject.base.tokens()))
        .source(other.prompt(subject.source.tokens()));
    let edit = Edit::interchange(Component::BlockOutput, 0);
    let expected = other.run(&Plan::new().edit(edit), &[own]);
    assert_eq!(logits_of(&found, 0), logits_of(&expected, 0));
    // Then it is that model's.
    refused(Reference::new(&subject.model).run(&taken), "the plan");
    // Neither another shape nor another tokenizer is taken over.
    let [shape, ..] = others();
    let error = plan.for_another_model(&shape.model).unwrap_err().to_string();
    assert!(error.contains("gpt2 with") && error.contains("llama with"), "{error}");
    let prompt = subject.base.for_another_model(&other.model).unwrap();
    assert_eq!(prompt, other.prompt(subject.base.tokens()));
}

#[test]
fn another_tokenizer_is_another_model() {
    let (folder, embedded) = (tempfile::tempdir().unwrap(), Model::load("embedded").unwrap());
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.json"), vene_embedded::CONFIG).unwrap();
    std::fs::write(path("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    // The ids of two words are exchanged.
    let id = |word: &str| embedded.tokenizer().single_token(word).unwrap();
    let entry = |word: &str, id: u32| format!("\"\u{120}{word}\":{id}");
    let compact: serde_json::Value = serde_json::from_str(vene_embedded::TOKENIZER).unwrap();
    let (madrid, rome) = (id(" Madrid"), id(" Rome"));
    let text = compact.to_string();
    assert!(text.contains(&entry("Madrid", madrid)) && text.contains(&entry("Rome", rome)));
    let text = text
        .replace(&entry("Madrid", madrid), &entry("Madrid", rome))
        .replace(&entry("Rome", rome), &entry("Rome", madrid));
    std::fs::write(path("tokenizer.json"), text).unwrap();
    let other = Model::load(&folder.path().display().to_string()).unwrap();
    // Weights and shape are the same.
    assert_eq!(other.identity(), embedded.identity());
    assert_eq!(other.key().shape(), embedded.key().shape());
    let example = Example::new(embedded.prompt("The capital of Spain is").unwrap());
    let plan = Plan::new().resolve(&embedded, &[example]).unwrap();
    let error = Forked::new(&other).run(&plan).unwrap_err().to_string();
    assert!(error.contains("their tokenizers differ"), "{error}");
    let error = plan.for_another_model(&other).unwrap_err().to_string();
    assert!(error.contains("their tokenizers differ"), "{error}");
}

#[test]
fn sweeps_are_refused_and_taken_over() {
    let outline = |name: &str| Fixture::new(name).load(Precision::Single);
    let (model, other, shape) =
        (outline("gpt2-plain"), outline("gpt2-layer-scaled"), outline("llama-gqa"));
    let sweep = Sweep::builder(&model)
        .base("t11 t12 t13")
        .source("t21 t12 t13")
        .components([Component::BlockOutput])
        .tokens(["t30"])
        .build()
        .unwrap();
    refused(sweep.run(&other), "the sweep");
    for of in [ForecastOf::Reference, ForecastOf::Forked(None)] {
        refused(sweep.forecast(&shape, of), "the sweep");
        assert!(sweep.forecast(&model, of).is_ok());
    }
    let taken = sweep.for_another_model(&other).unwrap();
    let rebuilt = Sweep::builder(&other)
        .base("t11 t12 t13")
        .source("t21 t12 t13")
        .components([Component::BlockOutput])
        .tokens(["t30"])
        .build()
        .unwrap();
    assert_eq!(taken.run(&other).unwrap().tokens(), rebuilt.run(&other).unwrap().tokens());
    refused(sweep.for_another_model(&shape), "the prompt");

    let rows = [Row::new("t11 t12 t13", "t21 t12 t13").target(" t30").foil(" t31")];
    let build = |model: &Model| {
        Sweep::builder(model)
            .rows(&rows)
            .prompt_form(BeginningOfSequence::Model)
            .components([Component::BlockOutput])
            .roles(["last".parse().unwrap()])
            .build()
            .unwrap()
    };
    let sweep = build(&model);
    refused(sweep.run(&other), "the sweep");
    refused(sweep.preflight(&other, &Forked::new(&other)), "the sweep");
    refused(sweep.forecast(&shape, ForecastOf::Forked(None)), "the sweep");
    refused(sweep.means(&other, &Forked::new(&other)), "the sweep");
    let taken = sweep.for_another_model(&other).unwrap();
    let [taken, built] = [taken, build(&other)].map(|sweep| sweep.run(&other).unwrap());
    assert_eq!(taken.examples(), built.examples());
    refused(sweep.rows()[0].for_another_model(&shape), "the prompt");
    assert!(sweep.rows()[0].for_another_model(&other).is_ok());
}

#[test]
fn what_was_not_asked_for_is_named() {
    let subject = Subject::new("gpt2-plain", Precision::Single);
    let plan = Plan::new()
        .collect(Component::MlpOutput, 1, Positions::Last)
        .logits_of(vec![3, 5])
        .resolve(&subject.model, &[subject.example()])
        .unwrap();
    let executors: [&dyn Executor; 2] =
        [&Reference::new(&subject.model), &Forked::new(&subject.model)];
    for executor in executors {
        let mut found = None;
        executor
            .run_all(std::slice::from_ref(&plan), &mut |_, outcome| {
                found = Some(outcome);
                ControlFlow::Continue(())
            })
            .unwrap();
        let outcome = found.unwrap();
        let site =
            |layer| Site::new(Component::MlpOutput, Some(layer), subject.model.config()).unwrap();
        assert!(outcome.activation(0, site(1)).is_ok());
        let error = outcome.activation(0, site(0)).unwrap_err().to_string();
        let expected =
            "mlp_output of layer 0 was not collected; the plan collects mlp_output of layer 1";
        assert!(error.contains(expected), "{error}");
        let error = outcome.activation(1, site(1)).unwrap_err().to_string();
        assert!(error.contains("example 1 is asked for, and the plan has 1"), "{error}");
        let error = outcome.distribution(0, 0).unwrap_err().to_string();
        assert!(error.contains("gave whole distributions at 0 positions"), "{error}");
        assert_eq!(outcome.reading(0, 0).unwrap().logits().len(), 2);
        assert!(outcome.reading(0, 1).is_err());
        assert_eq!(outcome.reading(0, 0).unwrap().probabilities(), None);
    }
    let vocabulary = subject.model.config().vocabulary as u32;
    let whole = Forked::new(&subject.model).predict(&[&subject.base]).unwrap();
    assert_eq!(whole[0].probability(vocabulary), None);
    assert!(whole[0].probability(vocabulary - 1).is_some());
}
