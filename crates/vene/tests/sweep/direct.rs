//! Direct effects: what goes through no later attention at the positions that are read.

use vene::{Component, Edit, EffectType};

use crate::hand::{Done, Hand, at, check};
use crate::lines::{Line, lines};
use crate::subject::{MODELS, Pair, Subject, mixed, rows};
use crate::total::{agree, interchange, metrics, roles, tables};

/// An interchange in some layers, and from `held` on the attention's outputs as they are unedited.
fn hand(subject: &Subject, line: &Line, pair: &Pair, layers: &[usize], held: usize) -> Hand {
    let role = line.role.as_ref().unwrap();
    let written = at(&subject.positions(pair, role, false));
    let read = at(&subject.positions(pair, role, true));
    let site = |layer: Option<usize>| {
        Edit::interchange(line.component, layer).at(written.clone()).from(read.clone())
    };
    let own: Vec<Edit> = match line.layer {
        Some(_) => layers.iter().map(|&layer| site(Some(layer))).collect(),
        None => vec![site(None)],
    };
    let (last, all) = (pair.base.len() - 1, subject.layers());
    let edits = move |front: usize| {
        let positions: Vec<usize> = (last..=last + front).collect();
        let freeze = |layer| Edit::freeze(Component::AttentionOutput, layer).at(at(&positions));
        own.iter().cloned().chain((held..all).map(freeze)).collect()
    };
    let source = subject.prompt(pair.source.as_ref().unwrap());
    Hand {
        after: vec![Done::new(subject.prompt(&pair.base), vec![source], edits)],
        ..interchange(subject, line, pair)
    }
}

#[test]
fn attention_behind_the_edit_is_held_where_answers_are_read() {
    for name in MODELS {
        let subject = Subject::new(name);
        let (pairs, rows) = (mixed(), rows(&mixed()));
        let sweep = subject
            .sweep(&rows)
            .components([
                Component::Embedding,
                Component::BlockInput,
                Component::AttentionOutput,
                Component::MlpOutput,
                Component::FinalNorm,
            ])
            .layers([1])
            .roles(roles(&["subject_last", "last"]))
            .effect(EffectType::Direct)
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let held = |line: &Line| match (line.component, line.layer) {
            (Component::Embedding, _) => 0,
            (Component::BlockInput, Some(layer)) => layer,
            (_, Some(layer)) => layer + 1,
            _ => subject.layers(),
        };
        check(&subject, &tables[0], &pairs, |line, pair| {
            let layers: Vec<usize> = line.layer.into_iter().collect();
            hand(&subject, line, pair, &layers, held(line))
        });
    }
}

#[test]
fn there_is_no_direct_effect_where_no_answer_is_read() {
    // Whatever the window: the attention of its own layers reads what it edits.
    let subject = Subject::new("gemma3-plain");
    let pairs = vec![mixed().remove(0), mixed().remove(1), mixed().remove(2)];
    let rows = rows(&pairs);
    for window in [1, 3] {
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockInput, Component::MlpOutput, Component::BlockOutput])
            .roles(roles(&["subject_last", "last"]))
            .window(window)
            .effect(EffectType::Direct)
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let layer = line.layer.unwrap();
            let first = layer.saturating_sub((window - 1) / 2);
            let layers: Vec<usize> =
                (first..=layer + window / 2).filter(|&layer| layer < subject.layers()).collect();
            let held = first + usize::from(line.component != Component::BlockInput);
            hand(&subject, line, pair, &layers, held)
        });
        let mut seen = 0;
        for line in lines(&tables[0]) {
            if line.role.as_deref() == Some("subject_last") {
                // The subject of row 1 ends at its last position.
                let ends = pairs[line.example].subject.0.end == pairs[line.example].base.len();
                assert!(ends || line.effect.abs() < 1e-12, "{line:#?}");
                assert!(line.change > 0.0);
                seen += usize::from(!ends);
            }
        }
        assert!(seen > 20);
    }
}
