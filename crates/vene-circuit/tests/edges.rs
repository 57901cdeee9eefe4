//! Every edge as a fork is what a run of all nodes gives, in which that edge alone is patched.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::data::Row;
use vene::metric::LOGIT_DIFFERENCE;
use vene::run::RunPlans;
use vene::{Component, Edit, Example, Model, Plan, Positions, Prompt, Site, Source};
use vene_circuit::{
    Ablation, CircuitRole, CircuitRows, CircuitSizes, Circuits, Edge, EdgeEffects, EdgeRanking,
    EdgeSet, Faithfulness, GroupedKeys, Patched, RankBy,
};
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
    let patched: Vec<Patched<'_>> = sets.iter().map(Patched::from).collect();
    let whole = Circuits::new(rows)
        .ablation(ablation)
        .run_row(&model, 0, &patched, &mut |_| ControlFlow::Continue(()))
        .unwrap();
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
    let patched: Vec<Patched<'_>> = sets.iter().map(Patched::from).collect();
    let found = Circuits::new(rows)
        .run_row(&model, 0, &patched, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert!((found.values[0][0] - found.base[0]).abs() < 1e-10, "{found:?}");
    assert!((found.values[1][0] - found.source.unwrap()[0]).abs() < 1e-10);
}

#[test]
fn controls_say_what_circuits_alone_do() {
    let model = Model::load_with("embedded", Precision::Double, &mut |_| ()).unwrap();
    let rows = rows(&model, GroupedKeys::Grouped);
    let graph = rows.graph().clone();
    let effects = EdgeEffects::new(rows.clone())
        .run_row(&model, 0, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let scores = effects.edges.iter().map(|of| (of.edge, of.effects[0]));
    let ranking = EdgeRanking::new(&graph, scores, RankBy::Absolute).unwrap();
    let sizes = CircuitSizes { shares: vec![0.1, 0.5, 1.0], ..CircuitSizes::default() };
    let faithfulness = Faithfulness::new(Circuits::new(rows), &ranking, &sizes).unwrap();
    let mut runs = 0;
    let found = faithfulness
        .run_row(&model, 0, &mut |more| {
            runs += more;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(runs, faithfulness.runs_per_row());
    let table = faithfulness.table(0, &found).unwrap();
    let (roles, shares) = (table.text("role").unwrap(), table.floats("share").unwrap());
    let base = table.floats("base_value").unwrap()[0];
    let empty = table.floats("empty_value").unwrap()[0];
    assert!((empty - effects.source.unwrap()[0]).abs() < 1e-9, "all edges patched are the source");
    let value = |role: CircuitRole, share: f64| {
        let is_it = |row: &usize| roles[*row] == role.name() && shares[*row] == share;
        table.floats("value").unwrap()[(0..table.rows()).find(is_it).unwrap()]
    };
    for share in [0.1, 0.5, 1.0] {
        assert!((value(CircuitRole::SelfSwap, share) - base).abs() < 1e-9);
    }
    assert!((value(CircuitRole::Circuit, 1.0) - base).abs() < 1e-9);
    assert!((value(CircuitRole::Complement, 1.0) - empty).abs() < 1e-9);
    let part = |role| (value(role, 0.5) - empty) / (base - empty);
    assert!(part(CircuitRole::Circuit) > 0.5, "{}", part(CircuitRole::Circuit));
    assert!(part(CircuitRole::Circuit) > part(CircuitRole::Random));
    assert!(part(CircuitRole::Circuit) > part(CircuitRole::Complement));
}

/// By linearity all edges patched with means are the mean of the residual streams after the last block.
#[test]
fn means_are_those_of_the_sources() {
    let model = Model::load_with("embedded", Precision::Double, &mut |_| ()).unwrap();
    let row = |base: &str, source: &str| {
        Row::new(format!("The capital of {base} is"), format!("The capital of {source} is"))
            .target(" Madrid")
            .foil(" Rome")
    };
    let texts = [row("Spain", "Italy"), row("Peru", "Japan"), row("Italy", "Spain")];
    let rows = CircuitRows::builder(&model, &texts)
        .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
        .build()
        .unwrap();
    let graph = rows.graph().clone();
    let last = model.config().layers.len() - 1;
    let collected = |prompt: Prompt, component: Component, layer: Option<usize>| -> Vec<f64> {
        let plan = Plan::new().collect(component, layer, Positions::All);
        let plan = plan.resolve(&model, &[Example::new(prompt)]).unwrap();
        let site = Site::new(component, layer, model.config()).unwrap();
        let outcome = model.run(&plan).unwrap();
        outcome.activation(0, site).unwrap().to_vec2::<f64>().unwrap().concat()
    };
    let source = |row: &Row| model.prompt(row.source.as_deref().unwrap()).unwrap();
    let end = |row| collected(source(row), Component::BlockOutput, Some(last));
    let ends: Vec<Vec<f64>> = texts.iter().map(end).collect();
    let width = model.config().d_model;
    let positions = ends[0].len() / width;
    let mean = |index: usize| ends.iter().map(|end| end[index]).sum::<f64>() / ends.len() as f64;
    let at_last: Vec<f64> =
        (0..width).map(|column| mean((positions - 1) * width + column)).collect();
    // Positions' own embeddings are no sender: they stay what they are at the last one. One token everywhere shows how they differ.
    let same = model.prompt_from_tokens(&vec![5; positions]).unwrap();
    let same = collected(same, Component::Embedding, None);
    let over = |of: &dyn Fn(usize) -> f64, column: usize| {
        (0..positions).map(|at| of(at * width + column)).sum::<f64>() / positions as f64
    };
    let anywhere: Vec<f64> = (0..width)
        .map(|column| {
            let moved = over(&|index| same[index], column) - same[(positions - 1) * width + column];
            over(&mean, column) - moved
        })
        .collect();
    let all = EdgeSet::all(&graph);
    for (ablation, expected) in [(Ablation::MeanByPosition, at_last), (Ablation::Mean, anywhere)] {
        let found = Circuits::new(rows.clone())
            .ablation(ablation)
            .run_row(&model, 1, &[Patched::from(&all)], &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let edit = Edit::interchange(Component::BlockOutput, Some(last))
            .at(Positions::At(vec![-1]))
            .source(Source::Given(Arc::new(expected)));
        let prompt = model.prompt(texts[1].base.as_str()).unwrap();
        let plan = Plan::new().edit(edit).resolve(&model, &[Example::new(prompt)]).unwrap();
        let outcome = model.run(&plan).unwrap();
        let logits = outcome.distribution(0, 0).unwrap().logits();
        let token = |text: &str| model.tokenizer().single_token(text).unwrap() as usize;
        let value = logits[token(" Madrid")] - logits[token(" Rome")];
        assert!((found.values[0][0] - value).abs() < 1e-5, "{ablation}: {found:?} {value}");
        // In single precision as well, and as an edge by itself.
        let single = Model::load("embedded").unwrap();
        let rows = CircuitRows::builder(&single, &texts)
            .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
            .build()
            .unwrap();
        let found = Circuits::new(rows.clone())
            .ablation(ablation)
            .run_row(&single, 1, &[Patched::from(&all)], &mut |_| ControlFlow::Continue(()))
            .unwrap();
        assert!((found.values[0][0] - value).abs() < 1e-3, "{ablation}: {found:?} {value}");
        let edge = EdgeEffects::new(rows).ablation(ablation).edges(["m0->m4".parse().unwrap()]);
        let effects =
            edge.unwrap().run_row(&single, 0, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(effects.edges[0].effects[0].abs() > 1e-6, "{effects:?}");
    }
}
