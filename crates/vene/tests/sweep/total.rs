//! The total effect of an interchange, in either direction.

use std::sync::Arc;

use vene::data::Role;
use vene::metric::{self, Metric};
use vene::{Component, Direction, Edit, Forked, Reference, SweepUnit, Table};

use crate::hand::{Done, Hand, at, check, close};
use crate::lines::{Line, lines};
use crate::subject::{MODELS, Pair, Subject, mixed, rows};

pub fn roles(names: &[&str]) -> Vec<Role> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// All metrics but those that need single tokens.
pub fn metrics() -> Vec<Arc<dyn Metric>> {
    all_metrics().into_iter().filter(|metric| !metric.reads().needs_single_tokens()).collect()
}

/// All built-in metrics.
pub fn all_metrics() -> Vec<Arc<dyn Metric>> {
    metric::BUILT_IN.iter().map(|row| Arc::new(row.clone()) as Arc<dyn Metric>).collect()
}

/// The source's values in place of the base's, or the other way round, in one layer.
pub fn interchange(subject: &Subject, line: &Line, pair: &Pair) -> Hand {
    let pair = match line.direction.as_str() {
        "denoising" => pair.swapped(),
        _ => pair.clone(),
    };
    let base = subject.prompt(&pair.base);
    let source = subject.prompt(pair.source.as_ref().unwrap());
    let (written, read) = match &line.role {
        Some(role) => (subject.positions(&pair, role, false), subject.positions(&pair, role, true)),
        None => ((0..base.len()).collect(), (0..source.len()).collect()),
    };
    let edit = Edit::interchange(line.component, line.layer).at(at(&written)).from(at(&read));
    // An answer's tokens behind the base have no keys in the source.
    let edit = match line.component.is_pattern() {
        true => edit.keys(at(&(0..base.len()).collect::<Vec<_>>())),
        false => edit,
    };
    let edit = match line.head {
        Some(head) => edit.heads([head]),
        None => edit,
    };
    Hand {
        before: vec![Done::unedited(base.clone())],
        after: vec![Done::new(base, vec![source.clone()], move |_| vec![edit.clone()])],
        other: Some(Done::unedited(source)),
    }
}

/// The tables of both executors.
pub fn tables(subject: &Subject, sweep: &vene::Sweep) -> [Table; 2] {
    let model = &subject.model;
    [
        sweep.run_with(model, &Reference::new(model)).unwrap().into_examples(),
        sweep.run_with(model, &Forked::new(model)).unwrap().into_examples(),
    ]
}

/// Holds the forked executor's table to the reference's: the same but for rounding.
#[track_caller]
pub fn agree([reference, forked]: &[Table; 2]) {
    assert_eq!(reference.rows(), forked.rows());
    for (reference, forked) in lines(reference).into_iter().zip(lines(forked)) {
        for (a, b) in [
            (reference.value, forked.value),
            (reference.base_value, forked.base_value),
            (reference.change, forked.change),
            (reference.source_value.unwrap_or(0.0), forked.source_value.unwrap_or(0.0)),
        ] {
            assert!(close(a, b), "{reference:#?} {forked:#?}");
        }
        let same = |line: Line| Line {
            value: 0.0,
            base_value: 0.0,
            source_value: line.source_value.map(|_| 0.0),
            effect: 0.0,
            change: 0.0,
            // The reference computes the two runs of a self swap in tensors of other shapes, which may differ in the last bit.
            note: line.note.filter(|_| line.control != "self"),
            ..line
        };
        assert_eq!(same(reference), same(forked));
    }
}

#[test]
fn values_are_those_of_a_plan_of_the_row_alone() {
    for name in MODELS {
        let subject = Subject::new(name);
        let (pairs, rows) = (mixed(), rows(&mixed()));
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput, Component::AttentionValueOutput])
            .layers([0, subject.layers() - 1])
            .roles(roles(&["subject_first", "last", "subject", "after_subject"]))
            .directions([Direction::Noising, Direction::Denoising])
            .metrics(metrics())
            .build()
            .unwrap();
        assert_eq!(sweep.left_out().len(), 0);
        let tables = tables(&subject, &sweep);
        assert_eq!(tables[0].rows(), pairs.len() * 2 * 2 * 2 * 4 * metrics().len());
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| interchange(&subject, line, pair));
    }
}

