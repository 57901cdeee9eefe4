//! Controls: nothing, somebody else's values, something as large.

use std::collections::HashMap;

use vene::sweep::noise_floor;
use vene::{
    Component, Control, Direction, Executor, Forked, Method, Precision, Reference, SweepUnit,
};

use crate::hand::close;
use crate::lines::{Line, lines};
use crate::subject::{Subject, mixed, rows};
use crate::total::{agree, roles, tables};

#[test]
fn self_swaps_change_nothing_and_random_changes_are_as_large() {
    let subject = Subject::new("gemma3-plain");
    let rows = rows(&mixed());
    let methods = [Method::Interchange, Method::Addition];
    for (method, unit) in methods.into_iter().zip([SweepUnit::Position, SweepUnit::HeadPosition]) {
        let sweep = subject
            .sweep(&rows)
            .components([Component::AttentionValueOutput])
            .roles(roles(&["subject", "last"]))
            .unit(unit)
            .method(method)
            .directions([Direction::Noising, Direction::Denoising])
            .controls([Control::RandomDirection, Control::SelfSwap])
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let place = |line: &Line| {
            (line.example, line.direction.clone(), line.layer, line.role.clone(), line.head)
        };
        let all = lines(&tables[1]);
        let main: HashMap<_, _> = all
            .iter()
            .filter(|line| line.control == "none")
            .map(|line| (place(line), line.change))
            .collect();
        let (mut random, mut swapped) = (0, 0);
        for line in &all {
            match line.control.as_str() {
                "random" => {
                    let expected = main[&place(line)];
                    assert!(close(line.change, expected), "{expected} {line:#?}");
                    random += 1;
                }
                "self" => {
                    assert!(line.effect.abs() < 1e-12 && line.change < 1e-12, "{line:#?}");
                    swapped += 1;
                }
                other => assert_eq!(other, "none"),
            }
        }
        assert_eq!((random, swapped), (main.len(), main.len()));
        // In double precision two ways of computing an effect agree to rounding.
        let floor = noise_floor(&tables[1])["logit_difference"];
        assert!(floor < 1e-12, "{floor}");
    }
}

#[test]
fn self_swaps_of_patterns_and_logits() {
    let subject = Subject::new("llama-gqa");
    let rows = rows(&mixed());
    let sweep = subject
        .sweep(&rows)
        .components([Component::AttentionScore, Component::AttentionWeight, Component::Logits])
        .roles(roles(&["subject_last", "last"]))
        .method(Method::Zero)
        .controls([Control::SelfSwap])
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    for line in lines(&tables[1]).iter().filter(|line| line.control == "self") {
        assert!(line.effect.abs() < 1e-12, "{line:#?}");
        assert_eq!(line.change, 0.0, "{line:#?}");
    }
    // Effects on patterns and logits have noise, too.
    let floor = noise_floor(&tables[1])["logit_difference"];
    assert!(floor < 1e-12, "{floor}");
}

#[test]
fn noise_is_measured_in_the_precision_in_use() {
    let subject = |precision| Subject {
        model: vene_test_support::Fixture::new("gpt2-plain").load(precision),
        ..Subject::new("gpt2-plain")
    };
    let treatments = [
        Method::Interchange,
        Method::Zero,
        Method::Noise { standard_deviation: 0.2, draws: 2 },
        Method::Restore {
            noise: vene::NoiseSize::Absolute(0.2),
            draws: 2,
            corrupted: "subject".parse().unwrap(),
        },
    ];
    for treatment in treatments {
        let floor = |precision| {
            let subject = subject(precision);
            let sweep = subject
                .sweep(&rows(&mixed()))
                .components([Component::BlockOutput, Component::MlpOutput])
                .roles(roles(&["subject_last", "last"]))
                .method(treatment.clone())
                .build()
                .unwrap();
            let executors: [&dyn Executor; 2] =
                [&Forked::new(&subject.model), &Reference::new(&subject.model)];
            executors.map(|executor| {
                let table = sweep.run_with(&subject.model, executor).unwrap().into_examples();
                noise_floor(&table)["logit_difference"]
            })
        };
        let (single, double) = (floor(Precision::Single), floor(Precision::Double));
        assert!(
            single.iter().all(|floor| (1e-9..1e-4).contains(floor)),
            "{treatment:?} {single:?}"
        );
        assert!(double.iter().all(|floor| *floor < 1e-12), "{treatment:?} {double:?}");
    }
}
