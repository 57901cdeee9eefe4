//! Edges and sets of edges are those of plain PyTorch hooks (`fixtures/make_circuits.py`).
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;
use vene::Model;
use vene::data::{PreparedRow, Row};
use vene::metric::LOGIT_DIFFERENCE;
use vene_circuit::{
    CircuitRows, Circuits, Edge, EdgeAttribution, EdgeEffects, EdgeSet, GroupedKeys, Patched,
    PathEffects, SenderSet, Through,
};
use vene_data::Answers;
use vene_model::Precision;
use vene_test_support::{Fixture, json};

const MODELS: [&str; 5] = ["gpt2-plain", "llama-gqa", "gemma3-plain", "gemma2-plain", "olmo2-gqa"];

#[derive(Deserialize)]
struct Case {
    base: Vec<u32>,
    source: Vec<u32>,
    target: u32,
    foil: u32,
    base_value: f64,
    source_value: f64,
    edges: Vec<OneEdge>,
    sets: Vec<Set>,
    paths: Vec<OnePath>,
}

#[derive(Deserialize)]
struct OnePath {
    senders: Vec<String>,
    receivers: Vec<String>,
    through: Through,
    value: f64,
}

#[derive(Deserialize)]
struct OneEdge {
    edge: String,
    value: f64,
    attribution: f64,
}

#[derive(Deserialize)]
struct Set {
    edges: Vec<String>,
    value: f64,
}

fn rows(model: &Model, case: &Case) -> CircuitRows {
    let prompt = |tokens: &[u32]| model.prompt_from_tokens(tokens).unwrap();
    let row = PreparedRow {
        index: 0,
        row: Row::new("base", "source"),
        base: prompt(&case.base),
        source: Some(prompt(&case.source)),
        answers: Answers::new(&[vec![case.target]], &[vec![case.foil]]),
        base_positions: Vec::new(),
        source_positions: Vec::new(),
        base_read: Vec::new(),
        source_read: Vec::new(),
        further: Vec::new(),
    };
    CircuitRows::of_tokens(model, vec![row])
        .graph(GroupedKeys::Grouped)
        .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
        .build()
        .unwrap()
}

fn compare(precision: Precision, tolerance: f64) {
    for name in MODELS {
        let case: Case = json(&format!("circuits/{name}.json"));
        let model = Fixture::new(name).load(precision);
        let rows = rows(&model, &case);
        let graph = rows.graph().clone();
        let close = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < tolerance, "{name}, {what}: {found} {expected}");
        };
        let found = EdgeEffects::new(rows.clone())
            .run_row(&model, 0, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        close(found.base[0], case.base_value, "base");
        close(found.source.unwrap()[0], case.source_value, "source");
        assert_eq!(found.edges.len(), case.edges.len());
        let mut named = found
            .edges
            .iter()
            .map(|of| (of.edge, found.base[0] + of.effects[0]))
            .collect::<Vec<_>>();
        named.sort_by_key(|(edge, _)| *edge);
        for OneEdge { edge, value, .. } in &case.edges {
            let parsed: Edge = edge.parse().unwrap();
            let place = named.binary_search_by_key(&parsed, |(edge, _)| *edge).unwrap();
            close(named[place].1, *value, edge);
        }
        let set = |Set { edges, .. }: &Set| {
            let mut set = EdgeSet::none(&graph);
            assert!(edges.iter().all(|edge| set.set(&edge.parse().unwrap(), true)));
            set
        };
        let sets: Vec<EdgeSet> = case.sets.iter().map(set).collect();
        for path in &case.paths {
            let senders = path.senders.iter().map(|sender| sender.parse().unwrap()).collect();
            let set = SenderSet { name: path.senders.join("+"), senders };
            let receivers = path.receivers.iter().map(|name| name.parse().unwrap()).collect();
            let found = PathEffects::new(rows.clone(), vec![set], receivers)
                .unwrap()
                .through(path.through)
                .run_row(&model, 0, &mut |_| ControlFlow::Continue(()))
                .unwrap();
            let value = found.base[0] + found.paths[0].effects[0];
            let what = format!("{:?} to {:?}, {}", path.senders, path.receivers, path.through);
            close(value, path.value, &what);
        }
        let patched: Vec<Patched<'_>> = sets.iter().map(Patched::from).collect();
        let found = Circuits::new(rows)
            .run_row(&model, 0, &patched, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        for (set, values) in case.sets.iter().zip(found.values) {
            close(values[0], set.value, &format!("a set of {} edges", set.edges.len()));
        }
    }
}

/// Scores by gradients are autograd's.
fn compare_gradients(precision: Precision, tolerance: f64) {
    for name in MODELS {
        let case: Case = json(&format!("circuits/{name}.json"));
        let model = Fixture::new(name).load(precision);
        let found = EdgeAttribution::new(rows(&model, &case)).unwrap().run_row(&model, 0).unwrap();
        let largest = case.edges.iter().map(|edge| edge.attribution.abs()).fold(0.0, f64::max);
        assert_eq!(found.edges.len(), case.edges.len());
        for of in &found.edges {
            let name_of = of.edge.to_string();
            let expected = case.edges.iter().find(|edge| edge.edge == name_of).unwrap();
            let error = (of.effects[0] - expected.attribution).abs();
            assert!(
                error < tolerance * largest,
                "{name}, {name_of}: {} {}",
                of.effects[0],
                expected.attribution
            );
        }
    }
}

#[test]
fn in_double_precision() {
    compare(Precision::Double, 1e-5);
    compare_gradients(Precision::Double, 1e-5);
}

#[test]
fn in_single_precision() {
    compare(Precision::Single, 1e-3);
    compare_gradients(Precision::Single, 1e-4);
}
