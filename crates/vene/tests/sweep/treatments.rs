//! What is done at a place: ablations, steering by the source, modules skipped, attention knocked out.

use std::sync::Arc;

use candle_core::Tensor;
use vene::intervention::{Intervention, SourceCount, Traits, UnitContext};
use vene::{Component, Direction, Edit, Method, Module, SweepUnit};

use crate::hand::{Done, Hand, at, check, of_base, written};
use crate::lines::Line;
use crate::subject::{MODELS, Pair, Subject, mixed, rows};
use crate::total::{agree, interchange, metrics, roles, tables};

/// Pairs, the last of which have no source.
fn partly_without_source() -> Vec<Pair> {
    let mut pairs = mixed();
    for pair in &mut pairs[3..] {
        *pair = pair.without_source();
    }
    pairs
}

#[test]
fn zero_of_rows_with_and_without_source() {
    for name in MODELS {
        let subject = Subject::new(name);
        let pairs = partly_without_source();
        let rows = rows(&pairs);
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput, Component::AttentionWeight])
            .layers([1])
            .roles(roles(&["subject", "last"]))
            .method(Method::Zero)
            .metrics(metrics())
            .build()
            .unwrap();
        assert_eq!(sweep.left_out().len(), 0);
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let edit = Edit::zero(line.component, line.layer);
            of_base(&subject, line, pair, vec![edit.at(at(&written(&subject, line, pair)))])
        });
    }
}

#[test]
fn scaling_of_heads() {
    let subject = Subject::new("llama-gqa");
    let pairs = partly_without_source();
    let rows = rows(&pairs);
    for unit in [SweepUnit::Head, SweepUnit::HeadPosition] {
        let sweep = subject
            .sweep(&rows)
            .components([Component::AttentionValueOutput])
            .layers([0, 2])
            .heads([3, 1])
            .unit(unit)
            .method(Method::Scaling { factor: -0.5 })
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let edit = Edit::scaling(line.component, line.layer, -0.5);
            of_base(&subject, line, pair, vec![edit.at(at(&written(&subject, line, pair)))])
        });
    }
}

#[test]
fn the_source_added_and_subtracted_in_both_directions() {
    let subject = Subject::new("gpt2-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    for method in [Method::Addition, Method::Subtraction] {
        let sweep = subject
            .sweep(&rows)
            .components([Component::MlpOutput, Component::Embedding])
            .layers([1])
            .roles(roles(&["subject", "last"]))
            .directions([Direction::Noising, Direction::Denoising])
            .method(method.clone())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let straight = line.direction == "noising";
            let pair = if straight { pair.clone() } else { pair.swapped() };
            let source = subject.prompt(pair.source.as_ref().unwrap());
            let edit = match method {
                Method::Addition => Edit::addition(line.component, line.layer),
                _ => Edit::subtraction(line.component, line.layer),
            };
            let role = line.role.as_ref().unwrap();
            let edit = edit
                .at(at(&subject.positions(&pair, role, false)))
                .from(at(&subject.positions(&pair, role, true)));
            let base = subject.prompt(&pair.base);
            Hand {
                before: vec![Done::unedited(base.clone())],
                after: vec![Done::new(base, vec![source.clone()], move |_| vec![edit.clone()])],
                other: Some(Done::unedited(source)),
            }
        });
    }
}

#[test]
fn skipped_modules() {
    let subject = Subject::new("gemma3-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let sweep = subject
        .sweep(&rows)
        .components([Component::AttentionOutput, Component::MlpOutput, Component::BlockOutput])
        .layers([0, 3])
        .roles(roles(&["subject_last", "last"]))
        .method(Method::Skip)
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &pairs, |line, pair| {
        let module = match line.component {
            Component::AttentionOutput => Module::Attention,
            Component::MlpOutput => Module::Mlp,
            _ => Module::Block,
        };
        let edit = Edit::skip(module, line.layer.unwrap());
        of_base(&subject, line, pair, vec![edit.at(at(&written(&subject, line, pair)))])
    });
}

#[test]
fn knocked_out_attention_of_the_prompt_s_last_position() {
    let subject = Subject::new("llama-gqa");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    for unit in [SweepUnit::Position, SweepUnit::HeadPosition] {
        let sweep = subject
            .sweep(&rows)
            .components([Component::AttentionScore])
            .roles(roles(&["subject", "subject_first"]))
            .unit(unit)
            .window(2)
            .method(Method::Knockout)
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            // Two layers: the one before the cell's, where there is one, and the cell's.
            let layer = line.layer.unwrap();
            let keys = at(&written(&subject, line, pair));
            let knockout = |layer: usize| {
                Edit::knockout(layer).at(at(&[pair.base.len() - 1])).keys(keys.clone())
            };
            of_base(&subject, line, pair, (layer.saturating_sub(1)..=layer).map(knockout).collect())
        });
    }
}

/// The mean of the base and all sources.
#[derive(Debug)]
struct WithAll;

impl Intervention for WithAll {
    fn name(&self) -> &'static str {
        "with_all"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::Several)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let sum = sources.iter().try_fold(base.clone(), |sum, source| sum + source)?;
        sum / (1.0 + sources.len() as f64)
    }
}

#[test]
fn a_control_does_not_change_the_map_that_it_is_a_control_for() {
    // One that takes several sources is given the row's source, not the control's as well.
    let subject = Subject::new("gpt2-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput])
        .layers([1])
        .roles(roles(&["last"]))
        .method(Method::Custom(Arc::new(WithAll)))
        .controls([vene::Control::ShuffledSource])
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    let main = tables[0].filter(|row| tables[0].text("control").unwrap()[row] == "none");
    check(&subject, &main, &pairs, |line: &Line, pair| {
        let mut hand = interchange(&subject, line, pair);
        let source = subject.prompt(pair.source.as_ref().unwrap());
        let edit = Edit::new(line.component, line.layer, Arc::new(WithAll))
            .at(at(&subject.positions(pair, "last", false)))
            .from(at(&subject.positions(pair, "last", true)));
        hand.after =
            vec![Done::new(subject.prompt(&pair.base), vec![source], move |_| vec![edit.clone()])];
        hand
    });
}
