//! In every family: an edge as a fork is what a run of all nodes gives, grouped and ungrouped; all edges patched are the source's run.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::Model;
use vene::data::{PreparedRow, Row};
use vene::metric::LOGIT_DIFFERENCE;
use vene_circuit::{
    CircuitRows, Circuits, Edge, EdgeEffects, EdgeSet, Graph, GroupedKeys, Patched,
};
use vene_data::Answers;
use vene_model::Precision;
use vene_test_support::{Fixture, model_names};

/// Edges that are looked at in each model.
const EDGES: usize = 24;

fn row(model: &Model, base: &[u32]) -> PreparedRow {
    let vocabulary = model.config().vocabulary as u32;
    // A common beginning, then other tokens.
    let other = |(index, token): (usize, &u32)| match index {
        0 | 1 => *token,
        index => (token * 7 + 3 + index as u32) % vocabulary,
    };
    let source: Vec<u32> = base.iter().enumerate().map(other).collect();
    PreparedRow {
        index: 0,
        row: Row::new("base", "source"),
        base: model.prompt_from_tokens(base).unwrap(),
        source: Some(model.prompt_from_tokens(&source).unwrap()),
        answers: Answers::new(&[vec![5]], &[vec![11]]),
        base_positions: Vec::new(),
        source_positions: Vec::new(),
        base_read: Vec::new(),
        source_read: Vec::new(),
        further: Vec::new(),
    }
}

fn compare(model: &Model, name: &str, row: PreparedRow, keys: GroupedKeys) {
    let rows = CircuitRows::of_tokens(model, vec![row])
        .graph(keys)
        .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
        .build()
        .unwrap();
    let graph = rows.graph().clone();
    let step = (graph.edge_count() / EDGES).max(1) | 1;
    let edges: Vec<Edge> = graph.edges().skip(1).step_by(step).collect();
    let found = EdgeEffects::new(rows.clone())
        .edges(edges.clone())
        .unwrap()
        .run_row(model, 0, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let one = |edge: &Edge| {
        let mut set = EdgeSet::none(&graph);
        assert!(set.set(edge, true));
        set
    };
    let mut sets: Vec<EdgeSet> = edges.iter().map(one).collect();
    sets.push(EdgeSet::all(&graph));
    sets.push(EdgeSet::none(&graph));
    let patched: Vec<Patched<'_>> = sets.iter().map(Patched::from).collect();
    let whole = Circuits::new(rows)
        .run_row(model, 0, &patched, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let close = |found: f64, expected: f64, what: &str| {
        assert!((found - expected).abs() < 1e-9, "{name}, {keys}, {what}: {found} {expected}");
    };
    for (edge, values) in edges.iter().zip(&whole.values) {
        let of = found.edges.iter().find(|of| of.edge == *edge).unwrap();
        close(of.effects[0], values[0] - whole.base[0], &edge.to_string());
    }
    let changed = found.edges.iter().filter(|of| of.effects[0].abs() > 1e-6).count();
    assert!(changed > EDGES / 4, "{name}: {changed}");
    let source = whole.source.unwrap()[0];
    close(whole.values[edges.len()][0], source, "all edges");
    close(whole.values[edges.len() + 1][0], whole.base[0], "no edge");
}

#[test]
fn forks_are_runs_of_all_nodes() {
    let mut families = std::collections::BTreeSet::new();
    for name in model_names() {
        let fixture = Fixture::new(&name);
        let model = fixture.load(Precision::Double);
        if Graph::of(model.config(), GroupedKeys::Grouped).is_err() {
            continue;
        }
        let base = &fixture.prompts()[1];
        for keys in [GroupedKeys::Grouped, GroupedKeys::Ungrouped] {
            compare(&model, &name, row(&model, base), keys);
        }
        families.insert(model.config().family);
    }
    assert!(families.len() > 25, "{families:?}");
}
