//! Every edge as a fork is what a run of all nodes gives, in which that edge alone is patched.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::Model;
use vene::data::Row;
use vene::metric::LOGIT_DIFFERENCE;
use vene_circuit::{Ablation, CircuitRows, Circuits, Edge, EdgeEffects, EdgeSet, GroupedKeys};
use vene_model::Precision;

fn rows(model: &Model, keys: GroupedKeys) -> CircuitRows {
    let rows = [Row::new("The capital of Spain is", "The capital of Italy is")
        .target(" Madrid")
        .foil(" Rome")];
    CircuitRows::builder(model, &rows)
        .graph(keys)
        .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
        .build()
        .unwrap()
}

const EVERY: usize = 11;

fn compare(precision: Precision, ablation: Ablation, tolerance: f64) {
    let model = Model::load_with("embedded", precision, &mut |_| ()).unwrap();
    let rows = rows(&model, GroupedKeys::Grouped);
    let graph = rows.graph().clone();
    let effects = EdgeEffects::new(rows.clone()).ablation(ablation);
    let mut done = 0;
    let forked = effects
        .run_row(&model, 0, &mut |more| {
            done += more;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(done, graph.edge_count());
    let one = |edge| {
        let mut set = EdgeSet::none(&graph);
        assert!(set.set(&edge, true));
        set
    };
    // A whole run for each edge takes long: of every few edges one.
    let chosen: Vec<Edge> = graph.edges().skip(3).step_by(EVERY).collect();
    let sets: Vec<EdgeSet> = chosen.iter().copied().map(one).collect();
    let whole = Circuits::new(rows).ablation(ablation).run_row(&model, 0, &sets).unwrap();
    assert_eq!(whole.base, forked.base);
    let mut changed = 0;
    for (edge, values) in chosen.into_iter().zip(whole.values) {
        let forked = forked.edges.iter().find(|of| of.edge == edge).unwrap();
        let (fork, whole) = (forked.effects[0], values[0] - whole.base[0]);
        assert!((fork - whole).abs() < tolerance, "{edge}: {fork} {whole}");
        changed += usize::from(fork.abs() > 1e-3);
    }
    assert!(changed > 10, "{changed}");
}

#[test]
fn an_edge_is_a_fork_from_its_receiver() {
    compare(Precision::Double, Ablation::Resample, 1e-10);
    compare(Precision::Single, Ablation::Resample, 1e-4);
    compare(Precision::Double, Ablation::Zero, 1e-10);
}

#[test]
fn all_edges_patched_are_the_source_and_none_the_base() {
    let model = Model::load_with("embedded", Precision::Double, &mut |_| ()).unwrap();
    let rows = rows(&model, GroupedKeys::Grouped);
    let graph = rows.graph().clone();
    let sets = [EdgeSet::none(&graph), EdgeSet::all(&graph)];
    let found = Circuits::new(rows).run_row(&model, 0, &sets).unwrap();
    assert!((found.values[0][0] - found.base[0]).abs() < 1e-10, "{found:?}");
    assert!((found.values[1][0] - found.source.unwrap()[0]).abs() < 1e-10);
}
