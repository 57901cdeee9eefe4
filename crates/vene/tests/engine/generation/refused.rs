//! What cannot be generated is refused before anything runs.

use std::ops::ControlFlow;

use vene::training::TrainRun;
use vene::{
    Component, Edit, Example, Executor, Forked, Generator, Plan, Positions, Precision, Reference,
    RunError, Sampling, Source, When,
};

use super::greedy;
use crate::subject::{PLAIN, Subject};

#[track_caller]
fn refuses(subject: &Subject, plan: Plan, phrases: &[&str]) {
    let error = plan.resolve(&subject.model, &[subject.example()]).unwrap_err().to_string();
    for phrase in phrases {
        assert!(error.contains(phrase), "`{phrase}` in {error}");
    }
}

#[track_caller]
fn generator_refuses(subject: &Subject, generator: Generator, plan: &Plan, phrases: &[&str]) {
    let plan = plan.resolve(&subject.model, &[subject.example()]).unwrap();
    let error =
        generator.run(&subject.model, &plan, &mut |_| panic!("it runs")).unwrap_err().to_string();
    assert!(!error.contains('\n'));
    for phrase in phrases {
        assert!(error.contains(phrase), "`{phrase}` in {error}");
    }
}

#[test]
fn edits_that_have_no_meaning_at_a_new_token() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let every = |edit: Edit| Plan::new().edit(edit.when(When::EveryStep));
    let block = || Edit::interchange(Component::BlockOutput, 1);
    let several = Positions::At(vec![1, 2]);
    refuses(&subject, every(block().at(several.clone())), &["edit 0", "one row", "2 are meant"]);
    let width = subject.model.config().d_model;
    let given = |rows: usize| block().source(Source::Given(vec![1.0; rows * width].into()));
    refuses(&subject, every(given(2).at(several.clone())), &["2 are meant", "one row for all"]);
    assert!(every(given(1).at(several)).resolve(&subject.model, &[subject.example()]).is_ok());
    refuses(&subject, every(Edit::freeze(Component::MlpOutput, 0)), &["base", "as a source"]);
    let pattern = Edit::interchange(Component::AttentionWeight, 1);
    refuses(&subject, every(pattern.clone()), &["attention_weight", "more keys", "name those"]);
    let keyed = pattern.keys(Positions::At(vec![0, 1]));
    assert!(every(keyed).resolve(&subject.model, &[subject.example()]).is_ok());
    refuses(&subject, Plan::new().edit(block().when(When::Steps(vec![]))), &["none", "name one"]);
    let scaling = || Edit::scaling(Component::BlockOutput, 1, 2.0).at(Positions::At(vec![1, 2]));
    refuses(&subject, every(scaling().concatenated()), &["2 are meant"]);
    assert!(every(scaling()).resolve(&subject.model, &[subject.example()]).is_ok());
    let in_source = scaling().within(vene::Run::Source(0));
    refuses(&subject, every(in_source), &["source 0", "make it on the prompt"]);
}

#[test]
fn two_edits_of_one_new_token() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let at = |position: i64, when: When| {
        Edit::interchange(Component::BlockOutput, 1).at(Positions::index(position)).when(when)
    };
    let both = |a: When, b: When| Plan::new().edit(at(1, a)).edit(at(2, b));
    refuses(&subject, both(When::EveryStep, When::Generated), &["edit 1", "edit 0", "step 1"]);
    refuses(&subject, both(When::Generated, When::Steps(vec![4, 3])), &["step 3"]);
    let fine = |plan: Plan| plan.resolve(&subject.model, &[subject.example()]).is_ok();
    assert!(fine(both(When::EveryStep, When::Prompt)));
    assert!(fine(both(When::Steps(vec![1]), When::Steps(vec![2]))));
    // The same position of the prompt, but not at the same step.
    assert!(fine(Plan::new().edit(at(1, When::Prompt)).edit(at(1, When::Generated))));
    refuses(&subject, Plan::new().edit(at(1, When::Prompt)).edit(at(1, When::Prompt)), &["both"]);
}

#[test]
fn settings() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let plan = Plan::new();
    let refuses = |generator: Generator, phrases: &[&str]| {
        generator_refuses(&subject, generator, &plan, phrases);
    };
    refuses(greedy(0), &["0 new tokens"]);
    refuses(Generator { samples: 0, ..greedy(4) }, &["0 samples"]);
    refuses(Generator { samples: 3, ..greedy(4) }, &["3 times the same", "temperature"]);
    refuses(Generator { stop: Some(vec![3, 67]), ..greedy(4) }, &["token 67", "0 to 66"]);
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    refuses(Generator { sampling: Some(sampling), ..greedy(4) }, &["temperature of 0"]);
}

#[test]
fn plans_that_a_generation_cannot_follow() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let late = Edit::zero(Component::MlpOutput, 1).when(When::Steps(vec![0, 4]));
    let plan = Plan::new().edit(late);
    generator_refuses(&subject, greedy(4), &plan, &["edit 0", "step 4", "steps 0 to 3"]);
    let plan = Plan::new().collect(Component::AttentionWeight, 1, Positions::All);
    generator_refuses(&subject, greedy(4), &plan, &["attention_weight of layer 1", "collect"]);
}

#[test]
fn executors_refuse_what_lies_behind_the_prompt() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let plan = |when: When| {
        let edit = Edit::zero(Component::MlpOutput, 1).when(when);
        Plan::new()
            .edit(Edit::zero(Component::MlpOutput, 0))
            .edit(edit)
            .resolve(&subject.model, &[Example::new(subject.base.clone())])
            .unwrap()
    };
    for executor in [&Reference::new(&subject.model) as &dyn Executor, &Forked::new(&subject.model)]
    {
        let run = |when| {
            executor.run_all(&[plan(when)], &mut |_, outcome| {
                assert_eq!(outcome.receipts.len(), 2);
                ControlFlow::Continue(())
            })
        };
        let error = run(When::Generated).unwrap_err();
        assert!(matches!(error, RunError::NotOnPrompt { edit: 1, .. }), "{error}");
        assert!(error.to_string().contains("mlp_output of layer 1"));
        run(When::EveryStep).unwrap();
    }
    let error = TrainRun::new(&subject.model, plan(When::Generated)).unwrap_err();
    assert!(matches!(error, RunError::NotOnPrompt { edit: 1, .. }), "{error}");
}

#[test]
fn networks_that_generate_no_text() {
    let network = |name| Subject::new(name, Precision::Double);
    let plan = Plan::new();
    generator_refuses(
        &network("mlp-plain"),
        greedy(3),
        &plan,
        &["mlp", "classes", "language model"],
    );
    generator_refuses(
        &network("gru-language"),
        greedy(3),
        &plan,
        &["layer 0", "recurrent", "reference"],
    );
}