#[test]
fn with_a_beginning_of_sequence_token_too() {
    let subject = Subject::with_bos("llama-gqa");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let sweep = subject
        .sweep(&rows)
        .components([Component::Embedding, Component::BlockInput, Component::FinalNorm])
        .roles(roles(&["subject_last", "last", "1"]))
        .metrics(metrics())
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &pairs, |line, pair| interchange(&subject, line, pair));
}

#[test]
fn heads_at_positions_and_heads_everywhere() {
    for name in ["gpt2-plain", "llama-gqa", "gemma3-plain"] {
        let subject = Subject::new(name);
        // Heads everywhere need base and source of one length.
        let pairs: Vec<Pair> = mixed()
            .into_iter()
            .filter(|pair| pair.source.as_ref().unwrap().len() == pair.base.len())
            .collect();
        assert!(pairs.len() > 2);
        let rows = rows(&pairs);
        let sweep = |unit, components: &[Component]| {
            subject
                .sweep(&rows)
                .components(components.to_vec())
                .layers([1])
                .roles(roles(&["subject_last", "last"]))
                .unit(unit)
                .metrics(metrics())
                .build()
                .unwrap()
        };
        let positions = [Component::AttentionValueOutput, Component::KeyOutput];
        let everywhere = [Component::ValueOutput, Component::AttentionWeight];
        for sweep in
            [sweep(SweepUnit::HeadPosition, &positions), sweep(SweepUnit::Head, &everywhere)]
        {
            let tables = tables(&subject, &sweep);
            agree(&tables);
            check(&subject, &tables[0], &pairs, |line, pair| interchange(&subject, line, pair));
        }
    }
}

#[test]
fn attention_patterns_at_positions() {
    let subject = Subject::new("llama-gqa");
    let pairs: Vec<Pair> = mixed()
        .into_iter()
        .filter(|pair| pair.source.as_ref().unwrap().len() == pair.base.len())
        .collect();
    let rows = rows(&pairs);
    let sweep = subject
        .sweep(&rows)
        .components([Component::AttentionScore])
        .roles(roles(&["subject_last", "last"]))
        .directions([Direction::Noising, Direction::Denoising])
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &pairs, |line, pair| interchange(&subject, line, pair));
}

#[test]
fn denoising_is_noising_of_the_row_with_base_and_source_exchanged() {
    let subject = Subject::new("gpt2-plain");
    let swapped: Vec<Pair> = mixed().iter().map(Pair::swapped).collect();
    let (straight, swapped) = (rows(&mixed()), rows(&swapped));
    let table = |rows: &[vene::data::Row], direction| {
        let sweep = subject
            .sweep(rows)
            .components([Component::BlockOutput])
            .roles(roles(&["subject", "last"]))
            .directions([direction])
            .metrics(metrics())
            .build()
            .unwrap();
        lines(&sweep.run(&subject.model).unwrap().into_examples())
    };
    let denoised = table(&straight, Direction::Denoising);
    let noised = table(&swapped, Direction::Noising);
    assert_eq!(denoised.len(), noised.len());
    for (denoised, noised) in denoised.into_iter().zip(noised) {
        // One runs the source beside others than the other does: sums in another order.
        assert!(close(denoised.value, noised.value), "{denoised:#?} {noised:#?}");
        assert!(close(denoised.effect, noised.effect), "{denoised:#?} {noised:#?}");
        assert!(close(denoised.base_value, noised.base_value), "{denoised:#?} {noised:#?}");
        assert!(close(denoised.source_value.unwrap(), noised.source_value.unwrap()));
    }
}
