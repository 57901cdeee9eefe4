//! Means over the data set, by hand.

use vene::{Component, Direction, Edit, Example, Method, Plan, Positions, Reference, SweepUnit};

use crate::hand::{at, check, of_base, written};
use crate::lines::Line;
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{agree, metrics, roles, tables};

/// A site's values at one position of an unedited base.
fn values(subject: &Subject, line: &Line, pair: &Pair, position: usize) -> Vec<f64> {
    let example = Example::new(subject.prompt(&pair.base));
    let plan = Plan::new().collect(line.component, line.layer, Positions::index(position as i64));
    let plan = plan.resolve(&subject.model, &[example]).unwrap();
    let outcome = Reference::new(&subject.model).run(&plan).unwrap();
    vene_test_support::values(&outcome.examples[0].collected[0])
}

/// The mean over some positions of each pair.
fn mean(subject: &Subject, line: &Line, places: &[(Pair, Vec<usize>)]) -> Vec<f64> {
    let each: Vec<Vec<f64>> = places
        .iter()
        .flat_map(|(pair, positions)| {
            positions.iter().map(|&position| values(subject, line, pair, position))
        })
        .collect();
    let mut sum = vec![0.0; each[0].len()];
    for values in &each {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sum.into_iter().map(|value| value / each.len() as f64).collect()
}

#[test]
fn means_are_of_a_role_or_of_all_positions_but_the_first_token() {
    for (subject, per_position, unit) in [
        (Subject::new("gpt2-plain"), true, SweepUnit::Position),
        (Subject::new("gpt2-plain"), false, SweepUnit::Position),
        (Subject::with_bos("llama-gqa"), true, SweepUnit::HeadPosition),
        (Subject::with_bos("llama-gqa"), false, SweepUnit::HeadPosition),
        (Subject::with_bos("gemma3-plain"), true, SweepUnit::Head),
    ] {
        let mut pairs = mixed();
        pairs[4] = pairs[4].without_source();
        let rows = rows(&pairs);
        let sweep = subject
            .sweep(&rows)
            .components([Component::AttentionValueOutput])
            .layers([0, 1])
            .roles(roles(&["subject", "last"]))
            .unit(unit)
            .method(Method::MeanAblation { per_position })
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let name = tables[0].text("intervention").unwrap()[0];
        let by_role = per_position && unit != SweepUnit::Head;
        assert_eq!(name, if by_role { "mean" } else { "mean_of_all_positions" });
        check(&subject, &tables[0], &pairs, |line, pair| {
            let places = |pair: &Pair| match (&line.role, by_role) {
                (Some(role), true) => subject.positions(pair, role, false),
                _ => (subject.shift()..pair.base.len() + subject.shift()).collect(),
            };
            let places: Vec<_> = pairs.iter().map(|pair| (pair.clone(), places(pair))).collect();
            let mut mean = mean(&subject, line, &places);
            if let Some(head) = line.head {
                let heads = line.component.heads(subject.model.config()).unwrap();
                let width = mean.len() / heads;
                mean = mean[head * width..(head + 1) * width].to_vec();
            }
            let edit = Edit::constant(line.component, line.layer, mean);
            of_base(&subject, line, pair, vec![edit.at(at(&written(&subject, line, pair)))])
        });
    }
}

#[test]
fn a_window_has_the_mean_of_each_of_its_layers() {
    let subject = Subject::new("gpt2-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let sweep = subject
        .sweep(&rows)
        .components([Component::MlpOutput])
        .roles(roles(&["last"]))
        .window(2)
        .method(Method::MeanAblation { per_position: true })
        .directions([Direction::Noising])
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &pairs, |line, pair| {
        let layer = line.layer.unwrap();
        let places: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.clone(), subject.positions(pair, "last", false)))
            .collect();
        let edits = (layer.saturating_sub(1)..=layer).map(|layer| {
            let mean = mean(&subject, &Line { layer: Some(layer), ..line.clone() }, &places);
            Edit::constant(line.component, layer, mean)
                .at(at(&subject.positions(pair, "last", false)))
        });
        of_base(&subject, line, pair, edits.collect())
    });
}
